"""``depth-ros calibration``: read, judge, convert and make calibrations."""
