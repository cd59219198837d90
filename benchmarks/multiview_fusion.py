"""Fused clouds: on a rendered room with exact truth, on the HoloLens frames, and through the node.

Three tables. ``room``: a walk through the rendered room with exact depth, noisy depth and the
network's, measured as DTU does. ``hololens``: the cloud of ``depth-ros run multiview`` against
measured depth. ``node``: the same folder replayed as topics through the real ``multiview_node``
in a process of its own, and both clouds compared.

    python benchmarks/multiview_fusion.py [--only room hololens] [--size 352x512] [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from node_processes import use_private_domain
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.main import main as depth_ros
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import parse_size
from depth_ros.files.cloud import read_ply
from depth_ros.frames import MonoFrame
from depth_ros.geometry.consistency import DepthView
from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.geometry.depth import organised_cloud, points_of_cloud
from depth_ros.geometry.posed_view import PosedView
from depth_ros.scenes.paths import ScenePath, room_path
from depth_ros.scenes.solids import View
from depth_ros.tasks.multiview.fusion import DepthFusion
from depth_ros.tasks.multiview.keyframes import KeyframeWindow, ViewSet
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.reconstruction import depth_view
from depth_ros.tasks.multiview.settings import FusionSettings, MultiViewSettings
from tests.kit.cloud_accuracy import (
    CloudErrors,
    cloud_errors,
    nearest_distances,
    thin_cloud,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.kit.cloud_truth import CloudFigures, cloud_figures, truth_views
from tests.kit.shared_data import shared_root

ROOM_RANGE, HOLOLENS_RANGE = (0.5, 8.0), (1.0, 4.8)
ROOM_FRAMES, QUICK_FRAMES = 60, 14
MAX_DISTANCE_M, THRESHOLD_M = 0.2, 0.03
UNFILTERED = FusionSettings(
    consistency=ConsistencySettings(min_views=1, min_confidence=0.0), see_through_ratio=1.0
)
Record = dict[str, object]
DepthOf = Callable[[ViewSet, View], DepthView]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to depth and one way to fuse it."""

    name: str
    depth_of: DepthOf
    settings: FusionSettings


def main() -> None:
    """Run what was asked for and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = shared_root() / 'weights/mvsnet/model_000014.ckpt'
    parser.add_argument('--weights', default=str(default))
    parser.add_argument('--size', default='352x512', help='of the engine')
    parser.add_argument('--depths', type=int, default=96)
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--only', nargs='+', choices=('room', 'hololens', 'node'))
    parser.add_argument('--quick', action='store_true', help='a short walk, to see that it runs')
    arguments = parser.parse_args()
    parts = arguments.only or ['room', 'hololens', 'node']
    print(machine())
    report: Record = {'arguments': vars(arguments)}
    if 'room' in parts:
        report['room'] = room(arguments)
    if {'hololens', 'node'} & set(parts):
        report['hololens'] = hololens(arguments, is_live='node' in parts)
    write_report('multiview_fusion', report)


def room(arguments: argparse.Namespace) -> list[Record]:
    """Fuse a walk through the rendered room from different depths."""
    path = room_path(num_frames=QUICK_FRAMES if arguments.quick else ROOM_FRAMES)
    sets, views = keyframe_sets(path)
    truth = thin_cloud(
        np.concatenate([cloud_of(views[one.reference.name]) for one in sets]),
        FusionSettings().voxels.voxel_size_m,
    )
    rows, records = [], []
    settings = MultiViewSettings(
        num_depths=arguments.depths,
        num_sources=4,
        engine=EngineChoice(
            weights=arguments.weights, size=parse_size('256x320'), num_threads=arguments.threads
        ),
    )
    with closing(open_multiview(settings)) as processor:
        computed: dict[str, DepthView] = {}

        def network(one: ViewSet, view: View) -> DepthView:
            name = one.reference.name
            if name not in computed:
                output = processor.process(one.frame(ROOM_RANGE))
                computed[name] = depth_view(output, one.reference.world_from_camera)
            return computed[name]

        for contender in contenders(network):
            errors = fuse(contender, sets, views, truth)
            rows.append([contender.name, *accuracy_cells(errors)])
            records.append({'contender': contender.name, **asdict(errors)})
    header = ('room', 'accuracy mm', 'completeness mm', 'overall mm', 'outliers %', 'missing %')
    print(f'{len(sets)} keyframes of {len(path)} frames on {path.length_m:.1f} m')
    print(markdown_table([*header, f'F at {1e3 * THRESHOLD_M:.0f} mm', 'points'], rows))
    return records


def keyframe_sets(path: ScenePath) -> tuple[list[ViewSet], dict[str, View]]:
    """Walk the path as node and command do; also give what was rendered, by name."""
    window, views, sets = KeyframeWindow(), {}, []
    for index, view in enumerate(path.views()):
        frame = MonoFrame(
            image=view.image, camera=view.camera, stamp_ns=path.stamp_ns(index), is_rectified=True
        )
        name = f'{index:05d}'
        views[name] = view
        posed = PosedView(frame=frame, world_from_camera=view.world_from_camera, name=name)
        sets.append(window.add(posed, depth_range_m=ROOM_RANGE))
        show_progress((index + 1) / len(path))
    sets += window.flush(depth_range_m=ROOM_RANGE)
    return [one for one in sets if one is not None], views


def contenders(network: DepthOf) -> Iterator[Contender]:
    """Give what is compared: exact and noisy depth, the network, each with and without filter."""
    for name, depth_of in (
        ('exact depth', lambda one, view: known(view, view.depth)),
        ('0.3 % noise', lambda one, view: known(view, noisy(view, 0.003, 0.0))),
        ('0.3 % noise, 20 % outliers', lambda one, view: known(view, noisy(view, 0.003, 0.2))),
        ('MVSNet', network),
    ):
        yield Contender(name=name, depth_of=depth_of, settings=FusionSettings())
        yield Contender(name=f'{name}, unfiltered', depth_of=depth_of, settings=UNFILTERED)


def known(view: View, depth: np.ndarray) -> DepthView:
    """Make a map whose every pixel is trusted."""
    return DepthView(
        depth=depth.astype(np.float32),
        confidence=np.ones(depth.shape, np.float32),
        image=view.image,
        camera=view.camera,
        world_from_camera=view.world_from_camera,
    )


def noisy(view: View, sigma_ratio: float, outlier_share: float) -> np.ndarray:
    """Spoil exact depth: relative Gaussian noise, and outliers anywhere within the range."""
    random = np.random.default_rng(round(1e6 * abs(float(view.world_from_camera.sum()))))
    depth = view.depth * (1.0 + sigma_ratio * random.standard_normal(view.depth.shape))
    is_wild = random.random(depth.shape) < outlier_share
    return np.where(is_wild, random.uniform(*ROOM_RANGE, depth.shape), depth)


def fuse(
    contender: Contender, sets: Sequence[ViewSet], views: dict[str, View], truth: np.ndarray
) -> CloudErrors:
    """Fuse all keyframes and measure the cloud."""
    fusion = DepthFusion(contender.settings)
    for one in sets:
        fusion.add(contender.depth_of(one, views[one.reference.name]))
    return cloud_errors(
        fusion.map.points, truth, max_distance_m=MAX_DISTANCE_M, threshold_m=THRESHOLD_M
    )


def cloud_of(view: View) -> np.ndarray:
    """Give the world points of exact depth, (N, 3)."""
    points, _ = points_of_cloud(organised_cloud(view.depth, view.image, view.camera))
    pose = view.world_from_camera
    return points.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]


def accuracy_cells(errors: CloudErrors) -> list[str]:
    """Format one line of the room's table."""
    lengths = (errors.accuracy_m, errors.completeness_m, errors.overall_m)
    shares = (errors.outlier_share, errors.missing_share, errors.f_score)
    cells = [f'{1e3 * length:.1f}' for length in lengths]
    return [*cells, *(f'{100 * share:.1f}' for share in shares), str(errors.num_points)]


def hololens(arguments: argparse.Namespace, *, is_live: bool) -> Record:
    """Run the folder offline and, if wanted, through the node; compare both with the truth."""
    folder = shared_root() / 'data/hololens_mvs'
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        clouds = {'offline': offline_cloud(folder, place / 'out', arguments)}
        views = truth_views(folder)
        sure = [np.load(place / 'out' / f'{view.name}_confidence.npy') for view in views]
        if is_live:
            clouds['node'] = node_cloud(folder, place, arguments)
    figures = {name: cloud_figures(cloud, views, sure) for name, cloud in clouds.items()}
    header = ('hololens', 'mean error %', 'median error %', 'coverage %', 'compared', 'points')
    print(markdown_table(header, [[name, *figure_cells(one)] for name, one in figures.items()]))
    record: Record = {name: asdict(one) for name, one in figures.items()}
    if is_live:
        ways = [
            nearest_distances(clouds[first], clouds[second], max_distance_m=0.02)
            for first, second in (('offline', 'node'), ('node', 'offline'))
        ]
        largest = float(max(way.max() for way in ways))
        print(f'largest distance between the two clouds, both ways: {1e3 * largest:.5f} mm')
        record['largest_distance_m'] = largest
    return record


def offline_cloud(folder: Path, output: Path, arguments: argparse.Namespace) -> np.ndarray:
    """Run the command and give its cloud, (N, 3) metres."""
    words = ['run', 'multiview', folder, '-o', output, '--weights', arguments.weights]
    words += ['--size', arguments.size, '--depths', arguments.depths]
    words += ['--threads', arguments.threads, '--write', '', '--depth-range', *HOLOLENS_RANGE]
    code = depth_ros([str(word) for word in words])
    if code:
        raise SystemExit(code)
    return read_ply(output / 'fused.ply')[0].astype(np.float64)


def node_cloud(folder: Path, place: Path, arguments: argparse.Namespace) -> np.ndarray:
    """Replay the folder through the node and give its cloud, (N, 3) metres."""
    use_private_domain()
    from tests.kit.multiview_replay import replay

    options = {
        'weights': arguments.weights,
        'size': arguments.size,
        'num_depths': arguments.depths,
        'num_threads': arguments.threads,
        'depth.min_m': HOLOLENS_RANGE[0],
        'depth.max_m': HOLOLENS_RANGE[1],
    }
    words = [word for name, value in options.items() for word in ('-p', f'{name}:={value}')]
    os.environ.setdefault('RCUTILS_COLORIZED_OUTPUT', '0')
    found = replay(folder, place, *words)
    print(
        {
            name: found.statistics[name]
            for name in ('keyframes', 'outputs', 'dropped', 'fused_maps')
        }
    )
    return found.points.astype(np.float64)


def figure_cells(figures: CloudFigures) -> list[str]:
    """Format one line of the HoloLens table."""
    shares = (figures.mean_error, figures.median_error, figures.coverage)
    cells = [f'{100 * share:.2f}' for share in shares]
    return [*cells, str(figures.num_compared), str(figures.num_points)]


if __name__ == '__main__':
    main()
