"""Depth of a moving camera with known poses."""
