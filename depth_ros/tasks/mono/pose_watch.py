"""Notices poses that do not explain how the image moves.

Points are followed through the images. Right poses put each somewhere on its ray; wrong ones, a
mount that is turned, stamps of another clock, a jump, wheels that slip, put most of them nowhere.
What is not enough for that may still set the depth maps of keyframes at odds with one another.
One thing cannot be seen: ways that are all wrong by the same factor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.tasks.mono.keyframe_maps import KeyframeMap
from depth_ros.tasks.mono.sights import PointSight, num_sights, unexplained_px

MAX_SHARE_OF_WIDTH = 3.0 / 320.0
"""A point may be so far from where poses allow it to be, of the image's width: 3 px of 320."""
MIN_EXPLAINED = 0.5
"""Share of the points that must be within that: most. Of exact poses 0.77 and more are
(``benchmarks/mono_poses.py``); what moves by itself is not."""
MIN_POINTS = 20
"""Fewer points than this say nothing."""
MIN_AGREED = 0.45
"""Least share of pixels of the last ``NUM_MAPS`` keyframes on which another one agrees. Of exact
poses 0.59 and more do, 0.49 where a large box walks by (``benchmarks/mono_poses.py --depth``)."""
NUM_MAPS, MIN_MAPS = 3, 2
HOLD_NS = 1_000_000_000
"""So long after a disagreement there are no metres: what was computed before lies elsewhere."""

REMEDY = (
    "check that the odometry is right and its stamps are of the images' clock, the camera's mount "
    '(base_from_camera or TF) and the calibration'
)


class PoseWatch:
    """Compares the poses of images with points that are followed in them."""

    def __init__(self) -> None:
        """Start without a complaint."""
        self._trouble: tuple[int, str] | None = None

    def disagrees(
        self, sights: Sequence[PointSight], camera: PinholeCamera, stamp_ns: int
    ) -> bool:
        """Return whether poses and images disagree, and remember it for ``HOLD_NS``.

        Args:
            sights: The points in the last images, the newest last.
            camera: Of all of them.
            stamp_ns: Of the newest.
        """
        if len(sights) < 2:
            return False
        is_followed = num_sights(sights) > 1
        count = int(is_followed.sum())
        if count < MIN_POINTS:
            return False
        apart = unexplained_px([sight.of_points(is_followed) for sight in sights], camera)
        explained = float(np.mean(apart <= MAX_SHARE_OF_WIDTH * camera.width))
        if explained >= MIN_EXPLAINED:
            return False
        self._trouble = stamp_ns, _sentence(count, explained)
        return True

    def expect_agreement(self, stamp_ns: int) -> None:
        """Require that poses and images agreed in the last second.

        Raises:
            InputError: Reason ``'pose_mismatch'``.
        """
        if self._trouble is not None and 0 <= stamp_ns - self._trouble[0] < HOLD_NS:
            raise InputError('pose_mismatch', self._trouble[1])


def expect_maps_agree(maps: Sequence[KeyframeMap]) -> None:
    """Require that the depth maps of the last keyframes agree with one another.

    Each is computed by the poses of its own views; where these are wrong the maps are wrong, each
    in another way. That tells smaller faults of rotation than single points do.

    Args:
        maps: The newest first.

    Raises:
        InputError: Reason ``'pose_mismatch'``.
    """
    shares = [kept.agreed for kept in maps[:NUM_MAPS] if math.isfinite(kept.agreed)]
    if len(shares) < MIN_MAPS or np.mean(shares) >= MIN_AGREED:
        return
    raise InputError(
        'pose_mismatch',
        f'the depth of the last {len(shares)} keyframes does not agree ({np.mean(shares):.0%} of '
        f'the pixels that several of them know, {MIN_AGREED:.0%} needed), so the poses do not '
        f'explain the images; {REMEDY}, or most of the image moves by itself',
    )


def _sentence(count: int, explained: float) -> str:
    return (
        f'the poses do not explain how the image moves (of {count} points that were followed '
        f'{explained:.1%} are where they can be, {MIN_EXPLAINED:.1%} needed); no metres for '
        f'{HOLD_NS / 1e9:g} s; {REMEDY}'
    )
