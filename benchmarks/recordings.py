"""Cost of ``depth-ros process`` beside the plain loop: frames a second, processor time, memory.

``python benchmarks/recordings.py --frames 2000 --model sgbm --workers 1,2`` writes a recording of
a rendered corridor (each rendered pair many times, with stamps of its own), processes it, and
prints a table. Times of a busy machine vary; processor time a frame hardly does.
"""

from __future__ import annotations

import argparse
import os
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mcap.records import Channel, Schema

import depth_ros
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.headers import fill_header
from depth_ros.messages.images import fill_image
from depth_ros.recordings.bag_writer import BagWriter
from depth_ros.recordings.wire import CAMERA_INFO, IMAGE, blank, definition_of, serialised
from depth_ros.scenes.paths import scene_path

STEP_NS = 50_000_000
NUM_RENDERED = 30
JOB = """\
tasks:
  stereo:
    settings: {{model: {model}{more}}}
    outputs: {{depth_encoding: 16UC1, row_error_every: 10}}
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One line of the table; ``cpu_ms`` is user and system time of all processes, a frame."""

    name: str
    rate_hz: float
    cpu_ms: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=2000)
    parser.add_argument('--plain', type=int, default=500, help='frames of the plain loop')
    parser.add_argument('--model', default='sgbm')
    parser.add_argument('--workers', default='1,2')
    parser.add_argument('--folder', type=Path, help='keep recording and results here')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(exist_ok=True)
        bag = folder / f'corridor_{arguments.frames}.mcap'
        if not bag.is_file():
            write_recording(bag, arguments.frames)
        print(f'{bag.name}: {bag.stat().st_size / 2**20:.0f} MiB')
        lines = [plain_loop(bag, arguments.model, arguments.plain)]
        for workers in arguments.workers.split(','):
            lines.append(job(bag, arguments.model, int(workers), arguments.frames, folder))
    print('| | frames/s | CPU ms a frame | peak of the largest process MiB |')
    print('| --- | --- | --- | --- |')
    for line in lines:
        print(f'| {line.name} | {line.rate_hz:.1f} | {line.cpu_ms:.1f} | {line.peak_mib:.0f} |')


def write_recording(path: Path, num_frames: int) -> None:
    """Write a rectified grey rig, 20 pairs a second."""
    scene = scene_path('corridor', num_frames=NUM_RENDERED)
    topics = ('/left/camera_info', '/right/camera_info', '/left/image_rect', '/right/image_rect')
    kinds = (CAMERA_INFO, CAMERA_INFO, IMAGE, IMAGE)
    rendered = [_messages(scene, number) for number in range(NUM_RENDERED)]
    with path.with_suffix('.part').open('wb') as file:
        writer = BagWriter(file)
        for number, (topic, kind) in enumerate(zip(topics, kinds, strict=True), start=1):
            schema = Schema(id=number, name=kind, encoding='ros2msg', data=definition_of(kind))
            writer.add_channel(
                Channel(
                    id=number, topic=topic, message_encoding='cdr', metadata={}, schema_id=number
                ),
                schema,
            )
        for index in range(num_frames):
            stamp_ns = 1_700_000_000_000_000_000 + index * STEP_NS
            for number, data in enumerate(rendered[index % NUM_RENDERED], start=1):
                stamped = data[:4] + struct.pack('<iI', *divmod(stamp_ns, 10**9)) + data[12:]
                writer.add_message(
                    number, log_ns=stamp_ns + number, publish_ns=stamp_ns, data=stamped
                )
        writer.finish()
    path.with_suffix('.part').rename(path)


def plain_loop(bag: Path, model: str, num_frames: int) -> Measured:
    """Process frames as a program of one's own would: read, compute, nothing written."""
    cv2.setNumThreads(1)
    with depth_ros.open_stereo(model=model, num_threads=1) as stereo:
        frames = iter(depth_ros.read_bag(bag))
        stereo.depth_of(next(frames))
        start, before = time.perf_counter(), time.process_time()
        for _, frame in zip(range(num_frames), frames, strict=False):
            stereo.depth_of(frame)
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - before
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured(
        name='plain loop, one thread',
        rate_hz=num_frames / wall_s,
        cpu_ms=1e3 * cpu_s / num_frames,
        peak_mib=peak_kib / 1024,
    )


def job(bag: Path, model: str, num_workers: int, num_frames: int, folder: Path) -> Measured:
    """Run the command in processes of its own."""
    job_file = folder / 'job.yaml'
    job_file.write_text(JOB.format(model=model, more=''))
    out = folder / f'out_{model}_{num_workers}_{time.time_ns()}'
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = ['process', str(bag), '--out', str(out), '--job', str(job_file)]
    process = subprocess.Popen(
        [sys.executable, '-m', 'depth_ros', *words, '--workers', str(num_workers)],
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    peak = Peak(process.pid)
    code = process.wait()
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert code == 0, 'the job failed'
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(
        name=f'job, {num_workers} worker{"s" if num_workers > 1 else ""} of one thread',
        rate_hz=num_frames / wall_s,
        cpu_ms=1e3 * cpu_s / num_frames,
        peak_mib=peak.largest_mib(),
    )


class Peak:
    """Watches the resident memory of a process and its children; prints it now and then."""

    def __init__(self, process: int) -> None:
        self._process, self._largest, self._is_over = process, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def largest_mib(self) -> float:
        """Stop watching and return the largest size of one process."""
        self._is_over.set()
        self._thread.join()
        return self._largest

    def _watch(self) -> None:
        count = 0
        while not self._is_over.wait(0.5):
            sizes = [_resident_mib(child) for child in _family(self._process)]
            self._largest = max([self._largest, *sizes])
            count += 1
            if count % 60 == 0:
                print(f'  {count / 2:.0f} s: {[round(size) for size in sizes]} MiB', flush=True)


def _family(process: int) -> list[int]:
    try:
        text = Path(f'/proc/{process}/task/{process}/children').read_text()
    except OSError:
        return []
    children = [int(word) for word in text.split()]
    return [process, *children]


def _resident_mib(process: int) -> float:
    try:
        pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _messages(scene: object, number: int) -> list[bytes]:
    pair = scene.stereo(number)  # type: ignore[attr-defined]
    found = []
    for camera in (pair.camera.left, pair.camera.right):
        info = blank(CAMERA_INFO)
        fill_camera_info(info, camera)
        fill_header(info.header, stamp_ns=0, frame_id='left_optical')
        found.append(serialised(info))
    for image in (pair.left, pair.right):
        message = blank(IMAGE)
        grey = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        fill_image(message, grey, 'mono8')
        fill_header(message.header, stamp_ns=0, frame_id='left_optical')
        found.append(serialised(message))
    return found


if __name__ == '__main__':
    main()
