"""The visual odometry node."""
