"""When depth maps of several views agree; imported without OpenCV."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.settings import Settings, described


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsistencySettings(Settings):
    """What counts as agreement, with the paper's values."""

    min_confidence: float = described(
        0.8,
        'Depth of less photometric confidence is not fused.',
        minimum=0.0,
        maximum=1.0,
        flags=('--min-confidence',),
    )
    max_reprojection_px: float = described(
        1.0,
        'How far from where it left a pixel may come back through another view.',
        unit='px',
        minimum=0.01,
        maximum=100.0,
        flags=('--max-reprojection-px',),
    )
    max_depth_ratio: float = described(
        0.01,
        'Relative difference of depth with which it may come back.',
        minimum=1e-5,
        maximum=1.0,
        flags=('--max-depth-ratio',),
    )
    min_views: int = described(
        3,
        'Views that must agree on a point.',
        minimum=1,
        maximum=8,
        flags=('--min-views',),
    )
