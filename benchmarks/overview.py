"""One table for all tasks: what a user gets a second here, the best rivals, and the floor.

Per task all contenders take turns on the same input, so that ratios hold: this package on
OpenVINO, the same network in torch and in ONNX Runtime, and a method without a network. Times are
of whole frames, from images to the result, without ROS. The floor is the network's products and
convolutions, as torch counts them, at the speed of the fastest matrix product or convolution of
the same run: what lies around the network, as the hint of SGBM, is not in it.

    python benchmarks/overview.py [--rounds 15] [--only stereo matching]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arithmetic import arithmetic_speed, count_gflop
from engine_race import CONTENDERS, REFERENCE, rendered_pair
from gpu_cases import WEIGHTS
from mvsnet_engines import CASES as MVSNET_CASES
from mvsnet_engines import open_eager, open_pipeline
from odometry_accuracy import rendered_frame
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.errors import EngineError
from depth_ros.evaluation.posed_views import rendered
from depth_ros.frames import ImagePair, MonoFrame
from depth_ros.scenes.paths import scene_path
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.odometry.processor import open_odometry
from depth_ros.tasks.odometry.settings import Source
from depth_ros.tasks.stereo.processor import open_stereo
from tests.kit.stereo_sets import plain_sgbm

RUNTIMES = {name: runtime for name, runtime, precision in CONTENDERS if precision == 'f32'}
OURS = 'OpenVINO f32'
TORCH = RUNTIMES[REFERENCE]
CAMERA = (480, 640)
RIG = ideal_stereo_camera(height=CAMERA[0], width=CAMERA[1])
NUM_DISPARITIES = 128
NUM_WARMUPS = 2
Run = Callable[[], object]
Open = Callable[[str], Run]
"""Opens what runs one frame on a runtime."""


@dataclass
class Race:
    """The contenders of a task.

    Attributes:
        arguments: Threads and rounds.
        stack: Closes them.
        runs: Each runs one frame; the first is what a user gets.
        refused: Why others could not be opened.
    """

    arguments: argparse.Namespace
    stack: ExitStack
    runs: dict[str, Run] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add_network(self, open_one: Open) -> None:
        """Open the network on every runtime, ours first, which must not be missing."""
        self.runs[OURS] = open_one(RUNTIMES[OURS])
        for name, runtime in RUNTIMES.items():
            if name == OURS:
                continue
            try:
                self.runs[name] = open_one(runtime)
            except EngineError as error:
                self.refused[name] = str(error)


@dataclass(frozen=True, kw_only=True)
class TaskCase:
    """A row of the table.

    Attributes:
        title: Model and sizes.
        unit: What is counted a second.
        enter: Adds the contenders to a race.
    """

    title: str
    unit: str
    enter: Callable[[Race], None]


def main() -> None:
    """Measure the tasks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--only', nargs='+', choices=TASKS, default=list(TASKS), metavar='TASK')
    arguments = parser.parse_args()
    print(machine())
    torch.set_num_threads(arguments.threads)
    speeds, figures = [arithmetic_speed()], {}
    for task in arguments.only:
        figures[task] = measure(TASKS[task], arguments)
        speeds.append(arithmetic_speed())
    print(f'arithmetic: {min(speeds):.0f} to {max(speeds):.0f} GFLOP/s')
    print(table(figures, max(speeds)))
    for task, entry in figures.items():
        for name, reason in entry['refused'].items():
            print(f'{task}: {name}: refused: {reason}')
    write_report('overview', {'gflop_s': speeds, 'tasks': figures})


def measure(case: TaskCase, arguments: argparse.Namespace) -> dict:
    """Let a task's contenders take turns; count the network's work where torch runs it."""
    with ExitStack() as stack:
        race = Race(arguments, stack)
        case.enter(race)
        gflop = count_gflop(race.runs[REFERENCE]) if REFERENCE in race.runs else 0.0
        times = interleave(
            race.runs,
            num_rounds=arguments.rounds,
            num_warmups=NUM_WARMUPS,
            report=show_progress,
        )
    return {
        'title': case.title,
        'unit': case.unit,
        'gflop': gflop,
        'ms': {name: percentiles(values) for name, values in times.items()},
        'refused': race.refused,
    }


def table(figures: Mapping[str, dict], gflop_s: float) -> str:
    """Write a row a task: the first contender, the best of the others of both kinds, the floor."""
    header = (
        'task',
        'what',
        'a second',
        'p50 ms',
        'p95 ms',
        'same network',
        'other method',
        'floor',
    )
    rows = []
    for task, entry in figures.items():
        (ours, at), *rivals = entry['ms'].items()
        same = [rival for rival in rivals if ours in RUNTIMES and rival[0] in RUNTIMES]
        others = [rival for rival in rivals if rival not in same]
        speed = f'**{per_second(at)}** {entry["unit"]}'
        ends = [best_of(same), best_of(others), floor(entry['gflop'], gflop_s)]
        rows.append([task, entry['title'], speed, at['p50'], at['p95'], *ends])
    return markdown_table(header, rows)


def per_second(at: Mapping[str, float]) -> str:
    """Give how many frames of the median fit into a second."""
    return f'{1000.0 / at["p50"]:.3g}'


def best_of(rivals: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Name the fastest, with its frames a second; a dash if there is none."""
    if not rivals:
        return '-'
    name, at = min(rivals, key=lambda rival: rival[1]['p50'])
    return f'{per_second(at)} {name.removesuffix(" f32")}'


def floor(gflop: float, gflop_s: float) -> str:
    """Give the frames a second if nothing but the counted work took time; a dash without any."""
    return f'{gflop_s / gflop:.3g} ({gflop:.3g} GFLOP)' if gflop else '-'


def stereo(race: Race) -> None:
    """A rectified pair to depth, examined as those of files are; its hint is of the full size."""
    frame = render_stereo(SCENES['room'](), RIG).frame()

    def open_one(engine: str) -> Run:
        weights = checkpoint('crestereo_tiny_hinted', engine)
        opened = open_stereo(engine=engine, weights=weights, num_threads=race.arguments.threads)
        return partial(race.stack.enter_context(opened).process_rectified, frame)

    race.add_network(open_one)
    race.runs['SGBM'] = partial(plain_sgbm, frame, NUM_DISPARITIES)


def mono(race: Race) -> None:
    """An image to relative depth, with made-up weights."""
    image = rendered_pair(CAMERA)[0]
    frame = MonoFrame(image=image, camera=RIG.left, stamp_ns=0, is_rectified=True)

    def open_one(engine: str) -> Run:
        threads = race.arguments.threads
        opened = open_mono(engine=engine, num_threads=threads, weights='synthetic:0')
        return partial(race.stack.enter_context(opened).process, frame)

    race.add_network(open_one)


def multiview(race: Race) -> None:
    """Three posed views to the depth of one; torch runs the network as published."""
    case = MVSNET_CASES[0]
    size = (case.height, case.width)
    frame = rendered('slanted', size=size, num_sources=case.views - 1).frame

    def open_one(engine: str) -> Run:
        told = {**vars(race.arguments), 'weights': checkpoint('mvsnet', engine)}
        arguments = argparse.Namespace(**told)
        if engine == TORCH:
            return partial(open_eager(case, arguments), frame)
        return partial(open_pipeline(case, engine, arguments, race.stack), frame)

    race.add_network(open_one)


def matching(race: Race) -> None:
    """Two images to matches."""
    first, second = rendered_pair(CAMERA)
    pair = ImagePair(first=first, second=second)

    def open_one(engine: str) -> Run:
        opened = open_matcher(
            model='loftr_tiny',
            preset='fast',
            engine=engine,
            weights=checkpoint('loftr_tiny', engine),
            num_threads=race.arguments.threads,
        )
        return partial(race.stack.enter_context(opened).match, pair)

    race.add_network(open_one)
    sift = race.stack.enter_context(open_matcher(model='sift'))
    race.runs['SIFT'] = partial(sift.match, pair)


def odometry(race: Race) -> None:
    """The next pair of a drive to its pose; keyframes get their depth of SGBM."""
    num_frames = NUM_WARMUPS + race.arguments.rounds
    path = replace(scene_path('room', num_frames=num_frames), camera=RIG)
    noise = np.random.default_rng(0)
    pairs = [
        rendered_frame(path, index, Source.STEREO, noise=noise, sigma=0.0)
        for index in range(num_frames)
    ]
    for model in ('sift', 'orb'):
        frames = iter(pairs)
        processor = race.stack.enter_context(open_odometry(model=model))
        race.runs[model.upper()] = lambda run=processor.process, frames=frames: run(next(frames))


def checkpoint(model: str, engine: str) -> str:
    """Give the shipped weights where torch needs them; empty takes the shipped graph."""
    return str(WEIGHTS / f'{model}.safetensors') if engine == TORCH else ''


TASKS = {
    'stereo': TaskCase(
        title='`crestereo_tiny_hinted` 240x320, pair of 480x640', unit='pairs', enter=stereo
    ),
    'mono': TaskCase(
        title='`monodepth2` 192x640, made-up weights, image of 480x640', unit='images', enter=mono
    ),
    'multi-view': TaskCase(
        title='`mvsnet` `fast`: 256x320, 3 views, 48 depths', unit='keyframes', enter=multiview
    ),
    'matching': TaskCase(
        title='`loftr_tiny` `fast`: 240x320, pair of 480x640', unit='pairs', enter=matching
    ),
    'odometry': TaskCase(
        title='`sift`, depth of keyframes by `sgbm`, pairs of 480x640',
        unit='pairs',
        enter=odometry,
    ),
}

if __name__ == '__main__':
    main()
