"""Monodepth2 (Godard et al. 2019): depth of one image and motion between two, by ResNets."""
