"""``ros2 run depth_ros doctor``: what is wrong with a running robot, and what to type."""
