"""Exact renderers: images whose depth is known."""
