"""Visual odometry without ROS: frames in, the camera's pose with covariance and state out."""
