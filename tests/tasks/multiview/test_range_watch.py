"""Depth that the range of the search cut off is warned of by name, once."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from depth_ros.tasks.multiview.range_watch import RangeWatch


def map_with(share: float, depth_m: float) -> np.ndarray:
    depth = np.full((10, 100), 3.0, np.float32)
    depth[:, : round(100 * share)] = depth_m
    depth[0] = np.nan
    return depth


@pytest.mark.parametrize(
    ('share', 'depth_m', 'said'),
    [
        (0.4, 5.9, '40% of the depth lies at the far end'),
        (0.4, 1.1, '40% of the depth lies at the near end'),
        (0.1, 5.9, ''),
        (0.4, 4.0, ''),
    ],
)
def test_a_large_share_at_an_end_is_told_once(caplog, share, depth_m, said):
    watch = RangeWatch()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            watch.look(map_with(share, depth_m), None, (1.0, 6.0))
    assert caplog.text.count('[depth_range]') == bool(said)
    assert said in caplog.text


def test_nothing_known_is_nothing_to_tell(caplog):
    RangeWatch().look(np.full((2, 2), np.nan, np.float32), None, (1.0, 6.0))
    assert not caplog.text


@pytest.mark.parametrize(('confidence', 'is_told'), [(0.2, True), (0.7, False)])
def test_a_map_that_the_network_doubts_is_told(caplog, confidence, is_told):
    depth = map_with(0.0, 3.0)
    RangeWatch().look(depth, np.full_like(depth, confidence), (1.0, 6.0))
    assert ('mean confidence is 0.20' in caplog.text) is is_told
