"""Parameters of the matcher node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.ros.node.parameters import CameraParameters
from depth_ros.settings import described, nested
from depth_ros.tasks.matching.settings import MatchSettings

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class MatcherParameters(CameraParameters):
    """Every parameter of ``matcher_node``, with its default; described by ``specs()``."""

    settings: MatchSettings = nested(MatchSettings)
    input: str = described(
        'raw',
        'raw: subscribe to image_raw. rectified: subscribe to image_rect. auto: whichever of the '
        'two has a publisher first. none: to neither; requests then bring both images.',
        choices=('raw', 'rectified', 'auto', 'none'),
        is_read_only=True,
    )
    pair_step: int = described(
        1,
        'The matches topic pairs a frame with the n-th one before it.',
        minimum=1,
        maximum=999,
    )
    recent_frames: int = described(
        30, 'Frames that requests can name by their stamp.', minimum=1, maximum=1000
    )
    recent_megabytes: int = described(
        256, 'Memory these frames may hold.', unit='MB', minimum=1, maximum=65536
    )
    queue_size: int = described(
        8,
        'Requests that may wait; more are answered "busy".',
        minimum=1,
        maximum=1000,
    )
    queue_megabytes: int = described(
        256,
        'Memory that waiting requests may hold; more are answered "busy".',
        unit='MB',
        minimum=1,
        maximum=65536,
    )
    max_wait_s: float = described(
        10.0,
        'A request that waited longer is answered "busy" instead of being worked on; a request '
        'may say less.',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
    )
