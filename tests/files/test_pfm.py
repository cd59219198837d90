"""Portable float maps come back, and what is none is named."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.files.pfm import read_pfm, write_pfm


def test_pfm_round_trip(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
    write_pfm(tmp_path / 'a.pfm', values)
    np.testing.assert_array_equal(read_pfm(tmp_path / 'a.pfm'), values)
    first = np.frombuffer((tmp_path / 'a.pfm').read_bytes()[-48:], '<f4', 4)
    np.testing.assert_array_equal(first, values[-1], err_msg='rows run from bottom to top')


@pytest.mark.parametrize('data', [b'', b'P5\n2 2\n255\n0000', b'Pf\n4 3\n-1.0\n' + bytes(40)])
def test_pfm_that_is_none(tmp_path, data):
    (tmp_path / 'a.pfm').write_bytes(data)
    with pytest.raises(InputError, match=r'a\.pfm'):
        read_pfm(tmp_path / 'a.pfm')
