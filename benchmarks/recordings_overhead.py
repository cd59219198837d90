"""Processor time of a frame in a job and in the plain loop over ``read_bag``, in turns.

``python benchmarks/recordings_overhead.py --models sgbm,crestereo_tiny --size 480x640`` renders a
recording, computes the frames of a segment in the plain loop, then the segment as a job's worker
does, and so on: both have the same machine and the same images, in one thread of one process. Both
take the pairs as those of a live rig: what ``depth_ros.open_stereo`` examines in every pair, a job
examines in every 30th.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
from recordings import Drive, write_recording

import depth_ros
from depth_ros.frames import StereoFrame
from depth_ros.recordings.job_file import read_job
from depth_ros.recordings.plan import WorkItem, plan_job
from depth_ros.recordings.workshop import Workshop
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.stereo.processor import StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings

JOB = """\
tasks:
  stereo:
    settings: {{model: {model}}}
    outputs: {{depth_encoding: {encoding}}}
segments: {{frames: {frames}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--models', default='sgbm,crestereo_tiny')
    parser.add_argument('--size', default='240x320', help='HEIGHTxWIDTH of the images')
    parser.add_argument('--segments', type=int, default=6)
    parser.add_argument('--frames', type=int, default=64, help='frames of a segment')
    parser.add_argument('--encoding', default='16UC1')
    arguments = parser.parse_args()
    height, width = (int(word) for word in arguments.size.split('x'))
    cv2.setNumThreads(1)
    print('| images | model | plain ms | job ms | beside the plain loop |')
    print('| --- | --- | --- | --- | --- |')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag = folder / 'drive.mcap'
        num_frames = (arguments.segments + 1) * arguments.frames
        write_recording(bag, num_frames, Drive(height=height, width=width))
        for model in arguments.models.split(','):
            job = folder / f'{model}.yaml'
            job.write_text(
                JOB.format(model=model, encoding=arguments.encoding, frames=arguments.frames)
            )
            plain_ms, job_ms = compared(bag, job, model, folder / 'out')
            print(
                f'| {width}x{height} | `{model}` | {plain_ms:.1f} | {job_ms:.1f} | '
                f'{100 * (job_ms / plain_ms - 1):.0f} % |',
                flush=True,
            )


def compared(bag: Path, job: Path, model: str, out: Path) -> tuple[float, float]:
    """Return milliseconds of processor time of a frame, plain and as a job; the first warm up."""
    (plan,) = plan_job(read_job(job), [str(bag)])
    workshop = Workshop(str(out))
    frames = iter(depth_ros.read_bag(bag))
    spent = {'plain': 0.0, 'job': 0.0}
    count = 0
    settings = settings_given(StereoSettings(), {'model': model, 'num_threads': 1})
    with open_stereo(settings, is_live=True) as stereo:
        for number, item in enumerate(plan.items):
            before = time.process_time()
            plain(stereo, frames, item)
            between = time.process_time()
            workshop.do(item)
            after = time.process_time()
            if number:
                spent['plain'] += between - before
                spent['job'] += after - between
                count += item.segment.num_frames
    workshop.close()
    shutil.rmtree(out)
    return 1e3 * spent['plain'] / count, 1e3 * spent['job'] / count


def plain(stereo: StereoProcessor, frames: Iterator[StereoFrame], item: WorkItem) -> None:
    """Compute as many frames as a segment has; nothing is written."""
    for frame in islice(frames, item.segment.num_frames):
        stereo.depth_of(frame)


if __name__ == '__main__':
    main()
