"""``depth-ros evaluate``: figures on data with truth."""
