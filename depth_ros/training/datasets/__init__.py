"""Readers for the layouts that public data sets come in."""
