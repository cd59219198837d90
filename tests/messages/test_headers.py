"""Stamps round trip."""

from __future__ import annotations

from depth_ros.messages.headers import fill_header, stamp_ns
from tests.kit import message_doubles as doubles


def test_stamps_round_trip() -> None:
    header = doubles.header()
    fill_header(header, stamp_ns=1_403_715_273_262_142_976, frame_id='cam')
    assert (header.stamp.sec, header.stamp.nanosec) == (1_403_715_273, 262_142_976)
    assert header.frame_id == 'cam'
    assert stamp_ns(header.stamp) == 1_403_715_273_262_142_976
