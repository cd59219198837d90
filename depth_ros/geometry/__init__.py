"""Rigid motions, projection, rectification, depth from disparity, filters."""
