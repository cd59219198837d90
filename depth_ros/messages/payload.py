"""The ``data`` of images and clouds: rows with padding in, bytes out."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.buffers import ByteData, byte_view


class DataMessage(Protocol):
    """The field that holds the bytes."""

    data: ByteData


def unpadded_rows(
    message: DataMessage, *, height: int, step: int, row_bytes: int, kind: str, row: str
) -> np.ndarray:
    """Return ``(height, row_bytes)`` uint8, a view of ``byte_view``.

    Args:
        message: Image or cloud.
        height: Rows announced.
        step: Bytes from one row to the next, as announced.
        row_bytes: Bytes of a row that mean something.
        kind: What the message is, for errors.
        row: What a row holds, for errors, e.g. ``'640 rgb8 pixels'``.

    Raises:
        ImageError: With reason ``'step'``, ``'data_length'`` or ``'data_type'``.
    """
    if step < row_bytes:
        raise ImageError(
            'step',
            f'{kind} step is {step} but a row of {row} has {row_bytes} bytes; the driver must '
            'set step to the bytes of a row',
        )
    data = byte_view(message.data)
    if data.size < step * height:
        raise ImageError(
            'data_length',
            f'{kind} data has {data.size} bytes, {step * height} expected for {height} rows of '
            f'step {step}; the driver sent a truncated {kind}',
        )
    return data[: step * height].reshape(height, step)[:, :row_bytes]


def room(message: DataMessage, num_bytes: int) -> np.ndarray:
    """Return ``message.data``, made so long, as ``(num_bytes,)`` uint8 to write into.

    A message that had this length keeps its memory and its old bytes; else they mean nothing.
    Writing into the message's own ``array.array`` never goes through rclpy's setter, which checks
    every element of anything else and takes a hundred times as long. While the view lives the
    message's data cannot change its length.
    """
    data = message.data
    if not isinstance(data, array):
        raise TypeError(f'message.data must be array.array, got {type(data).__name__}')
    if len(data) != num_bytes:
        del data[:]
        # Bytes of any value: an array cannot be made longer without giving it some.
        data.frombytes(np.empty(num_bytes, np.uint8).data)
    return np.frombuffer(data, np.uint8) if num_bytes else np.zeros(0, np.uint8)
