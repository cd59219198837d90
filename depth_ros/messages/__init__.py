"""Message-shaped objects to values and back; no ROS import."""
