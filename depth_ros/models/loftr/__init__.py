"""LoFTR (Sun et al. 2021, arXiv 2104.00680): detector-free matching of two images."""
