"""Training LoFTR, small and full-size, on pairs whose cells are known to match."""
