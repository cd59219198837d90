"""Recordings as a job: bag in, bag out, exact and resumable; no ROS."""
