"""What a job will cost, by its segments."""

from __future__ import annotations

import pytest

from depth_ros.recordings.estimate import TaskCost


@pytest.mark.parametrize(
    ('segments', 'num_workers', 'seconds'),
    [
        ((24,), 1, 12.0),
        ((24,), 2, 12.0),  # one segment is one worker's
        ((24, 24), 2, 12.0),
        ((8, 8, 8), 2, 8.0),
        ((8, 24, 8), 2, 12.0),
        ((2,) * 10, 5, 2.0),
        ((2,) * 10, 100, 1.0),
    ],
)
def test_only_segments_are_shared_among_workers(
    segments: tuple[int, ...], num_workers: int, seconds: float
) -> None:
    cost = TaskCost(task='stereo', segment_frames=segments, frame_s=0.5, frame_bytes=0.0)
    assert cost.seconds(num_workers) == seconds
    assert cost.frames == sum(segments)
