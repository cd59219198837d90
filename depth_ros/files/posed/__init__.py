"""Folders of posed images in common layouts: MVSNet/DTU, COLMAP, plain matrices."""
