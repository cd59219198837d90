"""Metric scale of relative depth: measured or configured, never guessed.

A monocular network gives depth up to a factor. Each mode below says where that factor comes
from; a mode that cannot tell for a frame leaves its depth relative and says why.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.engines.recipe import TrainingRig
from depth_ros.errors import InputError, ParameterError
from depth_ros.geometry.ground_plane import MAD_TO_SIGMA, GroundSearch, camera_down, find_ground
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.mono.inverse_fit import InverseFit, fit_inverse
from depth_ros.tasks.mono.settings import ScaleMode, ScaleSettings

NO_POSE = (
    "scale.mode 'motion' has no pose for this image; publish odometry or TF (pose_source), or set "
    'scale.mode to another'
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scaled:
    """Depth after scaling.

    Attributes:
        result: METRIC where ``factor`` is known, else the relative depth as it came.
        factor: Metres per unit of relative depth, or None where it was not found.
        spread: Relative standard deviation of the factor as far as measured, else None.
        shift: What is added to inverse depth after the factor, 1/metres.
        reason: Why depth stayed relative and what to set, one sentence; empty if it is metric.
        slug: Short form of the reason, for counters.
    """

    result: DepthResult
    factor: float | None = None
    spread: float | None = None
    shift: float = 0.0
    reason: str = ''
    slug: str = ''


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A factor with its relative standard deviation, None where it is not measured.

    Attributes:
        factor: Metres for each unit of relative depth.
        spread: Relative standard deviation.
        shift: What is added to inverse depth after that, 1/metres.
    """

    factor: float
    spread: float | None = None
    shift: float = 0.0


Estimator = Callable[[DepthResult, 'DepthResult | None'], Estimate]
"""Finds the factor of a result, given metric depth of about the same moment or None.

It raises ``InputError`` if a frame does not tell; the text says why and what to do.
"""


class Scaler:
    """Applies one mode to a stream of results; not thread-safe, one worker owns it."""

    def __init__(self, mode: ScaleMode, estimate: Estimator) -> None:
        """Store the estimator; ``make_scaler`` chooses it."""
        self.mode = mode
        self._estimate = estimate

    def apply(self, result: DepthResult, *, reference: DepthResult | None = None) -> Scaled:
        """Scale one result; the content of a frame never makes it raise.

        Args:
            result: Depth of a model; metric depth passes untouched.
            reference: Metric depth of about the same moment, sparse or of another size, as
                ``reference_depth`` needs it.
        """
        if result.scale is DepthScale.METRIC:
            return Scaled(result=result, factor=1.0)
        try:
            estimate = self._estimate(result, reference)
        except InputError as error:
            return Scaled(result=result, reason=str(error), slug=error.reason)
        scaled = _shifted if estimate.shift else _multiplied
        return Scaled(
            result=scaled(result, estimate),
            factor=estimate.factor,
            spread=estimate.spread,
            shift=estimate.shift,
        )


def make_scaler(settings: ScaleSettings, training_rig: TrainingRig | None = None) -> Scaler:
    """Make the scaler of a mode.

    Args:
        settings: The mode and what it needs.
        training_rig: The recipe's, None where it states none.

    Raises:
        ParameterError: If a value is out of range or the mode lacks what it needs.
    """
    return Scaler(settings.mode, _ESTIMATORS[settings.mode](settings, training_rig))


def _multiplied(result: DepthResult, estimate: Estimate) -> DepthResult:
    """Scale depth and sigma; NaN and the infinities stay what they are."""
    factor = np.float32(estimate.factor)
    sigma = None if result.sigma is None else result.sigma * factor
    return replace(result, depth=result.depth * factor, sigma=sigma, scale=DepthScale.METRIC)


def _shifted(result: DepthResult, estimate: Estimate) -> DepthResult:
    """Scale and shift inverse depth; sigma of a model is not carried through the shift."""
    fit = InverseFit(scale=1.0 / estimate.factor, shift=estimate.shift, spread=0.0, num_points=0)
    return replace(result, depth=fit.metres(result.depth), sigma=None, scale=DepthScale.METRIC)


def scaler_without_network(mode: ScaleMode) -> Scaler:
    """Make the scaler where no mono network is: nothing has a scale, and it says why."""

    def refuse(result: DepthResult, reference: DepthResult | None) -> Estimate:
        raise InputError(
            'no_mono_network',
            f'there is no mono network, so scale.mode {mode.value} has nothing to scale; set '
            'weights, or model to one that has them (docs/mono.md), or wait for keyframes',
        )

    return Scaler(mode, refuse)


class _NoScale:
    """Mode ``none``: depth stays relative."""

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        others = [mode.value for mode in ScaleMode if mode is not ScaleMode.NONE]
        self._text = (
            'depth is relative because scale.mode is none; set scale.mode to one of '
            f'{", ".join(others)} to get metres'
        )

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        raise InputError('relative', self._text)


class _FixedScale:
    """Mode ``fixed``: a configured factor."""

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        self._estimate = Estimate(factor=settings.factor)

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        return self._estimate


class _TrainingRigScale:
    """Mode ``training_rig``: the training baseline, corrected for this camera's focal length.

    A network sees angles only through the image's width, so an object appears nearer by the
    ratio of ``fx / width`` (Facil et al. 2019, "CAM-Convs", on focal length and depth).
    """

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        if training_rig is None:
            raise ParameterError(
                "scale.mode 'training_rig' needs weights trained with a rig of known size, which "
                'this recipe does not state; set scale.mode to another'
            )
        numbers = (training_rig.metres_per_unit, training_rig.focal_over_width)
        if not all(0.0 < number < math.inf for number in numbers):
            raise ParameterError(
                'training_rig of the recipe needs metres_per_unit and focal_over_width above 0, '
                f'got {training_rig.metres_per_unit!r} and {training_rig.focal_over_width!r}; '
                'correct the recipe'
            )
        self._factor = training_rig.metres_per_unit / training_rig.focal_over_width

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        return Estimate(factor=self._factor * result.camera.fx / result.camera.width)


class _CameraHeightScale:
    """Mode ``camera_height``: known height over measured distance of the ground plane."""

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        self._height_m = settings.camera_height_m
        self._search = GroundSearch(
            down=camera_down(
                pitch_rad=settings.camera_pitch_rad, roll_rad=settings.camera_roll_rad
            ),
            max_tilt_rad=settings.max_tilt_rad,
            min_fraction=settings.min_ground_fraction,
        )
        self._window = _Window(window_ns=round(settings.window_s * 1e9))

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        ground = find_ground(result.depth, result.camera, self._search)
        self._window.add(result.stamp_ns, self._height_m / ground.distance)
        factor, spread = self._window.median()
        return Estimate(factor=factor, spread=math.hypot(spread, ground.spread))


class _ReferenceDepthScale:
    """Mode ``reference_depth``: median ratio to metric depth where both are known."""

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        self._settings = settings

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        settings = self._settings
        reference = _usable_reference(result, reference, settings.max_stamp_difference_s)
        ratios = depth_ratios(result, reference)
        if ratios.size < settings.min_common_pixels:
            raise InputError(
                'few_pixels',
                f'reference depth and relative depth are both known at {ratios.size} pixels, '
                f'{settings.min_common_pixels} needed; give a denser reference depth of the same '
                'view or lower scale.min_common_pixels',
            )
        factor, spread = median_and_spread(ratios)
        if spread > settings.max_spread:
            raise InputError(
                'spread',
                f'ratios of reference to relative depth spread by {100 * spread:.0f} % of their '
                f'median, {100 * settings.max_spread:.0f} % allowed; check that both depths are '
                'of one camera and moment, or raise scale.max_spread',
            )
        return Estimate(factor=factor, spread=spread)


class _MotionScale:
    """Mode ``motion``: scale and shift of inverse depth, fitted to points in metres.

    The points of the last ``window_s`` are fitted together, each with the relative depth that its
    own image had: what one image says badly the others correct.
    """

    def __init__(self, settings: ScaleSettings, training_rig: TrainingRig | None) -> None:
        self._settings = settings
        self._window_ns = round(settings.window_s * 1e9)
        self._pairs: deque[tuple[int, np.ndarray, np.ndarray]] = deque()

    def __call__(self, result: DepthResult, reference: DepthResult | None) -> Estimate:
        if reference is None:
            raise InputError('no_pose', NO_POSE)
        self._add(result, reference)
        relative, metres = (
            np.concatenate([pair[side] for pair in self._pairs]) for side in (1, 2)
        )
        settings = self._settings
        fit = fit_inverse(relative, metres) if len(relative) >= settings.min_points else None
        if fit is None:
            raise InputError(
                'few_points',
                f'{len(relative)} points that were followed for {settings.window_s:g} s have a '
                f'depth, {settings.min_points} needed; move the camera sideways or forwards '
                '(turning tells nothing), or lower scale.min_points',
            )
        if fit.spread > settings.max_spread:
            raise InputError(
                'spread',
                f'followed points and relative depth differ by {100 * fit.spread:.0f} %, '
                f'{100 * settings.max_spread:.0f} % allowed; check that poses and images have '
                'stamps of one clock, or raise scale.max_spread',
            )
        return Estimate(factor=1.0 / fit.scale, spread=fit.spread, shift=fit.shift)

    def _add(self, result: DepthResult, points: DepthResult) -> None:
        stamp_ns = result.stamp_ns
        if self._pairs and stamp_ns <= self._pairs[-1][0]:
            self._pairs.clear()
        common = _is_known(points.depth) & _is_known(result.depth)
        self._pairs.append((stamp_ns, result.depth[common], points.depth[common]))
        while stamp_ns - self._pairs[0][0] > self._window_ns:
            self._pairs.popleft()


_ESTIMATORS: dict[ScaleMode, Callable[[ScaleSettings, TrainingRig | None], Estimator]] = {
    ScaleMode.NONE: _NoScale,
    ScaleMode.FIXED: _FixedScale,
    ScaleMode.TRAINING_RIG: _TrainingRigScale,
    ScaleMode.CAMERA_HEIGHT: _CameraHeightScale,
    ScaleMode.REFERENCE_DEPTH: _ReferenceDepthScale,
    ScaleMode.MOTION: _MotionScale,
}


class _Window:
    """Values of the last seconds of stamps; stamps that do not rise restart it."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._values: deque[tuple[int, float]] = deque()

    def add(self, stamp_ns: int, value: float) -> None:
        if self._values and stamp_ns <= self._values[-1][0]:
            self._values.clear()
        self._values.append((stamp_ns, value))
        while stamp_ns - self._values[0][0] > self._window_ns:
            self._values.popleft()

    def median(self) -> tuple[float, float]:
        return median_and_spread(np.array([value for _, value in self._values]))


def median_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Return the median of positive values and their robust standard deviation relative to it."""
    median = float(np.median(values))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(values - median))) / median
    return median, spread


def depth_ratios(result: DepthResult, reference: DepthResult) -> np.ndarray:
    """Return reference over relative depth at the pixels where both are known.

    Both views must share the optical centre and axes; sizes and intrinsics may differ. Each
    known pixel of the reference is looked up in the nearest pixel of the result.

    Returns:
        ``(N,)`` float64, all finite and above 0.
    """
    rows, columns = np.nonzero(_is_known(reference.depth))
    theirs, ours = reference.camera, result.camera
    x = _nearest((columns - theirs.cx) / theirs.fx * ours.fx + ours.cx)
    y = _nearest((rows - theirs.cy) / theirs.fy * ours.fy + ours.cy)
    height, width = result.depth.shape
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    measured = reference.depth[rows[is_inside], columns[is_inside]].astype(np.float64)
    relative = result.depth[y[is_inside], x[is_inside]].astype(np.float64)
    is_known = _is_known(relative)
    return np.asarray(measured[is_known] / relative[is_known])


def _nearest(positions: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(positions, -1e6, 1e6)).astype(np.int64)


def _is_known(depth: np.ndarray) -> np.ndarray:
    return np.isfinite(depth) & (depth > 0)


def _usable_reference(
    result: DepthResult, reference: DepthResult | None, max_difference_s: float
) -> DepthResult:
    """Require a metric reference of the same camera and moment."""
    if reference is None:
        raise InputError(
            'no_reference',
            "scale.mode 'reference_depth' has no metric depth for this image; publish one on the "
            'reference_depth topic with the stamps of the images',
        )
    if reference.scale is not DepthScale.METRIC:
        raise InputError(
            'reference_scale', 'the reference depth is relative itself; give one in metres'
        )
    apart_s = abs(reference.stamp_ns - result.stamp_ns) * 1e-9
    if apart_s > max_difference_s:
        raise InputError(
            'stale_reference',
            f'the reference depth is {apart_s:.3f} s from the image, {max_difference_s:g} s '
            'allowed; synchronize the sensors or raise scale.max_stamp_difference_s',
        )
    _check_frames(result.camera, reference.camera)
    return reference


def _check_frames(ours: PinholeCamera, theirs: PinholeCamera) -> None:
    if ours.frame_id and theirs.frame_id and ours.frame_id != theirs.frame_id:
        raise InputError(
            'reference_frame',
            f'the reference depth is in frame {theirs.frame_id!r}, the image in '
            f'{ours.frame_id!r}; register it to the camera first (depth_image_proc/register)',
        )
