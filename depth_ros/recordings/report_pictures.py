"""Pictures of single frames of a result: the input beside its depth."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.images import decode_any_image
from depth_ros.recordings.depth_encodings import decompressed_depth
from depth_ros.recordings.recording import RecordedMessage, Recording
from depth_ros.recordings.results import Results
from depth_ros.recordings.wire import COMPRESSED_IMAGE, IMAGE, parsed

WIDTH_PX = 420
JPEG_QUALITY = 80
_DEPTH_TOPICS = (
    '/depth/image',
    '/depth/image/compressedDepth',
    '/relative_depth/image',
)


def chosen_frames(result: Results) -> dict[str, int]:
    """Return frames worth a look, by what they are: row of the table of figures."""
    wanted = {
        'sharpest': ('sharpness', np.nanargmax),
        'least depth': ('known', np.nanargmin),
        'largest row error': ('row_error_px', np.nanargmax),
        'most saturated': ('saturated', np.nanargmax),
        'most flicker': ('flicker', np.nanargmax),
    }
    return {
        label: int(choose(result.column(column)))
        for label, (column, choose) in wanted.items()
        if np.isfinite(result.column(column)).any()
    }


def frame_pictures(result: Results) -> dict[str, str]:
    """Return pictures of the chosen frames as ``data:`` addresses, by what they are.

    The input is shown where its recording is still there; a frame of which nothing is, is left
    out.
    """
    opened = [recording for recording in map(_opened, (result.recording, result.bag)) if recording]
    try:
        found = {
            f'{label}, {result.times_s[row]:.2f} s': _picture(result, row, opened)
            for label, row in chosen_frames(result).items()
        }
    finally:
        for recording in opened:
            recording.close()
    return {label: picture for label, picture in found.items() if picture}


def _picture(result: Results, row: int, recordings: list[Recording]) -> str:
    line = result.figures[row]
    task, log_ns = str(line['task']), int(str(line['log_ns']))
    tiles = []
    for recording in recordings:
        for topic in recording.topics:
            is_input = topic.name == result.input_topics.get(task) and recording is recordings[0]
            is_depth = topic.name.endswith(_DEPTH_TOPICS)
            if not (is_input or (is_depth and recording is recordings[-1])):
                continue
            message = _at(recording, topic.name, log_ns)
            tile = None if message is None else _tile(message, topic.type, is_depth=is_depth)
            if tile is not None:
                tiles.append(tile)
    height = min((len(tile) for tile in tiles), default=0)
    return _address(np.hstack([tile[:height] for tile in tiles])) if tiles else ''


def _at(recording: Recording, topic: str, log_ns: int) -> RecordedMessage | None:
    """Return the message of a topic at a time of recording."""
    for number in recording.chunks_between(log_ns, log_ns):
        if not recording.chunks[number].counts.get(topic):
            continue
        try:
            messages = recording.messages(number)
        except InputError:
            continue
        for message in messages:
            if message.topic == topic and message.position.time_ns == log_ns:
                return message
    return None


def _tile(message: RecordedMessage, kind: str, *, is_depth: bool) -> np.ndarray | None:
    """Return an image or a depth map as ``(h, WIDTH_PX, 3)`` uint8 RGB."""
    try:
        content = parsed(message.data, kind)
        if not is_depth:
            rgb = decode_any_image(content)
        elif kind == COMPRESSED_IMAGE:
            rgb = _painted(decompressed_depth(bytes(content.data)).astype(np.float32))
        elif kind == IMAGE:
            rgb = _painted(decode_depth(content))
        else:
            return None
    except InputError:
        return None
    height = round(rgb.shape[0] * WIDTH_PX / rgb.shape[1])
    return np.asarray(cv2.resize(rgb, (WIDTH_PX, height), interpolation=cv2.INTER_AREA))


def _painted(depth: np.ndarray) -> np.ndarray:
    """Paint a map, near red, far blue, by its own range; unknown is black."""
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = np.where(np.isfinite(depth) & (depth > 0), 1.0 / depth, np.nan)
    finite = inverse[np.isfinite(inverse)]
    if not finite.size:
        return np.zeros((*depth.shape, 3), np.uint8)
    low, high = np.percentile(finite, (2, 98))
    return colorize_disparity(
        inverse.astype(np.float32), min=float(low), max=float(max(high, low * 1.01 + 1e-9))
    )


def _address(rgb: np.ndarray) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f'data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}'


def _opened(path: str) -> Recording | None:
    try:
        return Recording(path)
    except InputError:
        return None
