"""Accuracy of every task on real data with truth: what is judged, how, and the tables.

Reporting only: nothing is trained on these sets. Neither torch nor ROS is imported here.
"""
