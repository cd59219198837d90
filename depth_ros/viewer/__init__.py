"""Live depth in a browser."""
