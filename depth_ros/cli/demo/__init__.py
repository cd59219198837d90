"""``depth-ros demo``: the real node graph on sample images."""
