"""``depth-ros``: one module a command; no ROS, ``demo`` excepted."""
