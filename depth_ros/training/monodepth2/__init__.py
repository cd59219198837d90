"""Training Monodepth2 on video without truth (Godard et al. 2019, arXiv 1806.01260)."""
