"""Message-shaped objects to our values and back; knows ROS field names, imports no ROS.

Anything with the attributes of ``sensor_msgs`` and ``stereo_msgs`` types will do: rclpy's
classes, those of ``rosbags``, or plain doubles in tests.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.errors import ImageError
from depth_ros.messages.encodings import encoding_named, samples_to_rgb
from depth_ros.results import DisparityResult

ByteData = bytes | bytearray | memoryview | array | np.ndarray  # type: ignore[type-arg]

OUTPUT_FORMATS: dict[str, tuple[str, int]] = {
    'rgb8': ('uint8', 3),
    'bgr8': ('uint8', 3),
    'mono8': ('uint8', 1),
    '16UC1': ('uint16', 1),
    '32FC1': ('float32', 1),
}
"""Element type and channels of the encodings that are published."""

FLOAT32_FIELD = 7
"""``sensor_msgs/PointField.FLOAT32``."""

POINT_STEP = 16
"""Bytes of one point: x, y, z and the packed colour."""


class StampMessage(Protocol):
    """Fields of ``builtin_interfaces/Time``."""

    sec: int
    nanosec: int


class HeaderMessage(Protocol):
    """Fields of ``std_msgs/Header``."""

    stamp: StampMessage
    frame_id: str


class ImageMessage(Protocol):
    """Fields of ``sensor_msgs/Image``, the header left to the caller."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: ByteData


class CompressedImageMessage(Protocol):
    """Fields of ``sensor_msgs/CompressedImage``."""

    format: str
    data: ByteData


class RoiMessage(Protocol):
    """Fields of ``sensor_msgs/RegionOfInterest``."""

    x_offset: int
    y_offset: int
    height: int
    width: int
    do_rectify: bool


class CameraInfoMessage(Protocol):
    """Fields of ``sensor_msgs/CameraInfo``."""

    header: HeaderMessage
    height: int
    width: int
    distortion_model: str
    d: np.ndarray | array[float]
    k: np.ndarray
    r: np.ndarray
    p: np.ndarray
    binning_x: int
    binning_y: int
    roi: RoiMessage


class DisparityMessage(Protocol):
    """Fields of ``stereo_msgs/DisparityImage``, the header left to the caller."""

    image: ImageMessage
    f: float
    t: float
    valid_window: RoiMessage
    min_disparity: float
    max_disparity: float
    delta_d: float


class PointCloudMessage(Protocol):
    """Fields of ``sensor_msgs/PointCloud2``, the header left to the caller."""

    height: int
    width: int
    fields: list[object]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: ByteData
    is_dense: bool


def stamp_ns(stamp: StampMessage) -> int:
    """Return a stamp as nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def fill_header(header: HeaderMessage, *, stamp_ns: int, frame_id: str) -> None:
    """Set stamp and frame of a header."""
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    header.frame_id = frame_id


def camera_from_info(info: CameraInfoMessage) -> PinholeCamera:
    """Read a ``sensor_msgs/CameraInfo``, with binning and ROI applied.

    Raises:
        CalibrationError: Saying which field is wrong and what to publish instead.
    """
    roi = info.roi
    return camera_from_calibration(
        k=np.asarray(info.k),
        d=np.asarray(info.d),
        distortion_model=info.distortion_model,
        r=np.asarray(info.r),
        p=np.asarray(info.p),
        height=int(info.height),
        width=int(info.width),
        binning=(int(info.binning_x), int(info.binning_y)),
        roi=(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        frame_id=info.header.frame_id,
    )


def decode_image(message: ImageMessage) -> np.ndarray:
    """Read a ``sensor_msgs/Image`` of any encoding in ``depth_ros.messages.encodings``.

    Padded rows and big-endian 16-bit samples are handled; 16 bits become 8 by
    ``round(value * 255 / 65535)``.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous. For unpadded ``rgb8`` it is a view of the message's
        bytes, so treat it as read-only.

    Raises:
        ImageError: With reason ``'encoding'``, ``'size'``, ``'step'`` or ``'data_length'``.
    """
    encoding = encoding_named(message.encoding)
    height, width, step = int(message.height), int(message.width), int(message.step)
    row_bytes = width * encoding.num_channels * encoding.sample_bytes
    _check_size(message, encoding.min_size, encoding.even_width)
    if step < row_bytes:
        raise ImageError(
            'step',
            f'image step is {step} but a row of {width} {message.encoding} pixels has '
            f'{row_bytes} bytes; the driver must set step to the bytes of a row',
        )
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.zeros(0, np.uint8)
    if data.size < step * height:
        raise ImageError(
            'data_length',
            f'image data has {data.size} bytes, {step * height} expected for {height} rows of '
            f'step {step}; the driver sent a truncated image',
        )
    rows = data[: step * height].reshape(height, step)[:, :row_bytes]
    if encoding.sample_bytes == 2:
        rows = _native_uint16(rows, is_bigendian=bool(message.is_bigendian))
    return samples_to_rgb(rows.reshape(height, width, encoding.num_channels), encoding)


def decode_compressed_image(message: CompressedImageMessage) -> np.ndarray:
    """Read a ``sensor_msgs/CompressedImage`` holding a whole JPEG or PNG.

    Orientation tags are ignored, because the calibration is that of the sensor.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous, owned by the caller.

    Raises:
        ImageError: With reason ``'compressed'``.
    """
    data = bytes(message.data)
    problem = _compression_problem(data)
    image = None if problem else _decode(data)
    if image is None:
        raise ImageError(
            'compressed',
            f'compressed image of {len(data)} bytes and format {message.format!r} cannot be '
            f'decoded: {problem or "OpenCV refuses it"}; publish whole JPEG or PNG images',
        )
    if _holds_swapped_channels(message.format):
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def fill_image(message: ImageMessage, values: np.ndarray, encoding: str) -> None:
    """Set every field of a ``sensor_msgs/Image`` but the header.

    Args:
        message: To be filled; its old bytes are dropped.
        values: ``(H, W)`` or ``(H, W, 3)`` array of the encoding's type.
        encoding: One of ``OUTPUT_FORMATS``.

    Raises:
        ImageError: With reason ``'encoding'`` if the array is not of the encoding's type.
    """
    num_channels = values.shape[2] if values.ndim == 3 else 1
    if OUTPUT_FORMATS.get(encoding) != (values.dtype.name, num_channels):
        raise ImageError(
            'encoding',
            f'{values.dtype}{values.shape} cannot be published as {encoding!r}; '
            f'use one of {OUTPUT_FORMATS!r}',
        )
    message.height, message.width = int(values.shape[0]), int(values.shape[1])
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = int(values.nbytes // values.shape[0])
    _set_bytes(message, values)


def fill_camera_info(message: CameraInfoMessage, camera: PinholeCamera) -> None:
    """Set every field of a ``sensor_msgs/CameraInfo`` but the header.

    Binning and ROI are applied in a ``PinholeCamera`` already, so none is announced.
    """
    message.height, message.width = camera.height, camera.width
    message.distortion_model = camera.distortion_model.value
    message.d = array('d', camera.d.tolist())
    message.k = camera.k.ravel().astype(np.float64)
    message.r = camera.r.ravel().astype(np.float64)
    message.p = camera.p.ravel().astype(np.float64)
    message.binning_x = message.binning_y = 0
    _fill_roi(message.roi, x_offset=0, width=0, height=0)


def fill_disparity(message: DisparityMessage, result: DisparityResult) -> None:
    """Set every field of a ``stereo_msgs/DisparityImage`` but the two headers.

    Its definition asks for ``d = x_left - x_right - (cx_left - cx_right)``, so that
    ``Z = f * t / d``, and calls everything below ``min_disparity`` invalid; unknown pixels become
    ``min_disparity - 1``. ``min_disparity`` is never below 0, where Z would be negative.
    """
    offset = np.float32(result.camera.cx_offset_px)
    min_disparity = max(np.float32(result.min_disparity_px) - offset, np.float32(0.0))
    adjusted = result.disparity - offset
    with np.errstate(invalid='ignore'):
        is_known = adjusted >= min_disparity
    np.copyto(adjusted, min_disparity - np.float32(1.0), where=~is_known)
    fill_image(message.image, adjusted, '32FC1')
    message.f = float(result.camera.left.fx)
    message.t = float(result.camera.baseline_m)
    message.min_disparity = float(min_disparity)
    message.max_disparity = float(np.float32(result.max_disparity_px) - offset)
    message.delta_d = float(result.step_px)
    _fill_valid_window(message.valid_window, result)


def fill_point_cloud(
    message: PointCloudMessage, cloud: np.ndarray, point_field_type: Callable[..., object]
) -> None:
    """Set every field of an organised ``sensor_msgs/PointCloud2`` but the header.

    Args:
        message: To be filled; its old bytes are dropped.
        cloud: ``(H, W, 4)`` float32: x, y, z in metres, NaN where unknown, and packed colour.
        point_field_type: ``sensor_msgs.msg.PointField`` or its double.
    """
    message.height, message.width = int(cloud.shape[0]), int(cloud.shape[1])
    message.fields = [
        point_field_type(name=name, offset=4 * index, datatype=FLOAT32_FIELD, count=1)
        for index, name in enumerate(('x', 'y', 'z', 'rgb'))
    ]
    message.is_bigendian = sys.byteorder == 'big'
    message.point_step = POINT_STEP
    message.row_step = POINT_STEP * int(cloud.shape[1])
    message.is_dense = False
    _set_bytes(message, cloud)


def _check_size(message: ImageMessage, min_size: tuple[int, int], even_width: bool) -> None:
    height, width = int(message.height), int(message.width)
    if height < min_size[0] or width < min_size[1]:
        raise ImageError(
            'size',
            f'image is {width}x{height}, {message.encoding} needs at least '
            f'{min_size[1]}x{min_size[0]}; check that the camera streams',
        )
    if even_width and width % 2:
        raise ImageError(
            'size',
            f'image width is {width} but {message.encoding} stores pixels in pairs; '
            'set an even width or another encoding',
        )


def _native_uint16(rows: np.ndarray, *, is_bigendian: bool) -> np.ndarray:
    """Return ``(H, 2 * W)`` bytes as ``(H, W)`` uint16 in the machine's byte order."""
    stored = np.ascontiguousarray(rows).view('>u2' if is_bigendian else '<u2')
    return stored.astype(np.uint16, copy=False)


def _compression_problem(data: bytes) -> str:
    """Say what is wrong with the container; empty if nothing is.

    Some decoders (OpenCV 4.5.5) fill the missing part of a truncated JPEG with grey and only warn.
    Entropy-coded data cannot hold an end marker, so one must follow the last start of scan
    (ITU-T T.81, B.1).
    """
    if not data:
        return 'it is empty'
    if data.startswith(b'\xff\xd8') and data.rfind(b'\xff\xd9') <= data.rfind(b'\xff\xda'):
        return 'the JPEG is truncated'
    if data.startswith(b'\x89PNG') and b'IEND' not in data[-64:]:
        return 'the PNG is truncated'
    return ''


def _decode(data: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if image is None or image.size == 0 else np.asarray(image)


def _holds_swapped_channels(text: str) -> bool:
    """Whether RGB samples were compressed as if they were BGR.

    ``compressed_image_transport`` writes e.g. ``'rgb8; jpeg compressed bgr8'``: what it received,
    and what it handed to the compressor, which takes BGR.
    """
    return 'compressed rgb' in text


def _set_bytes(message: ImageMessage | PointCloudMessage, values: np.ndarray) -> None:
    """Copy an array into ``message.data``.

    ``frombytes`` on the message's own ``array.array`` never goes through rclpy's setter, which
    checks every element of anything else and takes a hundred times as long.
    """
    data = message.data
    if not isinstance(data, array):
        raise TypeError(f'message.data must be array.array, got {type(data).__name__}')
    del data[:]
    data.frombytes(np.ascontiguousarray(values).data.cast('B'))


def _fill_valid_window(window: RoiMessage, result: DisparityResult) -> None:
    """Leave out the columns that the search range cannot fill.

    A match at ``x - d`` must lie within the right image; negative disparities mask the right edge.
    """
    height, width = result.disparity.shape
    first = min(max(result.num_masked_left, 0), width)
    masked_right = max(0, math.ceil(-result.min_disparity_px))
    _fill_roi(window, x_offset=first, width=max(0, width - first - masked_right), height=height)


def _fill_roi(roi: RoiMessage, *, x_offset: int, width: int, height: int) -> None:
    roi.x_offset, roi.y_offset = x_offset, 0
    roi.width, roi.height = width, height
    roi.do_rectify = False
