"""Runtimes: each takes named arrays and gives named arrays, all behind ``tensors.Engine``."""
