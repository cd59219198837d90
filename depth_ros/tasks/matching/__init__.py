"""Matching two images."""
