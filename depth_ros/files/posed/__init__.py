"""Folders of posed images, in the layouts people have: MVSNet/DTU, COLMAP, plain matrices."""
