"""Numbers as files write them: nested lists, matrices of OpenCV and ROS, text with separators."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import yaml

from depth_ros.files.yaml_text import BoundedLoader, parse_yaml

Record = Mapping[str, object]
_SEPARATORS = re.compile(r'[\[\];,\s]+')


class CalibrationLoader(BoundedLoader):
    """Reads what ``cv::FileStorage`` writes as well."""


def _construct_matrix(loader: BoundedLoader, node: yaml.MappingNode) -> object:
    return loader.construct_mapping(node, deep=True)


# OpenCV 5 writes vectors as matrices of one dimension.
for _tag in ('opencv-matrix', 'opencv-nd-matrix'):
    CalibrationLoader.add_constructor(f'tag:yaml.org,2002:{_tag}', _construct_matrix)


def yaml_record(text: str) -> Record | None:
    """Return the mapping that the first document of a text is, or None.

    The header ``%YAML:1.0`` of ``cv::FileStorage``, which is no YAML, is left out.

    Raises:
        ValueError: If it is no YAML at all; one line.
    """
    body = re.sub(r'\A%YAML[:\s][^\n]*\n', '', text.lstrip())
    record = parse_yaml(body, loader=CalibrationLoader)
    return record if isinstance(record, dict) else None


def numbers(value: object) -> np.ndarray:
    """Return the numbers of a list, a nested list, a text, or a mapping with ``data``, flat.

    Raises:
        ValueError: If something is no number.
    """
    if isinstance(value, Mapping):
        return numbers(value['data'])
    if isinstance(value, str):
        return np.array([float(word) for word in _SEPARATORS.split(value) if word], np.float64)
    if isinstance(value, (list, tuple)):
        parts = [numbers(item) for item in value]
        return np.concatenate(parts) if parts else np.zeros(0)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return np.array([float(value)])
    raise ValueError(f'{value!r} is no number')


def matrix(value: object, rows: int, columns: int) -> np.ndarray:
    """Return ``(rows, columns)`` numbers; raises as ``numbers``, and for another count."""
    return numbers(value).reshape(rows, columns)


def intrinsic_matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Return K, ``(3, 3)`` float64."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], np.float64)


def mapping(value: object) -> Record:
    """Return a mapping; raises ValueError for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError(f'expected a mapping, got {type(value).__name__}')
    return value


def size_of(height: object, width: object) -> tuple[int, int]:
    """Return two whole numbers above zero; raises ValueError."""
    sides = [float(numbers(side)[0]) for side in (height, width)]
    if not all(side == int(side) and side > 0 for side in sides):
        raise ValueError(f'image size {sides[1]:g}x{sides[0]:g}')
    return int(sides[0]), int(sides[1])
