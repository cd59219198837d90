"""Readers of calibration files, one module a format; ``files/calibration.py`` has their table."""
