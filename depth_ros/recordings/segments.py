"""The unit of work: a stretch of a recording between two boundaries of chunks.

Where it is cut depends on the recording and the job alone, never on who works on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from depth_ros.recordings.recording import Recording
from depth_ros.settings import Settings, described


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentSettings(Settings):
    """How recordings are cut."""

    frames: int = described(
        64,
        'Frames of a segment: the unit of work, and what a crash can lose.',
        minimum=1,
        maximum=1_000_000,
    )
    max_mib: int = described(
        512,
        'Decompressed size at which a segment ends before it has its frames.',
        unit='MiB',
        minimum=1,
        maximum=1_000_000,
    )
    overlap_s: float = described(
        0.5,
        'Two images of one moment were recorded at most so far apart.',
        unit='s',
        minimum=0.0,
        maximum=60.0,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of a recording.

    Attributes:
        number: Its place among the segments of its recording and task.
        first: Number of its first chunk.
        end: Number of the chunk behind its last.
        first_frame: Images of the reference topic before it.
        num_frames: Images of the reference topic within it.
    """

    number: int
    first: int
    end: int
    first_frame: int
    num_frames: int


def whole(recording: Recording, topic: str) -> Segment:
    """Return a recording as one segment, for what follows frame after frame."""
    chunks = recording.chunks
    frames = sum(chunk.counts.get(topic, 0) for chunk in chunks)
    return Segment(number=0, first=0, end=len(chunks), first_frame=0, num_frames=frames)


def cut(recording: Recording, topic: str, settings: SegmentSettings) -> Iterator[Segment]:
    """Return the segments that cover a recording, by the images of one topic.

    Args:
        recording: What to cut; its index is read, its chunks are not.
        topic: Topic of the reference images.
        settings: Where to cut.
    """
    number = first = frames_before = frames = num_bytes = 0
    for index, chunk in enumerate(recording.chunks):
        frames += chunk.counts.get(topic, 0)
        num_bytes += chunk.num_bytes
        is_last = index + 1 == len(recording.chunks)
        if is_last or frames >= settings.frames or num_bytes >= settings.max_mib << 20:
            yield Segment(
                number=number,
                first=first,
                end=index + 1,
                first_frame=frames_before,
                num_frames=frames,
            )
            number, first, frames_before = number + 1, index + 1, frames_before + frames
            frames = num_bytes = 0
