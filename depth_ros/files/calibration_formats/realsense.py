"""What ``rs-enumerate-devices -c`` prints: intrinsics by stream and resolution, extrinsics."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.numbers import intrinsic_matrix, matrix, numbers
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    ImageSize,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
    rectified_pair,
)

NAME = 'rs-enumerate-devices -c'
PAIRS = (('Infrared 1', 'Infrared 2'), ('Fisheye 1', 'Fisheye 2'))
LENSES = {'Kannala Brandt4': 'equidistant', 'Brown Conrady': 'plumb_bob', 'None': 'plumb_bob'}
"""CameraInfo's name by librealsense's."""

_INTRINSIC = re.compile(
    r'Intrinsics? of "(?P<stream>[^"]+)"[^\n]*\n(?P<body>(?:[ \t]+\S[^\n]*\n?)+)', re.M
)
_EXTRINSIC = re.compile(
    r'Extrinsics? from "(?P<source>[^"]+)"\s+To\s+"(?P<target>[^"]+)"\s*:\s*\n'
    r'\s*Rotation Matrix:\s*\n(?P<r>(?:[ \t]+[-\d][^\n]*\n){3})'
    r'\s*Translation Vector:(?P<t>[^\n]*)',
    re.M,
)
_SERIAL = re.compile(r'^\s*Serial Number\s*:\s*(\S+)', re.M)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Stream:
    """One stream at one resolution."""

    name: str
    camera: RawCamera


def matches(document: Document) -> bool:
    """Whether it lists intrinsics by stream."""
    return _INTRINSIC.search(document.text) is not None


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read the two infrared cameras, rectified by the device, or the two raw fisheyes."""
    text = documents[0].text.replace('\r\n', '\n').replace('_', ' ')
    with reading(documents[0].path, f'the text of {NAME}'):
        streams = [_stream(match) for match in _INTRINSIC.finditer(text)]
        _expect_one_device(text, streams)
        names = {stream.name for stream in streams}
        sides = next((pair for pair in PAIRS if names.issuperset(pair)), None)
        if sides is None:
            raise CalibrationError(
                'calibration_file',
                f'it lists {sorted(names)} but no stereo pair; run rs-enumerate-devices -c with '
                'a camera of the D400 series or a T265',
            )
        left, right = _both(streams, sides, options.image_size)
        extrinsics = _extrinsics(text, sides)
        stated = Stated(key='Translation Vector')
        if left.d.any() or left.distortion_model == 'equidistant':
            return joined_rig(
                left, right, extrinsics, alpha=options.alpha, name=NAME, stated=stated
            )
        return rectified_pair(
            focal=(left.k[0, 0], left.k[1, 1]),
            left_center=(left.k[0, 2], left.k[1, 2]),
            right_center=(right.k[0, 2], right.k[1, 2]),
            baseline_m=-float(extrinsics.t_m[0]),
            size=left.size,
            name=NAME,
            stated=stated,
        )


def _expect_one_device(text: str, streams: list[_Stream]) -> None:
    """Refuse two values for one thing: which one is meant cannot be told."""
    motions: dict[tuple[str, str], tuple[str, str]] = {}
    is_one = len(set(_SERIAL.findall(text))) <= 1
    for match in _EXTRINSIC.finditer(text):
        motion = (match['r'], match['t'])
        is_one &= motions.setdefault((match['source'], match['target']), motion) == motion
    if not is_one:
        raise CalibrationError('calibration_file', 'it lists two devices: keep one')
    seen: dict[tuple[str, ImageSize], RawCamera] = {}
    for stream in streams:
        camera = stream.camera
        first = seen.setdefault((stream.name, camera.size), camera)
        if np.array_equal(first.k, camera.k) and np.array_equal(first.d, camera.d):
            continue
        height, width = camera.size
        raise CalibrationError(
            'calibration_file',
            f'it has {stream.name!r} of {width}x{height} twice, with fx {first.k[0, 0]:g} and '
            f'{camera.k[0, 0]:g}, as of two devices or formats: keep one',
        )


def _stream(match: re.Match[str]) -> _Stream:
    fields = dict(re.findall(r'^\s*([\w ()]+?):\s*(.+?)\s*$', match['body'], re.M))
    k = intrinsic_matrix(*(float(fields[name]) for name in ('Fx', 'Fy', 'PPX', 'PPY')))
    d = numbers(fields['Coeffs'])
    model = _lens(fields['Distortion'], d)
    size = (int(fields['Height']), int(fields['Width']))
    camera = RawCamera(
        k=k, d=d[:4] if model == 'equidistant' else d, distortion_model=model, size=size
    )
    return _Stream(name=match['stream'], camera=camera)


def _lens(name: str, d: np.ndarray) -> str:
    """Return CameraInfo's name; any lens without coefficients is a pinhole."""
    if name in LENSES:
        return LENSES[name]
    if d.any():
        raise CalibrationError(
            'distortion_model',
            f'its distortion {name!r} is not supported, only {", ".join(sorted(LENSES))}; give a '
            'calibration of another tool, as of calibration create',
        )
    return 'plumb_bob'


def _both(
    streams: list[_Stream], sides: tuple[str, str], size: ImageSize | None
) -> tuple[RawCamera, RawCamera]:
    """Return both cameras at the images' resolution, or the largest that both have."""
    by_size = [
        {stream.camera.size: stream.camera for stream in streams if stream.name == side}
        for side in sides
    ]
    common = set(by_size[0]) & set(by_size[1])
    if (size is not None and size not in common) or not common:
        known = ', '.join(f'{w}x{h}' for h, w in sorted(common))
        wanted = f'{size[1]}x{size[0]}' if size else 'one resolution'
        raise CalibrationError(
            'calibration_size',
            f'it has no intrinsics of both cameras for {wanted}, only for {known or "none"}; give '
            'images of one of them',
        )
    chosen = size or max(common, key=lambda sides: sides[0] * sides[1])
    return by_size[0][chosen], by_size[1][chosen]


def _extrinsics(text: str, sides: tuple[str, str]) -> Extrinsics:
    for match in _EXTRINSIC.finditer(text):
        if (match['source'], match['target']) == sides:
            return Extrinsics(r=matrix(match['r'], 3, 3), t_m=numbers(match['t']))
        if (match['target'], match['source']) == sides:
            r, t = matrix(match['r'], 3, 3), numbers(match['t'])
            return Extrinsics(r=r.T, t_m=-(r.T @ np.asarray(t)))
    raise CalibrationError(
        'calibration_file',
        f'it has no extrinsics from {sides[0]!r} to {sides[1]!r}; copy the whole output of '
        'rs-enumerate-devices -c',
    )
