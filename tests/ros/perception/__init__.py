"""Nodes that share a process."""
