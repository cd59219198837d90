"""TiO-Depth's three steps of training: one image, a pair, and what one learns from the other."""
