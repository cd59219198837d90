"""Arguments of library calls: plain arrays and calibrations, checked and made into frames.

Nodes and commands make their frames of messages and files; callers of ``depth_ros.open_...`` pass
arrays, whose mistakes differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real

import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.errors import CalibrationError, ImageError, InputError
from depth_ros.files.calibration_formats.values import MonoCalibration, StereoCalibration
from depth_ros.files.posed.values import ViewFile
from depth_ros.frames import EVERYTHING, MonoFrame, StereoFrame
from depth_ros.geometry.posed_view import PosedView, check_pose
from depth_ros.geometry.resample import depth_camera
from depth_ros.results import DepthResult, DepthScale

Rig = StereoCalibration | StereoCamera
"""Raw or rectified as its file says; a ``StereoCamera`` is always of rectified images."""

Camera = MonoCalibration | PinholeCamera
"""Raw or rectified as its file says; of a bare ``PinholeCamera`` the images are raw."""

_REMEDIES: tuple[tuple[Callable[[np.ndarray], bool], str], ...] = (
    (lambda image: image.size == 0, 'it is empty; check where it came from'),
    (
        lambda image: image.dtype == np.bool_ or np.issubdtype(image.dtype, np.floating),
        'bring it to 0..255 and make it bytes: (255 * image).astype(numpy.uint8)',
    ),
    (lambda image: image.dtype != np.uint8, 'make it bytes: (image >> 8).astype(numpy.uint8)'),
    (
        lambda image: image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1),
        'it is grey; repeat it: numpy.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)',
    ),
    (
        lambda image: image.ndim == 3 and image.shape[2] == 4,
        'leave out its fourth channel: image[..., :3]',
    ),
    (
        lambda image: image.ndim == 3 and image.shape[0] == 3,
        'its channels come first; put them last: image.transpose(1, 2, 0)',
    ),
    (lambda image: image.ndim == 4, 'give one image at a time: image[0]'),
)
"""Common kinds of unsuitable images, with the remedy."""


def rgb_image(image: np.ndarray, *, what: str) -> np.ndarray:
    """Return the image if it is ``(H, W, 3)`` uint8; the channel order cannot be checked.

    Raises:
        ImageError: Reason ``'shape'``; says what came and how to convert it.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            'shape',
            f'the {what} must be a NumPy array of shape (H, W, 3), uint8 RGB, got a '
            f'{type(image).__name__}; read files with depth_ros.read_image(path)',
        )
    is_rgb = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    if is_rgb and image.size:
        return image
    remedies = (remedy for is_it, remedy in _REMEDIES if is_it(image))
    raise ImageError(
        'shape',
        f'the {what} must be uint8 RGB of shape (H, W, 3), got {image.dtype}'
        f'{tuple(image.shape)}; {next(remedies, "convert it to RGB first")}',
    )


def stereo_frame(
    left: np.ndarray, right: np.ndarray, rig: Rig, *, stamp_ns: int = 0
) -> StereoFrame:
    """Make a frame of a pair.

    Args:
        left: ``(H, W, 3)`` uint8 RGB.
        right: As ``left``, of the same size.
        rig: As ``read_rig`` gives it.
        stamp_ns: Time of the left image in nanoseconds; odometry needs it.

    Raises:
        ImageError: If an image is no RGB image, or the two differ in size.
        CalibrationError: If the rig is none, or is for another size.
    """
    left, right = rgb_image(left, what='left image'), rgb_image(right, what='right image')
    if left.shape != right.shape:
        raise ImageError(
            'size_mismatch',
            f'left and right must have one size, got {_size(left)} and {_size(right)}; '
            'resize one of them, or set both cameras to the same resolution',
        )
    if not isinstance(rig, (StereoCalibration, StereoCamera)):
        raise CalibrationError(
            'calibration_type',
            f'the rig must be what depth_ros.read_rig(path) gives, or a StereoCamera, got a '
            f'{type(rig).__name__}',
        )
    is_rectified = isinstance(rig, StereoCamera) or rig.is_rectified
    return StereoFrame(
        left=_frame(left, rig.left, 'left', is_rectified, stamp_ns),
        right=_frame(right, rig.right, 'right', is_rectified, stamp_ns),
        useful=EVERYTHING if isinstance(rig, StereoCamera) else rig.useful,
    )


def mono_frame(image: np.ndarray, camera: Camera, *, stamp_ns: int = 0) -> MonoFrame:
    """Make a frame of one image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        camera: As ``read_camera`` gives it.
        stamp_ns: Time of the image in nanoseconds.

    Raises:
        ImageError: If it is no RGB image.
        CalibrationError: If the camera is none, or is for another size.
    """
    image = rgb_image(image, what='image')
    if not isinstance(camera, (MonoCalibration, PinholeCamera)):
        raise CalibrationError(
            'calibration_type',
            f'the camera must be what depth_ros.read_camera(path) gives, or a PinholeCamera, got '
            f'a {type(camera).__name__}',
        )
    if isinstance(camera, PinholeCamera):
        return _frame(image, camera, '', False, stamp_ns)
    return _frame(image, camera.camera, '', camera.is_rectified, stamp_ns)


def expect_frame(frame: object) -> None:
    """Require what ``mono_frame`` makes.

    Raises:
        InputError: Reason ``'frame'``.
    """
    if not isinstance(frame, MonoFrame):
        raise InputError(
            'frame',
            f'the frame must be a MonoFrame, got a {type(frame).__name__}; make one by: '
            'depth_ros.mono_frame(image, camera, stamp_ns=...)',
        )


def given_pose(pose: object) -> np.ndarray:
    """Return a pose as ``(4, 4)`` float64.

    Raises:
        InputError: Reason ``'pose_values'`` or ``'pose_rotation'``; says what came.
    """
    try:
        matrix = np.asarray(pose, np.float64)
    except (TypeError, ValueError):
        raise InputError(
            'pose_values',
            f'world_from_camera must be a 4x4 matrix of numbers, got a {type(pose).__name__}; '
            'give numpy.array of shape (4, 4), camera to world, in metres',
        ) from None
    check_pose(matrix, what='world_from_camera')
    return matrix


def measured_depth(depth: np.ndarray, frame: MonoFrame) -> DepthResult:
    """Take measured depth for what the rectified image of a frame shows.

    Args:
        depth: ``(h, w)`` metres along the optical axis, NaN unknown, of any resolution.
        frame: Raw or rectified image of the same view.

    Raises:
        ImageError: Reason ``'depth_shape'``, if it is no map of numbers.
    """
    is_map = isinstance(depth, np.ndarray) and depth.ndim == 2 and depth.size > 0
    if not is_map or not np.issubdtype(depth.dtype, np.floating):
        came = (
            f'{depth.dtype}{depth.shape}'
            if isinstance(depth, np.ndarray)
            else f'a {type(depth).__name__}'
        )
        raise ImageError(
            'depth_shape',
            f'depth must be a NumPy array of shape (H, W) of float metres, got {came}; '
            'millimetres are brought to metres by: numpy.where(mm > 0, mm / 1000.0, numpy.nan)',
        )
    height, width = depth.shape
    camera = depth_camera(frame.camera, height=height, width=width)
    return DepthResult(
        depth=depth.astype(np.float32),
        camera=camera,
        stamp_ns=frame.stamp_ns,
        scale=DepthScale.METRIC,
    )


def posed_view(
    image: np.ndarray,
    camera: Camera,
    world_from_camera: np.ndarray,
    *,
    name: str = '',
    stamp_ns: int = 0,
) -> PosedView:
    """Make a view of an image whose place is known.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        camera: As ``read_camera`` gives it.
        world_from_camera: ``(4, 4)``; takes points in metres from the optical frame (x right,
            y down, z forward) into the world.
        name: For messages.
        stamp_ns: Time of the image in nanoseconds.

    Raises:
        InputError: As ``mono_frame``, and if the pose is not rigid.
    """
    frame = mono_frame(image, camera, stamp_ns=stamp_ns)
    pose = np.asarray(world_from_camera, np.float64)
    return PosedView(frame=frame, world_from_camera=pose, name=name)


def expect_views(reference: object, sources: object) -> None:
    """Require what ``posed_view`` makes: a reference, and sources in a list.

    Raises:
        InputError: Reason ``'views'``; says what came and how to make it.
    """
    if not isinstance(sources, (list, tuple)):
        remedy = '[source]' if isinstance(sources, PosedView) else '[source, ...]'
        raise InputError(
            'views',
            f'the sources must be a list of views, got a {type(sources).__name__}; give {remedy}',
        )
    named = [('reference', reference)]
    named += [(f'source {index}', source) for index, source in enumerate(sources)]
    for what, view in named:
        _expect_view(view, what)


def _expect_view(view: object, what: str) -> None:
    if isinstance(view, PosedView):
        return
    remedy = (
        'read its image with its .read()'
        if isinstance(view, ViewFile)
        else 'make one by: depth_ros.posed_view(image, camera, world_from_camera)'
    )
    raise InputError(
        'views', f'the {what} must be a PosedView, got a {type(view).__name__}; {remedy}'
    )


def expect_depth_range(depth_range_m: object) -> None:
    """Require two numbers; which ones is for the task to check.

    Raises:
        InputError: Reason ``'depth_range'``.
    """
    is_pair = isinstance(depth_range_m, (Sequence, np.ndarray)) and len(depth_range_m) == 2
    if not is_pair or not all(isinstance(one, Real) for one in depth_range_m):  # type: ignore[attr-defined]
        raise InputError(
            'depth_range',
            f'depth_range_m must be the nearest and the farthest depth in metres, got '
            f'{depth_range_m!r}; give two numbers, e.g. (0.5, 10.0)',
        )


def _frame(
    image: np.ndarray, camera: PinholeCamera, side: str, is_rectified: bool, stamp_ns: int
) -> MonoFrame:
    if image.shape[:2] != (camera.height, camera.width):
        what = f'{side} image'.strip()
        raise CalibrationError(
            'calibration_size',
            f'the {what} is {_size(image)} but its calibration is for '
            f'{camera.width}x{camera.height}; give images of that size, or resize the '
            'calibration too: depth_ros.scaled_camera(camera, height=..., width=...)',
        )
    stamp_ns = _checked_stamp(stamp_ns)
    return MonoFrame(image=image, camera=camera, stamp_ns=stamp_ns, is_rectified=is_rectified)


def _checked_stamp(stamp_ns: object) -> int:
    """Return a stamp as int; ``InputError`` with reason ``'stamp'`` if it is none."""
    is_whole = isinstance(stamp_ns, Integral) and not isinstance(stamp_ns, bool)
    if not is_whole or int(stamp_ns) < 0:  # type: ignore[call-overload]
        raise InputError(
            'stamp',
            f'stamp_ns must be a whole number of nanoseconds from 0, got {stamp_ns!r}; seconds '
            'are brought to it by: round(seconds * 1e9)',
        )
    return int(stamp_ns)  # type: ignore[call-overload]


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
