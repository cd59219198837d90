"""Every test of this folder talks to nodes of its own run only."""

from __future__ import annotations

import os
import random

# Workers that test side by side draw from ranges of their own.
WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str(WORKER % 2 * 50 + random.SystemRandom().randint(1, 50))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_LOCALHOST_ONLY'] = '1'
os.environ['RCUTILS_COLORIZED_OUTPUT'] = '0'
