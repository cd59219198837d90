"""Cost of ``depth-ros process`` beside the plain loop: frames a second, processor time, memory.

``python benchmarks/recordings.py --frames 20000 --size 120x160 --raylets 1,2,3`` renders a drive
through a corridor, every frame of its own and with exact truth, processes it, compares some frames
with the truth, and prints a table. Times of a busy machine vary; processor time hardly does.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from mcap.records import Channel, Schema
from timing import write_report

import depth_ros
from depth_ros.camera import StereoCamera
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.headers import fill_header
from depth_ros.messages.images import fill_image
from depth_ros.recordings.bag_writer import BagWriter
from depth_ros.recordings.depth_encodings import metres
from depth_ros.recordings.result_frames import result_frames
from depth_ros.recordings.wire import CAMERA_INFO, IMAGE, blank, definition_of, serialised
from depth_ros.scenes.solids import ideal_stereo_camera

FIRST_NS = 1_700_000_000_000_000_000
STEP_NS = 50_000_000
HALF_WIDTH_M, HALF_HEIGHT_M, END_M = 1.5, 1.2, 6.0
"""Of the corridor; its end keeps its distance, as a vehicle ahead does."""
SPEED_M_S = 1.2
TEXTURE_PX, PX_PER_M = 1024, 40.0
JOB = """\
tasks:
  stereo:
    settings: {{model: {model}{more}}}
    outputs: {{depth_encoding: 16UC1, row_error_every: 30}}
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One line of the table; ``cpu_ms`` is user and system time of all processes, a frame.

    It is None where processes are Ray's: those are not children of the command.
    """

    name: str
    rate_hz: float
    cpu_ms: float | None
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=2000)
    parser.add_argument('--plain', type=int, default=500, help='frames of the plain loop')
    parser.add_argument('--model', default='sgbm')
    parser.add_argument('--workers', default='1,2')
    parser.add_argument('--raylets', default='', help='numbers of Ray nodes of one processor')
    parser.add_argument('--size', default='240x320', help='HEIGHTxWIDTH of the images')
    parser.add_argument('--folder', type=Path, help='keep recording and results here')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(exist_ok=True)
        bag = folder / f'corridor_{arguments.frames}_{arguments.size}.mcap'
        height, width = (int(word) for word in arguments.size.split('x'))
        drive = Drive(height=height, width=width)
        if not bag.is_file():
            write_recording(bag, arguments.frames, drive)
        print(f'{bag.name}: {bag.stat().st_size / 2**20:.0f} MiB')
        bench = Bench(
            bag=bag, model=arguments.model, folder=folder, num_frames=arguments.frames, drive=drive
        )
        lines = [plain_loop(bag, arguments.model, min(arguments.plain, arguments.frames - 1))]
        lines += [bench.local(int(number)) for number in arguments.workers.split(',') if number]
        lines += [bench.on_ray(int(number)) for number in arguments.raylets.split(',') if number]
    print('| | frames/s | CPU ms a frame | peak of the largest process MiB |')
    print('| --- | --- | --- | --- |')
    for line in lines:
        cpu = '' if line.cpu_ms is None else f'{line.cpu_ms:.1f}'
        print(f'| {line.name} | {line.rate_hz:.1f} | {cpu} | {line.peak_mib:.0f} |')
    given = {name: getattr(arguments, name) for name in ('frames', 'size', 'model')}
    write_report('recordings', {**given, 'measured': [asdict(line) for line in lines]})


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A rig that sways through a corridor without an end; no two frames are the same."""

    height: int
    width: int

    @cached_property
    def camera(self) -> StereoCamera:
        """The rig."""
        return ideal_stereo_camera(height=self.height, width=self.width)

    def depth(self, index: int, *, side_m: float = 0.0) -> np.ndarray:
        """Return exact depth ``(H, W)`` in metres, of a camera so far to the right of the left."""
        return self._seen(index, side_m)[0]

    def image(self, index: int, *, side_m: float = 0.0) -> np.ndarray:
        """Return ``(H, W)`` uint8 grey."""
        depth, wall, place = self._seen(index, side_m)
        along = depth + SPEED_M_S * index * STEP_NS / 1e9
        along = np.where(wall == 4, place[0], along)  # the end is painted, not passed
        across = np.where(wall < 2, place[1], place[0]) + 7.0 * wall
        x, y = ((PX_PER_M * values).astype(np.float32) for values in (along, across))
        x, y = np.mod(x, TEXTURE_PX), np.mod(y, TEXTURE_PX)
        return cv2.remap(self._texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    @cached_property
    def _texture(self) -> np.ndarray:
        noise = np.random.default_rng(0).integers(0, 256, (TEXTURE_PX, TEXTURE_PX), np.uint8)
        blurred = cv2.GaussianBlur(noise, (0, 0), 1.2)
        return cv2.normalize(blurred, None, 10, 245, cv2.NORM_MINMAX)

    @cached_property
    def _rays(self) -> tuple[np.ndarray, np.ndarray]:
        camera = self.camera.left
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        return (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy

    def _seen(
        self, index: int, side_m: float
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return depth, which wall it is of, and the place on it, x and y in metres."""
        time_s = index * STEP_NS / 1e9
        x = 0.5 * np.sin(0.37 * time_s) + side_m
        y = 0.2 * np.sin(0.71 * time_s)
        rays = self._rays
        with np.errstate(divide='ignore'):
            walls = np.stack(
                [
                    (-HALF_WIDTH_M - x) / rays[0],
                    (HALF_WIDTH_M - x) / rays[0],
                    (-HALF_HEIGHT_M - y) / rays[1],
                    (HALF_HEIGHT_M - y) / rays[1],
                    np.full_like(rays[0], END_M),
                ]
            )
        walls[~(walls > 0.0)] = np.inf
        wall, depth = walls.argmin(axis=0), walls.min(axis=0)
        return depth, wall, (x + rays[0] * depth, y + rays[1] * depth)


def write_recording(path: Path, num_frames: int, drive: Drive) -> None:
    """Write a rectified grey rig, 20 pairs a second."""
    topics = ('/left/camera_info', '/right/camera_info', '/left/image_rect', '/right/image_rect')
    kinds = (CAMERA_INFO, CAMERA_INFO, IMAGE, IMAGE)
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
            stamp_ns = FIRST_NS + index * STEP_NS
            for number, data in enumerate(_messages(drive, index), start=1):
                writer.add_message(
                    number, log_ns=stamp_ns + number, publish_ns=stamp_ns, data=data
                )
            if index % 1000 == 0:
                print(f'  {index} of {num_frames} frames are rendered', flush=True)
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


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A recording, and how it is processed."""

    bag: Path
    model: str
    folder: Path
    num_frames: int
    drive: Drive

    def local(self, num_workers: int) -> Measured:
        """Run the command with worker processes."""
        plural = 's' if num_workers > 1 else ''
        name = f'job, {num_workers} worker{plural} of one thread'
        return self._run(name, ['--workers', str(num_workers)])

    def on_ray(self, num_nodes: int) -> Measured:
        """Run the command on a cluster of raylets of one processor each on this machine."""
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})
        try:
            for _ in range(num_nodes - 1):
                cluster.add_node(num_cpus=1)
            plural = 's' if num_nodes > 1 else ''
            name = f'job on Ray, {num_nodes} raylet{plural} of one processor'
            return self._run(name, ['--ray', cluster.address], is_counted=False)
        finally:
            cluster.shutdown()

    def _run(self, name: str, more: list[str], *, is_counted: bool = True) -> Measured:
        """Run the command in processes of its own; those of Ray are not its children."""
        job_file = self.folder / 'job.yaml'
        job_file.write_text(JOB.format(model=self.model, more=''))
        out = self.folder / f'out_{time.time_ns()}'
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        words = ['process', str(self.bag), '--out', str(out), '--job', str(job_file)]
        process = subprocess.Popen(
            [sys.executable, '-m', 'depth_ros', *words, *more],
            stdout=subprocess.DEVNULL,
            env=os.environ,
        )
        peak = Peak(process.pid)
        code = process.wait()
        wall_s = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert code == 0, 'the job failed'
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        result = out / f'{self.bag.stem}.mcap'
        print(f'  {name}: sha256 {sha256(result.read_bytes()).hexdigest()[:16]}')
        print(f'  {name}: {truth_text(result, self.drive)}', flush=True)
        shutil.rmtree(out)
        return Measured(
            name=name,
            rate_hz=self.num_frames / wall_s,
            cpu_ms=1e3 * cpu_s / self.num_frames if is_counted else None,
            peak_mib=peak.largest_mib(),
        )


def truth_text(result: Path, drive: Drive) -> str:
    """Return how far the depth of every 500th frame is from the exact one."""
    errors, number = [], 0
    for frame in result_frames(str(result)):
        units = frame.named('depth/image')
        if number % 500 == 0 and isinstance(units, np.ndarray):
            truth = drive.depth(number)
            known = metres(units, frame.units_m['stereo/depth/image'])
            errors.append(np.abs(known / truth - 1.0)[np.isfinite(known)])
        number += 1
    every = np.concatenate(errors)
    return f'{number} frames, median error of depth {100 * np.median(every):.1f} %'


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


def _messages(drive: Drive, index: int) -> list[bytes]:
    stamp_ns = FIRST_NS + index * STEP_NS
    rig = drive.camera
    found = []
    for camera in (rig.left, rig.right):
        info = blank(CAMERA_INFO)
        fill_camera_info(info, camera)
        fill_header(info.header, stamp_ns=stamp_ns, frame_id='left_optical')
        found.append(serialised(info))
    for side_m in (0.0, rig.baseline_m):
        message = blank(IMAGE)
        fill_image(message, drive.image(index, side_m=side_m), 'mono8')
        fill_header(message.header, stamp_ns=stamp_ns, frame_id='left_optical')
        found.append(serialised(message))
    return found


if __name__ == '__main__':
    main()
