"""Parameters of nodes that match two images: which variant, and how many keypoints."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.ros.node.parameter_specs import described
from depth_ros.ros.node.parameters import CameraParameters


@dataclass(frozen=True, kw_only=True)
class FrontendParameters(CameraParameters):
    """What ``MatchSettings`` has beyond the parameters of every node with an engine."""

    variant: str = described(
        '',
        'Which official checkpoint the weights of loftr are, e.g. indoor_ds; empty takes '
        'outdoor_ds.',
        opens_engine=True,
    )
    max_keypoints: int = described(
        0,
        'Keypoints of sift and orb in each image; 0 takes their default.',
        minimum=0,
        maximum=100_000,
        opens_engine=True,
    )
