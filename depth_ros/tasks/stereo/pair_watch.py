"""Checks the first pairs of a rig and warns once of an impossible geometry."""

from __future__ import annotations

import logging

from depth_ros.camera import StereoCamera
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.pair_check import MIN_MATCHES, examine_pair

LOGGER = logging.getLogger(__name__)
NUM_GOOD = 3
"""Number of pairs without fault after which a rig counts as correct."""
NUM_TRIED = 12
"""Largest number of pairs examined; a rig that sees only bare walls is not judged."""


class PairWatch:
    """Warns once for each rig, in the log of ``depth_ros``, if one of its first pairs is wrong."""

    def __init__(self) -> None:
        self._rig: StereoCamera | None = None
        self._num_good = 0
        self._num_left = 0

    def look(self, pair: RectifiedStereo) -> None:
        """Examine a pair if it is one of the first of its rig."""
        # A rectifier gives the same rig until a calibration changes: no need to compare numbers.
        if pair.camera is not self._rig:
            self._rig, self._num_good, self._num_left = pair.camera, 0, NUM_TRIED
        if not self._num_left or self._num_good == NUM_GOOD:
            return
        self._num_left -= 1
        evidence = examine_pair(pair)
        if evidence.fault is not None:
            self._num_left = 0
            LOGGER.warning('[%s] %s', evidence.fault.value, evidence.sentence())
        elif evidence.num_matches >= MIN_MATCHES:
            self._num_good += 1
