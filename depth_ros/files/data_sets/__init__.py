"""Folders of public data sets, each read by one word."""
