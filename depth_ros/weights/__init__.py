"""Official weights: the registry, downloads, and imports of local files."""
