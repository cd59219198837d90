"""Training CREStereo, small and full-size, on disparities."""
