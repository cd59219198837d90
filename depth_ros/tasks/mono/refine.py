"""Depth of this moment from keyframes of a moment ago, with the mono map fitted in between.

Keyframes are carried over to where the camera is now, where the image still looks like them. The
mono map takes their scale, shift and, region by region, their level; it fills what they do not
show. Every pixel says whose it is and how sure; what neither knows stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, scaled_camera
from depth_ros.frames import MonoFrame
from depth_ros.geometry.resample import depth_seen_by
from depth_ros.geometry.rigid import inverse
from depth_ros.geometry.warp import carried_depth
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.mono.inverse_fit import InverseFit, fit_inverse
from depth_ros.tasks.mono.keyframe_maps import KeyframeMap
from depth_ros.tasks.mono.refined_sigma import shown_sigma

UNKNOWN = np.float32(np.nan)
MIN_ANCHORS = 200
"""Pixels of keyframes that the mono map must share to be fitted."""
MAX_FITTED = 4000
"""About so many of them are fitted; more do not change the fit."""
REGION = 0.12
"""Width of the bell over which levels are compared region by region, of the image's width."""
MAX_SIGMA_RATIO = 0.25
"""A fitted pixel that is less sure than this, relative to its depth, is unknown, and so is a whole
map that is so far off keyframes."""
FAR_SIGMA_RATIO = 0.3
"""What is far from all keyframes is at least so unsure, and so unknown."""
MAX_APART = 0.2
"""Logarithm of depth by which a keyframe may be off the fitted map, beside its two sigmas."""
FITTED_PERCENT, BEYOND = (2.0, 98.0), 1.25
"""Relative depth farther beyond these percentiles of the fitted pixels than this is unknown."""
CHANGED_LEVELS = 10.0
"""Levels of colour beyond those around it by which a pixel no longer looks like its keyframe."""
_LOOK_PX, _AROUND_PX = 5, 3


class DepthSource(IntEnum):
    """Whose depth a pixel has."""

    UNKNOWN = 0
    KEYFRAME = 1
    """Multi-view depth of a keyframe."""
    FITTED = 2
    """The mono map, fitted to keyframes."""
    SCALED = 3
    """The mono map in the scale of ``scale.mode``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RefinedDepth:
    """Metric depth of one image.

    Attributes:
        depth: Metres with ``sigma``, in the image's pixels; NaN where neither knows.
        source: ``(H, W)`` uint8, members of ``DepthSource``.
        age_s: Time since the newest keyframe that was used.
        fit: How the mono map was fitted; None where it was not.
    """

    depth: DepthResult
    source: np.ndarray
    age_s: float
    fit: InverseFit | None

    @property
    def is_map_used(self) -> bool:
        """Whether the mono map agrees with keyframes well enough to be used."""
        return self.fit is not None and is_usable(self.fit)


def refined_depth(
    frame: MonoFrame,
    world_from_camera: np.ndarray,
    maps: Sequence[KeyframeMap],
    relative: DepthResult | None,
    *,
    max_width_px: int,
) -> RefinedDepth | None:
    """Join keyframes and the mono map; None where no keyframe shows anything of the image.

    Args:
        frame: Rectified image.
        world_from_camera: ``(4, 4)``, where its camera is.
        maps: Depth of keyframes that are young enough, the newest first.
        relative: The mono map of the image; None where there is no network.
        max_width_px: Larger images are worked on at a smaller size.
    """
    camera = working_camera(frame.camera, max_width_px)
    size = (camera.width, camera.height)
    image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    found = carried_keyframes(image, camera, world_from_camera, maps)
    if found is None:
        return None
    fit = None
    if relative is not None:
        small = cv2.resize(relative.depth, size, interpolation=cv2.INTER_NEAREST)
        fit, expected = fitted_map(small, found)
        if expected is not None:
            fitted = expected.without(~is_trusted(small, found, expected))
            found = found.without(contradicted(found, expected)).joined(fitted)
    age_s = (frame.stamp_ns - maps[0].stamp_ns) / 1e9
    return _full_size(found, frame, camera, age_s=age_s, fit=fit)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Joined:
    """Maps at the working size: depth and sigma in metres, NaN unknown; source."""

    depth: np.ndarray
    sigma: np.ndarray
    source: np.ndarray

    def without(self, mask: np.ndarray) -> _Joined:
        """Return this with the pixels of a mask unknown."""
        return _Joined(
            depth=np.where(mask, UNKNOWN, self.depth),
            sigma=np.where(mask, UNKNOWN, self.sigma),
            source=np.where(mask, np.uint8(DepthSource.UNKNOWN), self.source),
        )

    def joined(self, other: _Joined) -> _Joined:
        """Return this where it is known, else the other one."""
        is_known = np.isfinite(self.depth)
        return _Joined(
            depth=np.where(is_known, self.depth, other.depth),
            sigma=np.where(is_known, self.sigma, other.sigma),
            source=np.where(is_known, self.source, other.source),
        )


def working_camera(camera: PinholeCamera, max_width_px: int) -> PinholeCamera:
    """Return the camera of a whole fraction of the size that is at most so wide."""
    step = -(-camera.width // max_width_px)
    if step == 1:
        return camera
    height, width = max(1, camera.height // step), max(1, camera.width // step)
    return scaled_camera(camera, height=height, width=width)


def carried_keyframes(
    image: np.ndarray,
    camera: PinholeCamera,
    world_from_camera: np.ndarray,
    maps: Sequence[KeyframeMap],
) -> _Joined | None:
    """Carry keyframes over to an image; of several the nearest surface stays.

    Args:
        image: ``(H, W, 3)`` uint8 at the working size.
        camera: Its camera.
        world_from_camera: Its pose.
        maps: The keyframes, the newest first.
    """
    depth = np.full(image.shape[:2], UNKNOWN)
    sigma = np.full(image.shape[:2], UNKNOWN)
    for kept in maps:
        into = inverse(world_from_camera) @ kept.view.world_from_camera
        carried = carried_depth(kept.sure, kept.view.camera, into=camera, into_from_camera=into)
        looks = carried.taken(kept.view.image.astype(np.float32), np.nan)
        is_good = np.isfinite(carried.depth) & ~has_changed(image, looks)
        is_nearer = is_good & ~(carried.depth >= depth)
        depth = np.where(is_nearer, carried.depth, depth)
        sigma = np.where(is_nearer, carried.taken(kept.sigma, np.nan), sigma)
    is_known = np.isfinite(depth)
    if not is_known.any():
        return None
    source = np.where(is_known, np.uint8(DepthSource.KEYFRAME), np.uint8(DepthSource.UNKNOWN))
    return _Joined(depth=depth, sigma=sigma, source=source)


def has_changed(image: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Return where an image no longer looks like what was carried over, ``(H, W)`` bool.

    A pixel may have any colour between the least and the largest around its place, so that half a
    pixel of error at an edge is no change. The exposure of both is made alike first.

    Args:
        image: ``(H, W, 3)`` uint8.
        looks: ``(H, W, 3)`` float32, what was carried over, NaN where nothing was.
    """
    is_known = np.isfinite(looks[..., 0])
    if not is_known.any():
        return np.zeros(is_known.shape, bool)
    now = cv2.blur(image.astype(np.float32), (3, 3))
    some = is_known.copy()
    some[1::2], some[:, 1::2] = False, False
    if not some.any():
        some = is_known
    gain = np.median((now[some] + 1.0) / (looks[some] + 1.0), axis=0)
    known = is_known[..., None]
    alike = np.where(known, looks * gain.astype(np.float32), np.float32(0))
    window = np.ones((_AROUND_PX, _AROUND_PX), np.uint8)
    least = cv2.erode(np.where(known, alike, np.float32(1e6)), window)
    largest = cv2.dilate(np.where(known, alike, np.float32(-1e6)), window)
    beyond = np.maximum(np.maximum(least - now, now - largest), 0.0).max(axis=2)
    beyond = np.where(is_known, beyond, 0.0).astype(np.float32)
    weight = cv2.blur(is_known.astype(np.float32), (_LOOK_PX, _LOOK_PX))
    mean = cv2.blur(beyond, (_LOOK_PX, _LOOK_PX)) / np.maximum(weight, np.float32(1e-3))
    return np.asarray(mean > CHANGED_LEVELS)


def fitted_map(relative: np.ndarray, anchors: _Joined) -> tuple[InverseFit | None, _Joined | None]:
    """Fit a mono map to keyframes: one scale and shift, then the level of each region.

    Args:
        relative: ``(H, W)`` relative depth at the working size, NaN unknown.
        anchors: What keyframes know.

    Returns:
        The fit, None where they share too little, and the map in metres, of which ``is_trusted``
        says where it may be shown, None also where they do not agree.
    """
    with np.errstate(invalid='ignore'):
        common = np.isfinite(anchors.depth) & np.isfinite(relative) & (relative > 0)
    if int(common.sum()) < MIN_ANCHORS:
        return None, None
    step = max(1, int(common.sum()) // MAX_FITTED)
    fit = fit_inverse(relative[common][::step], anchors.depth[common][::step], is_map_worse=True)
    if fit is None or not is_usable(fit):
        return fit, None
    metres = fit.metres(relative)
    with np.errstate(invalid='ignore', divide='ignore'):
        error = np.where(common, np.log(anchors.depth / metres), 0.0)
    is_near = common & np.isfinite(error) & (np.abs(error) < 3.0 * fit.spread + 0.05)
    level, spread = regional_levels(np.where(is_near, error, 0.0), is_near, fit.spread)
    depth = (metres * np.exp(level)).astype(np.float32)
    source = np.where(
        np.isfinite(depth), np.uint8(DepthSource.FITTED), np.uint8(DepthSource.UNKNOWN)
    )
    return fit, _Joined(depth=depth, sigma=(depth * spread).astype(np.float32), source=source)


def is_usable(fit: InverseFit) -> bool:
    """Return whether a map may be shown at all: near keyframes, which told its shift too.

    Where keyframes show a wall alone, a map without its shift may be anything before and behind.
    """
    return fit.has_shift and fit.spread <= MAX_SIGMA_RATIO


def is_trusted(relative: np.ndarray, anchors: _Joined, fitted: _Joined) -> np.ndarray:
    """Return where a fitted map may be shown: not far beyond what was fitted, and sure enough.

    A scale and a shift that hold for near things may give anything for far ones.

    Args:
        relative: ``(H, W)`` relative depth, NaN unknown.
        anchors: What it was fitted to.
        fitted: The map in metres.
    """
    is_sure = fitted.sigma <= MAX_SIGMA_RATIO * fitted.depth
    common = np.isfinite(anchors.depth) & np.isfinite(fitted.depth)
    near, far = np.percentile(relative[common], FITTED_PERCENT)
    return np.asarray(is_sure & (relative > near / BEYOND) & (relative < far * BEYOND))


def contradicted(keyframes: _Joined, fitted: _Joined) -> np.ndarray:
    """Return where keyframes are so far from the fitted map that something must have moved.

    What moves by itself looks nearer or farther than it is to a camera that moves too; the image
    alone is not deceived. The map counts here even where it is too far from all keyframes to be
    shown: that something is much nearer than they say it knows all the same.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        apart = np.abs(np.log(keyframes.depth / fitted.depth))
        return np.asarray(apart > MAX_APART + 2.0 * fitted.sigma / fitted.depth)


def regional_levels(
    error: np.ndarray, is_known: np.ndarray, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return how much the logarithm of depth is to be raised, and its standard deviation.

    Both are means under a bell (normalized convolution, Knutsson and Westin 1993). Where few
    pixels are near, the level goes to 0 and the deviation to three times that of the whole image,
    at least to ``FAR_SIGMA_RATIO``.

    Args:
        error: ``(H, W)`` logarithm of true over fitted depth, 0 where not known.
        is_known: Where it is.
        spread: Robust standard deviation over the image.
    """
    width = error.shape[1]

    def bell(values: np.ndarray) -> np.ndarray:
        # A quarter of the size is enough for a bell so wide, and a tenth of the time.
        small = cv2.resize(values.astype(np.float32), None, fx=0.25, fy=0.25,
                           interpolation=cv2.INTER_AREA)  # fmt: skip
        soft = cv2.GaussianBlur(small, (0, 0), max(0.8, REGION * width / 4.0),
                                borderType=cv2.BORDER_CONSTANT)  # fmt: skip
        return np.asarray(cv2.resize(soft, error.shape[::-1], interpolation=cv2.INTER_LINEAR))

    near = bell(is_known)
    doubt = np.float32(0.05)
    level = bell(error) / (near + doubt)
    rest = np.where(is_known, (error - level) ** 2, 0.0)
    far = np.float32(max(3.0 * spread, FAR_SIGMA_RATIO) ** 2)
    variance = (bell(rest) + doubt * far) / (near + doubt)
    return level, np.sqrt(np.maximum(variance, np.float32(0.02**2)))


def _full_size(
    found: _Joined,
    frame: MonoFrame,
    camera: PinholeCamera,
    *,
    age_s: float,
    fit: InverseFit | None,
) -> RefinedDepth:
    """Bring maps at the working size to the image's pixels."""
    small = DepthResult(
        depth=found.depth, camera=camera, stamp_ns=frame.stamp_ns, scale=DepthScale.METRIC
    )
    depth = depth_seen_by(small, frame.camera).depth
    size = (frame.camera.width, frame.camera.height)
    source = found.source
    sigma = shown_sigma(found.depth, found.sigma, source == DepthSource.FITTED)
    if depth.shape != source.shape:
        sigma, source = (
            cv2.resize(values, size, interpolation=cv2.INTER_NEAREST) for values in (sigma, source)
        )
    is_known = np.isfinite(depth) & np.isfinite(sigma)
    result = replace(
        small,
        depth=np.where(is_known, depth, UNKNOWN),
        camera=frame.camera,
        sigma=np.where(is_known, sigma, UNKNOWN),
    )
    source = np.where(is_known, source, np.uint8(DepthSource.UNKNOWN))
    return RefinedDepth(depth=result, source=source, age_s=age_s, fit=fit)
