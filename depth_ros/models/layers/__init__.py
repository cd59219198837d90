"""Parts that several networks share, in torch."""
