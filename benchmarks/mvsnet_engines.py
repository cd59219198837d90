"""MVSNet's time and peak memory against torch eager: one interleaved run, a process each.

Torch eager is the network as published: the whole variance volume at once, sums in place. The
others are this package's pipeline, slab by slab. Every contender lives in a process of its own,
so its peak memory is its own; they take turns, one frame at a time. Times are wall seconds of
the three stages, images in, depth map out. The process that is measured is not the one that
exports and builds.

    python benchmarks/mvsnet_engines.py [--rounds 5] [--weights model_000014.ckpt]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.kit.timing import percentiles
from depth_ros.engines.choice import EngineChoice
from depth_ros.evaluation.posed_views import rendered
from depth_ros.frames import MultiViewFrame


@dataclass(frozen=True, kw_only=True)
class Case:
    """A size as the issue names them: height x width x views x depths."""

    height: int
    width: int
    views: int
    depths: int

    @property
    def name(self) -> str:
        """As in the issue."""
        return f'{self.height}x{self.width}x{self.views}x{self.depths}'


CASES = (
    Case(height=256, width=320, views=3, depths=48),
    Case(height=512, width=640, views=3, depths=192),
)
EAGER = 'torch eager'
CONTENDERS = {
    EAGER: '',
    'ONNX Runtime f32': 'onnxruntime',
    'OpenVINO f32': 'openvino',
}
Run = Callable[[MultiViewFrame], np.ndarray]


def main() -> None:
    """Run every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    print(machine())
    records = {}
    for case in CASES:
        records[case.name] = run_case(case, arguments)
    write_report('mvsnet_engines', {'weights': arguments.weights, 'cases': records})


def run_case(case: Case, arguments: argparse.Namespace) -> dict[str, object]:
    """Let the contenders take turns on one frame; give figures by contender."""
    context = multiprocessing.get_context('spawn')
    with ExitStack() as stack:
        pipes = {}
        for name, runtime in CONTENDERS.items():
            if runtime:
                build = context.Process(target=build_only, args=(case, runtime, arguments))
                build.start()
                build.join()
            ours, theirs = context.Pipe()
            worker = context.Process(target=serve, args=(theirs, case, runtime, arguments))
            worker.start()
            stack.callback(worker.join)
            stack.callback(ours.send, False)
            pipes[name] = ours
        answers = take_turns(pipes, arguments.rounds)
    eager_ms = 1000 * np.median([answer.seconds for answer in answers[EAGER]])
    reference = answers[EAGER][-1].depth
    figures: dict[str, object] = {}
    for name, given in answers.items():
        times_ms = [1000 * answer.seconds for answer in given]
        figures[name] = {
            'ms': percentiles(times_ms),
            'share_of_eager': round(float(np.median(times_ms) / eager_ms), 3),
            'peak_mb': round(given[-1].peak_mb),
            'depth_error_mean': float(np.abs(given[-1].depth - reference).mean()),
        }
    print_case(case, figures)
    return figures


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One frame's time, the process's peak memory so far, and the depth map."""

    seconds: float
    peak_mb: float
    depth: np.ndarray


def take_turns(pipes: dict[str, Connection], rounds: int) -> dict[str, list[Answer]]:
    """Ask every worker once a round; the first round warms up and does not count."""
    answers: dict[str, list[Answer]] = {name: [] for name in pipes}
    for index in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(True)
            answer = pipe.recv()
            if index:
                answers[name].append(answer)
        show_progress(index / rounds)
    return answers


def build_only(case: Case, runtime: str, arguments: argparse.Namespace) -> None:
    """Export and build, so that the measured process loads from the cache."""
    with ExitStack() as stack:
        open_pipeline(case, runtime, arguments, stack)


def serve(pipe: Connection, case: Case, runtime: str, arguments: argparse.Namespace) -> None:
    """Answer until told to stop."""
    frame = rendered('slanted', size=(case.height, case.width), num_sources=case.views - 1).frame
    with ExitStack() as stack:
        if runtime:
            run = open_pipeline(case, runtime, arguments, stack)
        else:
            run = open_eager(case, arguments)
        while pipe.recv():
            start = time.perf_counter()
            depth = run(frame)
            seconds = time.perf_counter() - start
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send(Answer(seconds=seconds, peak_mb=peak_mb, depth=depth))


def open_pipeline(
    case: Case, runtime: str, arguments: argparse.Namespace, stack: ExitStack
) -> Run:
    """Open the package's own pipeline; gives every fourth pixel, the network's own."""
    from depth_ros.tasks.multiview.processor import open_multiview
    from depth_ros.tasks.multiview.settings import MultiViewSettings

    processor = open_multiview(
        MultiViewSettings(
            num_depths=case.depths,
            num_sources=case.views - 1,
            engine=EngineChoice(
                runtime=runtime,
                size=(case.height, case.width),
                weights=arguments.weights,
                num_threads=arguments.threads,
            ),
        )
    )
    stack.callback(processor.close)
    return lambda frame: processor.process(frame).depth.depth[::4, ::4].copy()


def open_eager(case: Case, arguments: argparse.Namespace) -> Run:
    """Open the network in torch, as published: all planes at once, no copies to spare."""
    import torch

    from depth_ros.engines.export import load_state
    from depth_ros.engines.recipe import load_recipe
    from depth_ros.models.mvsnet.network import load_network
    from depth_ros.models.mvsnet.network_regularisation import regress
    from depth_ros.models.mvsnet.network_volume import warp_features
    from depth_ros.models.mvsnet.projection import relative_transforms

    torch.set_num_threads(arguments.threads)
    network = load_network(load_state(load_recipe('mvsnet'), arguments.weights))

    def run(frame: MultiViewFrame) -> np.ndarray:
        views = (frame.reference, *frame.sources)
        images = np.stack([view.image for view in views])
        transforms = torch.from_numpy(
            relative_transforms(
                views[0].camera,
                [view.camera for view in frame.sources],
                frame.reference_from_source,
            )
        ).float()
        depths = torch.linspace(frame.depth_min_m, frame.depth_max_m, case.depths)[None]
        with torch.inference_mode():
            batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            features = [network.feature(image[None]) for image in batch]
            total = features[0].unsqueeze(2).repeat(1, 1, case.depths, 1, 1)
            squares = total**2
            for index, source in enumerate(features[1:]):
                warped = warp_features(source, transforms[None, index], depths)
                total += warped
                squares += warped.pow_(2)
                del warped
            variance = squares.div_(case.views).sub_(total.div_(case.views).pow_(2))
            depth, _, _ = regress(network.cost_regularization(variance)[:, 0], depths)
        return np.asarray(depth[0].numpy())

    return run


def print_case(case: Case, figures: dict[str, object]) -> None:
    """Print one table."""
    rows = [
        [
            name,
            entry['ms']['p50'],
            entry['ms']['p95'],
            entry['share_of_eager'],
            entry['peak_mb'],
            f'{entry["depth_error_mean"]:.2g}',
        ]
        for name, entry in figures.items()
    ]
    header = ['engine', 'p50 ms', 'p95 ms', 'share of eager', 'peak MB', 'mean difference m']
    print(f'\n{case.name}\n' + markdown_table(header, rows))


if __name__ == '__main__':
    main()
