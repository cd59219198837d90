"""CameraInfo's fields as bad tools and drivers publish them, and what a refusal must name."""

from __future__ import annotations

from typing import Any

import numpy as np

HEIGHT, WIDTH = 480, 640
K = np.array([[500.0, 0.0, 319.5], [0.0, 500.0, 239.5], [0.0, 0.0, 1.0]])
P = np.hstack([K, np.zeros((3, 1))])
RIGHT_TX = -60.0
NAN, INF = float('nan'), float('inf')


def rig_fields(changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of ``camera_from_calibration`` of both sides.

    Changes are fields of both sides, or entries (row, column) of ``k`` and ``p``, or of
    ``left_p`` or ``right_p`` alone.
    """
    return fields_with('left', changes), fields_with('right', changes)


def fields_with(side: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return one side's fields with the changes that concern it."""
    p = P.copy()
    p[0, 3] = RIGHT_TX if side == 'right' else 0.0
    fields: dict[str, Any] = {
        'k': K.copy(),
        'd': np.zeros(5),
        'distortion_model': 'plumb_bob',
        'r': np.eye(3),
        'p': p,
        'height': HEIGHT,
        'width': WIDTH,
    }
    for name, change in changes.items():
        key = name.removeprefix(f'{side}_')
        if isinstance(change, dict) and key in ('k', 'p'):
            for at, value in change.items():
                fields[key][at] = value
        elif key in fields or key in ('binning', 'roi'):
            fields[key] = change
    return fields


MIRROR = np.diag([1.0, -1.0, 1.0])
HALF = np.array([[250.0, 0.0, 159.5], [0.0, 250.0, 119.5], [0.0, 0.0, 1.0]])
TURNED = np.array([[500.0, 0.0, 239.5], [0.0, 500.0, 319.5], [0.0, 0.0, 1.0]])
SHEAR = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def with_p(k: np.ndarray) -> dict[str, Any]:
    """Return K and both P of another image."""
    return {
        'k': k,
        'left_p': np.hstack([k, np.zeros((3, 1))]),
        'right_p': np.hstack([k, [[-0.12 * k[0, 0]], [0.0], [0.0]]]),
    }


IMPOSSIBLE: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    'skew in P': ({'right_p': {(0, 1): 52.4}}, ('P[0,1]', '52.4', 'must be 0')),
    'P[1,0]': ({'p': {(1, 0): 30.0}}, ('P[1,0]', '30')),
    'P[2,0]': ({'left_p': {(2, 0): 0.001}}, ('P[2,0]', '0.001')),
    'P[2,1]': ({'left_p': {(2, 1): -0.5}}, ('P[2,1]', '-0.5')),
    'P[2,2]': ({'p': {(2, 2): 2.0}}, ('P[2,2]', 'must be 1', 'divide')),
    'P[2,2] zero': ({'p': {(2, 2): 0.0}}, ('P[2,2]', 'must be 1')),
    'P[2,3]': ({'right_p': {(2, 3): 1.0}}, ('P[2,3]', 'must be 0')),
    'K[1,0]': ({'k': {(1, 0): 30.0}}, ('K[1,0]', '30')),
    'K[2,0]': ({'k': {(2, 0): 0.1}}, ('K[2,0]',)),
    'K[2,1]': ({'k': {(2, 1): 0.1}}, ('K[2,1]',)),
    'K[2,2]': ({'k': {(2, 2): 2.0}}, ('K[2,2]', 'divide')),
    'K column-major': ({'k': K.T}, ('K[2,0]', 'row-major')),
    'K scaled': ({'k': 2.0 * K}, ('K[2,2]', '2')),
    'K[0,0] negative': ({'k': {(0, 0): -500.0}}, ('K[0,0]', '-500')),
    'K[0,0] zero': ({'k': {(0, 0): 0.0}}, ('K[0,0]', 'above 0')),
    'P[1,1] zero': ({'p': {(1, 1): 0.0}}, ('P[1,1]', 'above 0')),
    'P[0,0] huge': ({'p': {(0, 0): 1e8}}, ('P[0,0]', 'plausible')),
    'P[0,0] negative': ({'p': {(0, 0): -500.0}}, ('P[0,0]',)),
    'everything zero': (
        {'k': np.zeros(9), 'p': np.zeros(12)},
        ('K and P of the calibration are all zero', 'calibrate'),
    ),
    'mirror in R': ({'r': MIRROR}, ('R of the calibration must be a rotation', 'mirror')),
    'scaled R': ({'r': 1.01 * np.eye(3)}, ('R of the calibration must be a rotation',)),
    'sheared R': ({'r': SHEAR}, ('R of the calibration must be a rotation', 'perpendicular')),
    'NaN in R': ({'r': np.full(9, NAN)}, ('R[0,0]', 'nan')),
    'NaN in K': ({'k': {(1, 2): NAN}}, ('K[1,2]', 'nan')),
    'inf in P': ({'right_p': {(0, 3): -INF}}, ('P[0,3]', 'inf')),
    'P[0,3] of -1e308': ({'right_p': {(0, 3): -1e308}}, ('P[0,3]', '1e+308')),
    'D of 1e300': ({'d': np.array([0, 1e300, 0, 0, 0.0])}, ('D[1]', '1e+300')),
    'NaN in D': ({'d': np.array([0, 0, NAN, 0, 0.0])}, ('D[2]', 'nan')),
    'D of another length': ({'d': np.array([0.1, 0.2, 0.3])}, ('plumb_bob', '3')),
    'fisheye with a fifth number': (
        {'distortion_model': 'equidistant', 'd': np.array([0.1, 0, 0, 0, 0.1])},
        ('equidistant', '5'),
    ),
    'unknown model': ({'distortion_model': 'fov', 'd': np.array([0.9])}, ("'fov'", 'plumb_bob')),
    'baseline in millimetres': ({'right_p': {(0, 3): -6e4}}, ('millimetres (0.12 m)', '-60')),
    'baseline in centimetres': ({'right_p': {(0, 3): -6e3}}, ('centimetres (0.12 m)', '-60')),
    'baseline without fx': ({'right_p': {(0, 3): -0.12}}, ('multiplied by fx (0.12 m)', '-60')),
    'swapped': ({'right_p': {(0, 3): 60.0}}, ('swapped', '-0.12')),
    'P[0,3] on the left side alone': (
        {'left_p': {(0, 3): -60.0}, 'right_p': {(0, 3): 0.0}},
        ('-60 left and 0 right', 'correct P[0, 3]'),
    ),
    'the same P[0,3] on both sides': (
        {'left_p': {(0, 3): -60.0}},
        ('P[0, 3] is -60 on both sides', 'P[0, 3] = 0 on the left'),
    ),
    'no baseline': (
        {'right_p': {(0, 3): 0.0}},
        ('P[0, 3] of the right camera is 0', 'baseline_m'),
    ),
    'vertical rig': (
        {'right_p': {(0, 3): 0.0, (1, 3): -60.0}},
        ('P[1,3]', 'vertical', '0.12 m one above the other'),
    ),
    'half vertical rig': ({'right_p': {(1, 3): -30.0}}, ('P[1,3]', '0.06 m')),
    'K and P of half the resolution': (with_p(HALF), ('K[0,2]', 'resolution', '320x240')),
    'P of half the resolution': ({'p': {(0, 2): 159.5, (1, 2): 119.5}}, ('P[0,2]', '320x240')),
    'K of twice the resolution': ({'k': {(0, 2): 639.5, (1, 2): 479.5}}, ('K[0,2]', '1280x960')),
    'K of 1.5 times the resolution': ({'k': {(0, 2): 479.5, (1, 2): 359.5}}, ('K[0,2]',)),
    'K of the turned image': (with_p(TURNED), ('K[0,2]', '640x480')),
    'colour intrinsics with depth images': (
        with_p(np.array([[1170.2, 0, 647.5], [0, 1165.4, 482.6], [0, 0, 1.0]])),
        ('K[0,2]', '1296x966', 'colour'),
    ),
    'K of the binned image': (
        {'height': 4 * HEIGHT, 'width': 4 * WIDTH, 'binning': (4, 4)},
        ('K is that of the binned image', '640x480'),
    ),
    'K of the ROI': (
        {'height': 1024, 'width': 1280, 'roi': (320, 272, 640, 480)},
        ('K is that of the received image', '640x480'),
    ),
    'focal length in millimetres': (
        {'k': {(0, 0): 4.0, (1, 1): 4.0}, 'p': {(0, 0): 4.0, (1, 1): 4.0}},
        ('K[0,0]', 'millimetres', 'degrees'),
    ),
    'field of view of a star': ({'k': {(0, 0): 4e5, (1, 1): 4e5}}, ('K[0,0]', 'degrees')),
    'fx and fy of two cameras': ({'k': {(0, 0): 2500.0}}, ('K[0,0]', 'K[1,1]')),
    'sides that maps cannot address': ({'height': 480, 'width': 40_000}, ('40000x480', '32766')),
    'no size': ({'height': 0, 'width': 0}, ('0x0', 'give the image size')),
}
"""Changes to a good rig of 640x480, and words that the refusal must have."""

POSSIBLE: dict[str, dict[str, Any]] = {
    'rounded zeros': {'p': {(0, 1): 1e-5, (2, 0): 1e-12}},
    'R of four decimals': {
        'r': np.array(
            [[0.9998, -0.0175, 0.0105], [0.0174, 0.9998, 0.0087], [-0.0107, -0.0085, 0.9999]]
        )
    },
    'OAK-D': {'k': {(0, 0): 451.03, (1, 1): 451.03, (0, 2): 299.04, (1, 2): 255.17}},
    'wide plumb bob': {'k': {(0, 0): 150.0, (1, 1): 150.0}},
    'telephoto with large terms': {
        'k': {(0, 0): 30_000.0, (1, 1): 30_000.0},
        'd': np.array([0.8, -900.0, 0.001, 0.0, 40_000.0]),
    },
    'fisheye of 220 degrees': {
        'k': {(0, 0): 167.0, (1, 1): 167.0},
        'd': np.zeros(4),
        'distortion_model': 'equidistant',
    },
    'zoomed out P': {'p': {(0, 0): 125.0, (1, 1): 125.0}},
    'window at the corner of the sensor': {'roi': (0, 0, 160, 120)},
    'window without the centre': {'roi': (400, 300, 200, 100)},
    'binned': {'binning': (2, 2)},
    'verged P': {'p': {(0, 2): 480.0, (1, 2): 230.0}},
    'principal point 60 px low': {'k': {(1, 2): 300.0}},
    'resized without keeping its shape': {'k': {(0, 0): 250.0}, 'p': {(0, 0): 250.0}},
}
"""Changes to a good calibration that cameras and tools really have."""
