"""Every test of this folder talks to nodes of its own run only."""

from __future__ import annotations

import os
import random

os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(1, 100))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_LOCALHOST_ONLY'] = '1'
os.environ['RCUTILS_COLORIZED_OUTPUT'] = '0'
