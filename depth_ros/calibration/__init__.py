"""What a calibration must be before metres are made of it: plain arrays, NumPy only, no ROS."""
