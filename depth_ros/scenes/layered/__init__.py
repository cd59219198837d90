"""Layered scenes for training, in torch."""
