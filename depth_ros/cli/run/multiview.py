"""``depth-ros run multiview``: posed images to depth maps and one coloured cloud."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from depth_ros import __version__
from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.options import add_settings, given_values, read_settings
from depth_ros.cli.kit.outputs import (
    SUMMARY,
    Record,
    add_output_arguments,
    chosen_kinds,
    file_identity,
)
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.tables import counted
from depth_ros.cli.kit.versions import installed_versions
from depth_ros.cli.run.multiview_outputs import KINDS, MapFolder
from depth_ros.cli.run.multiview_plan import FolderPlan
from depth_ros.cli.run.multiview_runner import ReferenceRunner, ViewTally, run_plan
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.cloud import cloud_writer
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.files.posed.values import PosedFolder
from depth_ros.files.whole_file import write_json
from depth_ros.settings import SettingValue, settings_of, values_of
from depth_ros.tasks.multiview.fusion import DepthFusion
from depth_ros.tasks.multiview.keyframes import DepthRange
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings, SequenceSettings
from depth_ros.tasks.multiview.view_selection import typical_depth

CLOUD = 'fused.ply'
UNITS = {'m': 1.0, 'mm': 0.001}
VOXEL_TO_DEPTH = 0.01


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros run``."""
    parser = tasks.add_parser(
        'multiview',
        description='Turn posed images into depth maps and one cloud. FOLDER has the layout of '
        'MVSNet (cams/, pair.txt), COLMAP (cameras, images, points3D) or plain matrices '
        '(poses.txt, K.txt); references that are done already are skipped.',
    )
    parser.add_argument('folder', type=Path, metavar='FOLDER')
    add_output_arguments(parser, KINDS, task='multiview', files='files beside the .npy maps')
    add_settings(parser, SequenceSettings, title='multiview', without=('min_confidence',))
    _add_view_arguments(parser)
    parser.set_defaults(run=run_multiview)


def _add_view_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('views')
    group.add_argument(
        '--depth-range',
        nargs=2,
        type=float,
        metavar=('MIN_M', 'MAX_M'),
        help="nearest and farthest depth; default the folder's, else 0.5 10",
    )
    group.add_argument(
        '--unit', choices=tuple(UNITS), help='lengths of an MVSNet folder, default m'
    )
    group.add_argument('--pycolmap', action='store_true', help='read a COLMAP model with pycolmap')
    group.add_argument('--cloud', default=CLOUD, metavar='NAME', help='.ply or .pcd')
    group.add_argument(
        '--static', action='store_true', help='nothing moves: do not look through the cloud'
    )


def run_multiview(arguments: argparse.Namespace) -> int:
    """Run a folder; return the exit code: 2 if a view was refused or the cloud is empty."""
    depth_range_m = _depth_range(arguments)
    kinds = chosen_kinds(arguments, KINDS, is_required=False)
    decided = _decided(arguments)
    read_settings(SequenceSettings, arguments, decided)  # mistakes are reported before work begins
    folder = read_posed_folder(
        arguments.folder, unit_m=UNITS[arguments.unit or 'm'], use_pycolmap=arguments.pycolmap
    )
    if arguments.unit and folder.layout != 'mvsnet':
        raise ParameterError(_no_unit(arguments, folder))
    if not folder.views:
        raise folder.refused[0][1] if folder.refused else _no_views(arguments.folder)
    if 'fusion.voxel_size_m' not in given_values(SequenceSettings, arguments):
        decided.update(_voxel_size(folder, depth_range_m))
    settings = read_settings(SequenceSettings, arguments, decided)
    plan = FolderPlan(
        folder,
        settings.keyframes,
        depth_range_m=depth_range_m,
        has_own_range=arguments.depth_range is not None,
    )
    cloud = arguments.out / arguments.cloud
    write_cloud = cloud_writer(cloud)
    maps = MapFolder(arguments.out, kinds, {**_identity(settings), 'range': str(arguments.range)})
    with (
        open_progress() as progress,
        ReferenceRunner(settings, maps, progress, open_processor=open_multiview) as runner,
    ):
        tally = run_plan(plan, runner, DepthFusion(settings.fusion), is_again=arguments.overwrite)
    write_cloud(cloud, tally.fusion.map.points, tally.fusion.map.colors)
    summary = _summary(tally, settings, folder, plan)
    write_json(arguments.out / SUMMARY, summary)
    _tell(summary, cloud, folder)
    _tell_missing(summary, plan)
    if not len(tally.fusion.map):
        warn(_no_points(cloud))
        return EXIT_FAILED
    return EXIT_FAILED if plan.refused or tally.refused else 0


def _no_views(folder: Path) -> InputError:
    return InputError('views', f'{folder} has no posed image; register some first')


def _no_unit(arguments: argparse.Namespace, folder: PosedFolder) -> str:
    has = 'metres' if folder.is_metric else "the model's own unit, which nobody knows in metres"
    return (
        f'--unit {arguments.unit} changes nothing of {arguments.folder}: its layout is '
        f'{folder.layout}, with lengths in {has}; leave it out'
    )


def _no_points(cloud: Path) -> str:
    return (
        f'no point in {cloud}: no depth was found alike in enough views; check --depth-range, '
        'lower --fusion-min-views or give more views'
    )


def _decided(arguments: argparse.Namespace) -> dict[str, SettingValue]:
    """Derive settings that follow from other options."""
    given, defaults = given_values(SequenceSettings, arguments), values_of(SequenceSettings())

    def value(name: str) -> int:
        return int(given.get(name, defaults[name]))

    sources = value('num_sources')
    decided: dict[str, SettingValue] = {
        'min_sources': min(value('min_sources'), sources),
        'window': max(value('window'), 2 * sources),
        'fusion.window': max(value('fusion.window'), value('fusion.min_views')),
    }
    return {**decided, 'fusion.see_through_ratio': 1.0} if arguments.static else decided


def _voxel_size(folder: PosedFolder, depth_range_m: DepthRange) -> dict[str, SettingValue]:
    """Return the voxel size of a model without metres, by the name of its setting."""
    if folder.is_metric:
        return {}
    ranges = [view.depth_range_m or depth_range_m for view in folder.views]
    size = VOXEL_TO_DEPTH * float(np.median([typical_depth(one) for one in ranges]))
    return {'fusion.voxel_size_m': size}


def _depth_range(arguments: argparse.Namespace) -> DepthRange:
    near, far = arguments.depth_range or (0.5, 10.0)
    if not 0.0 < near < far < np.inf:
        raise ParameterError(
            f'--depth-range takes 0 < MIN_M < MAX_M, got {near:g} {far:g}; set both to the '
            'nearest and farthest depth of the scene'
        )
    return near, far


def _identity(settings: SequenceSettings) -> Record:
    """Return what maps depend on besides views, to detect outdated ones."""
    values, weights = values_of(settings), settings.engine.weights
    names = [setting.name for setting in settings_of(MultiViewSettings)]
    is_file = bool(weights) and Path(weights).is_file()
    return {
        'version': __version__,
        'settings': {name: values[name] for name in names},
        'weights': file_identity(Path(weights)) if is_file else weights,
    }


def _summary(
    tally: ViewTally, settings: SequenceSettings, folder: PosedFolder, plan: FolderPlan
) -> Record:
    refused = tally.refused + Counter(error.reason for _, error in plan.refused)
    cloud = tally.fusion.map
    return {
        'task': 'multiview',
        'model': settings.model,
        'layout': folder.layout,
        'is_metric': folder.is_metric,
        'views': len(folder.views) + len(folder.refused),
        'outputs': len(tally.records) - tally.skipped,
        'skipped': tally.skipped,
        'refused': dict(refused),
        'seconds': round(tally.seconds, 3),
        'cloud': {
            'points': len(cloud),
            'evicted': cloud.num_evicted,
            'seen_through': cloud.num_removed,
        },
        'versions': installed_versions(),
        'references': [
            {key: value for key, value in record.items() if key != 'made_from'}
            for record in tally.records
        ],
    }


def _tell(summary: Record, cloud: Path, folder: PosedFolder) -> None:
    points = summary['cloud']
    assert isinstance(points, dict)
    unit = 'metres' if folder.is_metric else "the model's own unit, not metres"
    print(
        f'{summary["outputs"]} depth maps done, {summary["skipped"]} done before, out of '
        f'{summary["views"]} views; {points["points"]} points in {cloud} ({unit}), summary in '
        f'{cloud.parent / SUMMARY}'
    )


def _tell_missing(summary: Record, plan: FolderPlan) -> None:
    """Say why views of a sequence have no map of their own; refused ones were reported."""
    references, refused = summary['references'], summary['refused']
    assert isinstance(references, list) and isinstance(refused, dict)
    num_alone = len(plan.folder.views) - len(references) - plan.num_near
    num_alone -= sum(refused.values()) - len(plan.folder.refused)
    if plan.num_near:
        views = 'view is' if plan.num_near == 1 else 'views are'
        print(f'  {plan.num_near} {views} too near the one before (--keyframe-min-baseline-ratio)')
    if num_alone > 0:
        have = 'has' if num_alone == 1 else 'have'
        print(
            f'  {counted(num_alone, "keyframe")} {have} fewer than --min-sources others around '
            f'{"it" if num_alone == 1 else "them"}'
        )
