"""Training MVSNet on depth maps of posed views."""
