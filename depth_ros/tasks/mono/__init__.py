"""Depth of one camera, and its scale."""
