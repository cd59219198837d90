"""TiO-Depth (Zhou and Dong 2023, arXiv 2309.00933): one network, mono and stereo depth."""
