"""Accuracy of every task on real data with truth: data sets, measures and tables.

Reporting only: nothing is trained on these sets. Neither torch nor ROS is imported here.
"""
