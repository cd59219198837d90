"""Depth for robots: stereo, monocular and multi-view networks behind ROS 2 topics.

Reading the module names from top to bottom is reading the data flow; see ``docs/architecture.md``.
Importing this package needs NumPy alone.
"""

__version__ = '0.1.0'
