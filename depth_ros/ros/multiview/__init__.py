"""The multi-view node."""
