"""``depth-ros run``: images to results without ROS."""
