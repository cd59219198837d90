"""Depth images of REP 118 in either unit and byte order."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import ImageError
from depth_ros.messages.depth import decode_depth
from tests.kit import message_doubles as doubles
from tests.kit.cloud_messages import (
    ramp_depth,
)


def test_depth_in_metres_keeps_every_value() -> None:
    message = doubles.image_of(ramp_depth(), '32FC1', padding=3)
    np.testing.assert_array_equal(decode_depth(message), ramp_depth())


@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_in_millimetres_becomes_metres(order: str) -> None:
    values = np.array([[0, 1], [1500, 65535]], order + 'u2')
    depth = decode_depth(doubles.image_of(values, '16UC1', is_bigendian=int(order == '>')))
    np.testing.assert_allclose(depth, [[np.nan, 0.001], [1.5, 65.535]], rtol=1e-6)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': 'rgb8'}, 'encoding'),
        ({'height': 0}, 'size'),
        ({'step': 3}, 'step'),
        ({'data': array('B', [0])}, 'data_length'),
    ],
)
def test_broken_depth_is_refused(changes: dict[str, Any], reason: str) -> None:
    message = doubles.image_of(ramp_depth(), '32FC1')
    vars(message).update(changes)
    with pytest.raises(ImageError) as error:
        decode_depth(message)
    assert error.value.reason == reason
