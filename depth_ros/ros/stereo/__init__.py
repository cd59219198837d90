"""The stereo node."""
