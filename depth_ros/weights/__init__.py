"""Official weights: what there is, fetching it when asked, and taking files in."""
