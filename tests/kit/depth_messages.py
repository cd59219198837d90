"""Depth messages of every transport that is read, with the unit of their steps."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np

from tests.kit import message_doubles
from tests.kit.bag_writer import stamped

QUANTISATION = 100.0 * 101.0
FARTHEST_M = 20.0


def raw_steps(depth: np.ndarray, unit_m: float, encoding: str) -> SimpleNamespace:
    steps = np.rint(np.nan_to_num(depth) / unit_m).astype(np.uint16)
    return _raw(steps, encoding)


def raw_floats(depth: np.ndarray) -> SimpleNamespace:
    return _raw(np.nan_to_num(depth).astype(np.float32), '32FC1')


def compressed_steps(depth: np.ndarray, unit_m: float) -> SimpleNamespace:
    steps = np.rint(np.nan_to_num(depth) / unit_m).astype(np.uint16)
    return _compressed(steps, '16UC1', 0.0, 0.0)


def compressed_floats(depth: np.ndarray) -> SimpleNamespace:
    b = 1.0 - QUANTISATION / FARTHEST_M
    steps = np.where(depth > 0, QUANTISATION / np.maximum(depth, 0.1) + b, 0)
    return _compressed(steps.astype(np.uint16), '32FC1', QUANTISATION, b)


DEPTH_KINDS: dict[str, tuple[float, Callable[[np.ndarray], SimpleNamespace]]] = {
    '16UC1': (0.001, lambda depth: raw_steps(depth, 0.001, '16UC1')),
    'mono16': (0.001, lambda depth: raw_steps(depth, 0.001, 'mono16')),
    '1/5000 m': (1 / 5000, lambda depth: raw_steps(depth, 1 / 5000, '16UC1')),
    'quarter millimetres': (0.00025, lambda depth: raw_steps(depth, 0.00025, '16UC1')),
    '32FC1 with zeros': (0.001, raw_floats),
    'half size': (0.001, lambda depth: raw_steps(depth[::2, ::2], 0.001, '16UC1')),
    'compressedDepth': (0.001, lambda depth: compressed_steps(depth, 0.001)),
    'compressedDepth of floats': (0.001, compressed_floats),
}
"""Metres of a step, and what makes a message of depth ``(H, W)`` in metres."""


def _raw(values: np.ndarray, encoding: str) -> SimpleNamespace:
    message = message_doubles.image_of(values, encoding)
    return stamped(message, 'sensor_msgs/msg/Image', 0)


def _compressed(steps: np.ndarray, encoding: str, a: float, b: float) -> SimpleNamespace:
    data = struct.pack('<iff', 0, a, b) + bytes(cv2.imencode('.png', steps)[1])
    message = SimpleNamespace(
        header=message_doubles.header(),
        format=f'{encoding}; compressedDepth png',
        data=np.frombuffer(data, np.uint8),
    )
    return stamped(message, 'sensor_msgs/msg/CompressedImage', 0)
