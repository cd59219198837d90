"""Results: maps in the reference image's pixels, invalid values as REP 117/118 have them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.errors import InputError


class DepthScale(Enum):
    """Whether depth is in metres or only up to an unknown factor."""

    METRIC = 'metric'
    RELATIVE = 'relative'


def known_share(values: np.ndarray) -> float:
    """Return the share of a map that is known, 0..1: finite, so neither NaN nor out of range."""
    return float(np.isfinite(values).mean())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DisparityResult:
    """Disparity of a rectified pair.

    Attributes:
        disparity: ``(H, W)`` float32, pixels of the rectified image, ``x_left - x_right``;
            NaN where unknown. Zero and negative values can be right when ``cx`` differ.
        camera: The rectified rig it belongs to.
        stamp_ns: Stamp of the left image.
        confidence: ``(H, W)`` float32 in 0..1, or None where not computed.
        hint_distance_px: ``(H, W)`` float32, how far what was found is from a measured hint, NaN
            where there was none; None where no hint was given.
        min_disparity_px: Smallest disparity the matcher could give.
        max_disparity_px: Largest disparity the matcher could give.
        step_px: Resolution of one disparity step (DisparityImage ``delta_d``).
        num_masked_left: Columns at the left edge the matcher cannot fill.
    """

    disparity: np.ndarray
    camera: StereoCamera
    stamp_ns: int
    confidence: np.ndarray | None = None
    hint_distance_px: np.ndarray | None = None
    sigma_px: np.ndarray | None = None
    finest_px: float = 1.0
    min_disparity_px: float = 0.0
    max_disparity_px: float = 0.0
    step_px: float = 0.0
    num_masked_left: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DepthResult:
    """Depth along the optical axis (Z of the optical frame, REP 103).

    Attributes:
        depth: ``(H, W)`` float32, metres if ``scale`` is METRIC; NaN unknown, ``+Inf`` beyond
            range, ``-Inf`` too close (REP 117/118).
        camera: Camera whose pixels the map has.
        stamp_ns: Stamp of the reference image.
        scale: METRIC or RELATIVE; relative depth never reaches a metric topic.
        confidence: ``(H, W)`` float32 in 0..1, or None.
        sigma: ``(H, W)`` float32 standard deviation in the same unit as depth, or None.
    """

    depth: np.ndarray
    camera: PinholeCamera
    stamp_ns: int
    scale: DepthScale
    confidence: np.ndarray | None = None
    sigma: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DepthMap:
    """Depth of one image with all that belongs to it, as ``depth_ros.open_...`` gives it.

    Attributes:
        depth: ``(H, W)`` float32 along the optical axis, in metres if ``scale`` is METRIC, else
            up to an unknown factor; NaN unknown, ``+Inf`` beyond range, ``-Inf`` too close.
        image: ``(H, W, 3)`` uint8 RGB, rectified; depth has its pixels.
        camera: Calibration of ``image``; None where none was given.
        scale: METRIC or RELATIVE.
        confidence: ``(H, W)`` float32 in 0..1, or None where it was not computed.
        disparity: ``(H, W)`` float32, pixels, NaN unknown; of stereo only, else None.
        stamp_ns: Time of the image in nanoseconds.
        reason: Why depth is relative and what to set; empty where it is metric.
        fault: Why depth is wrong although it is there, e.g. of swapped images; empty if nothing
            was found.
    """

    depth: np.ndarray
    image: np.ndarray
    camera: PinholeCamera | None
    scale: DepthScale
    confidence: np.ndarray | None = None
    disparity: np.ndarray | None = None
    stamp_ns: int = 0
    reason: str = ''
    fault: str = ''

    def __repr__(self) -> str:
        """Return size, scale, how much is known, the depth at 5, 50 and 95 %, and the fault."""
        height, width = self.depth.shape
        finite = self.depth[np.isfinite(self.depth)]
        known = 100.0 * known_share(self.depth)
        cuts = np.percentile(finite, (5, 50, 95)) if finite.size else ()
        depths = ' / '.join(f'{cut:.2f}' for cut in cuts) or 'none'
        return (
            f'DepthMap({width}x{height}, {known:.1f} % known, '
            f'{depths} {"m" if self.is_metric else "relative"}'
            f'{f"; {self.fault}" if self.fault else ""})'
        )

    @property
    def is_metric(self) -> bool:
        """Whether depth is in metres."""
        return self.scale is DepthScale.METRIC

    def check_metric(self, use: str) -> None:
        """Require metres and a camera for a use, named for the message.

        Raises:
            InputError: Reason ``'relative_depth'``.
        """
        if not self.is_metric or self.camera is None:
            raise InputError(
                'relative_depth',
                f'{use} needs metres, but this depth is relative'
                f'{f" ({self.reason})" if self.reason else ""}; open the model with scale_mode '
                "set, e.g. scale_mode='camera_height', scale_camera_height_m=1.5",
            )


def depth_map(
    result: DepthResult,
    image: np.ndarray,
    *,
    disparity: np.ndarray | None = None,
    reason: str = '',
    fault: str = '',
) -> DepthMap:
    """Put a result and the rectified image whose pixels it has into one value."""
    return DepthMap(
        depth=result.depth,
        image=image,
        camera=result.camera,
        scale=result.scale,
        confidence=result.confidence,
        disparity=disparity,
        stamp_ns=result.stamp_ns,
        reason=reason,
        fault=fault,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchResult:
    """Point matches of an image pair, in pixels of the original images.

    Attributes:
        points_first: ``(N, 2)`` float32 (x, y) in the first image.
        points_second: ``(N, 2)`` float32 (x, y) in the second image.
        confidence: ``(N,)`` float32 in 0..1, descending.
    """

    points_first: np.ndarray
    points_second: np.ndarray
    confidence: np.ndarray


def expect_depth_map(value: object) -> None:
    """Require what ``depth_ros.open_...`` gives.

    Raises:
        InputError: Reason ``'no_depth_map'``, with the order of the arguments.
    """
    if not isinstance(value, DepthMap):
        raise InputError(
            'no_depth_map',
            f'expected a DepthMap, as open_stereo(...)(left, right, rig) gives it, got '
            f'{type(value).__name__}; the file comes first, then the result',
        )
