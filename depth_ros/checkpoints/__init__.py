"""Checkpoints of torch: read without running code, split into parts, recognised by their keys."""
