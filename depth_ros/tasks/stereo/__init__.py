"""Depth of a stereo rig."""
