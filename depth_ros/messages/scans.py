"""``sensor_msgs/LaserScan`` of a flat scan."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from depth_ros.geometry.flat_scan import FlatScan


class LaserScanMessage(Protocol):
    """Fields of ``sensor_msgs/LaserScan``, the header left to the caller."""

    angle_min: float
    angle_max: float
    angle_increment: float
    time_increment: float
    scan_time: float
    range_min: float
    range_max: float
    ranges: array[float]


def fill_laser_scan(message: LaserScanMessage, scan: FlatScan) -> None:
    """Set every field of a ``sensor_msgs/LaserScan`` but the header.

    All beams are of one moment, so both times are 0; there are no intensities.

    Args:
        message: To be filled.
        scan: Ranges as REP 117 has them.
    """
    message.angle_min = scan.angle_min_rad
    message.angle_max = scan.angle_max_rad
    message.angle_increment = scan.increment_rad
    message.time_increment = 0.0
    message.scan_time = 0.0
    message.range_min = 0.0
    message.range_max = scan.max_range_m
    message.ranges = array('f', np.ascontiguousarray(scan.ranges, np.float32).tobytes())
