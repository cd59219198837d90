"""Run jobs in this process, and read what came out with the libraries' own readers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from depth_ros.recordings.job import RecordingJob
from depth_ros.recordings.local import Finished
from depth_ros.recordings.plan import WorkItem
from depth_ros.recordings.run_job import RecordingResult, run_job
from depth_ros.recordings.workshop import Workshop


def in_this_process(items: Sequence[WorkItem], out: str) -> Iterator[Finished]:
    workshop = Workshop(out)
    for number, item in enumerate(items):
        yield Finished(number=number, part=workshop.do(item))
    workshop.close()


def process(job: RecordingJob, bag: Path | str, out: Path | str) -> RecordingResult:
    """Process one recording without other processes."""
    found = run_job(job, [str(bag)], str(out), lambda items: in_this_process(items, str(out)))
    (result,) = found
    return result


def bag_messages(bag: Path) -> list[tuple[str, int, Any]]:
    """Topic, time of recording and message, in order of recording, as rosbags reads them."""
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(bag) as reader:
        return [
            (connection.topic, time_ns, store.deserialize_cdr(data, connection.msgtype))
            for connection, time_ns, data in reader.messages()
        ]


def raw_messages(bag: Path) -> dict[str, list[bytes]]:
    """Serialised messages by topic, as mcap's own reader gives them."""
    from mcap.reader import make_reader

    found: dict[str, list[bytes]] = {}
    with bag.open('rb') as file:
        for _, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            found.setdefault(channel.topic, []).append(message.data)
    return found


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
