"""The ROS edge: nodes, parameters, topics; the only folder that imports rclpy or messages."""
