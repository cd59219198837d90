"""``depth-ros run multiview``: posed images to depth maps and one coloured cloud."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from depth_ros import __version__
from depth_ros.cli.kit.arguments import (
    add_engine_arguments,
    add_runtime_arguments,
    engine_choice,
)
from depth_ros.cli.kit.command_parser import EXIT_FAILED
from depth_ros.cli.kit.outputs import Record, add_output_arguments, chosen_kinds, file_identity
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.versions import installed_versions
from depth_ros.cli.run.multiview_outputs import KINDS, MapFolder
from depth_ros.cli.run.multiview_plan import FolderPlan
from depth_ros.cli.run.multiview_runner import ReferenceRunner, ViewTally, run_plan
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.cloud import cloud_writer
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.files.posed.values import PosedFolder
from depth_ros.files.whole_file import write_json
from depth_ros.geometry.consistency import ConsistencySettings
from depth_ros.models.registry import DEFAULT_MODELS
from depth_ros.tasks.multiview.fusion import DepthFusion, FusionSettings
from depth_ros.tasks.multiview.keyframes import DepthRange, KeyframeSettings, ReferenceChoice
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.multiview.view_selection import ViewPolicy, typical_depth
from depth_ros.tasks.multiview.voxel_map import VoxelSettings
from depth_ros.tensors import Task

SUMMARY = 'summary.json'
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
    add_output_arguments(parser, KINDS, files='files beside the .npy maps')
    default = DEFAULT_MODELS[Task.MULTIVIEW]
    parser.add_argument('--model', default=default, help=f'default {default}')
    add_runtime_arguments(parser)
    add_engine_arguments(parser)
    _add_view_arguments(parser)
    _add_fusion_arguments(parser)
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
    group.add_argument('--depths', type=int, default=0, metavar='N', help='depth hypotheses')
    group.add_argument('--sources', type=int, default=4, metavar='N', help='source views, 4')
    group.add_argument('--min-sources', type=int, default=2, metavar='N', help='fewest, 2')
    group.add_argument(
        '--sampling', default='linear', choices=('linear', 'inverse'), help='of the hypotheses'
    )
    group.add_argument(
        '--unit', default='m', choices=tuple(UNITS), help='lengths of an MVSNet folder'
    )
    group.add_argument('--pycolmap', action='store_true', help='read a COLMAP model with pycolmap')
    group.add_argument(
        '--reference',
        default='middle',
        choices=[choice.value for choice in ReferenceChoice],
        help='which keyframe of a sequence gets its depth',
    )
    group.add_argument(
        '--keyframe-baseline',
        type=float,
        default=ViewPolicy().min_baseline_ratio,
        metavar='RATIO',
        help='way between keyframes of a sequence, over the typical depth',
    )


def _add_fusion_arguments(parser: argparse.ArgumentParser) -> None:
    rules, fusion = ConsistencySettings(), FusionSettings()
    group = parser.add_argument_group('fusion')
    group.add_argument('--cloud', default=CLOUD, metavar='NAME', help='.ply or .pcd')
    group.add_argument('--min-confidence', type=float, default=rules.min_confidence)
    group.add_argument('--max-reprojection-px', type=float, default=rules.max_reprojection_px)
    group.add_argument('--max-depth-ratio', type=float, default=rules.max_depth_ratio)
    group.add_argument('--min-views', type=int, default=rules.min_views)
    group.add_argument(
        '--voxel-size-m',
        type=float,
        help=f'default {fusion.voxels.voxel_size_m:g}; where lengths are not metres, '
        f'{VOXEL_TO_DEPTH:g} of the typical depth',
    )
    group.add_argument('--max-voxels', type=int, default=fusion.voxels.max_voxels)
    group.add_argument('--stride', type=int, default=fusion.stride, help='pixels a point')
    group.add_argument(
        '--static', action='store_true', help='nothing moves: do not look through the cloud'
    )


def run_multiview(arguments: argparse.Namespace) -> int:
    """Run a folder; give the exit code: 2 if a view was refused."""
    settings, depth_range_m = _model_settings(arguments), _depth_range(arguments)
    keyframes = _keyframe_settings(arguments)
    kinds = chosen_kinds(arguments.write, KINDS, is_required=False)
    folder = read_posed_folder(
        arguments.folder, unit_m=UNITS[arguments.unit], use_pycolmap=arguments.pycolmap
    )
    if not folder.views:
        raise folder.refused[0][1] if folder.refused else _no_views(arguments.folder)
    fusion = _fusion_settings(arguments, folder)
    plan = FolderPlan(
        folder,
        keyframes,
        depth_range_m=depth_range_m,
        has_own_range=arguments.depth_range is not None,
    )
    cloud = arguments.output / arguments.cloud
    write_cloud = cloud_writer(cloud)
    maps = MapFolder(arguments.output, kinds, _identity(settings))
    with (
        open_progress() as progress,
        ReferenceRunner(settings, maps, progress, open_processor=open_multiview) as runner,
    ):
        tally = run_plan(plan, runner, DepthFusion(fusion), is_again=arguments.overwrite)
    write_cloud(cloud, tally.fusion.map.points, tally.fusion.map.colors)
    summary = _summary(tally, settings, folder, plan)
    write_json(arguments.output / SUMMARY, summary)
    _tell(summary, cloud, folder)
    return EXIT_FAILED if plan.refused or tally.refused else 0


def _no_views(folder: Path) -> InputError:
    return InputError('views', f'{folder} has no posed image; register some first')


def _model_settings(arguments: argparse.Namespace) -> MultiViewSettings:
    """Read parsed arguments; raises as ``engine_choice``."""
    return MultiViewSettings(
        model=arguments.model,
        **engine_choice(arguments),
        num_depths=arguments.depths,
        num_sources=arguments.sources,
        sampling=arguments.sampling,
    )


def _keyframe_settings(arguments: argparse.Namespace) -> KeyframeSettings:
    return KeyframeSettings(
        policy=ViewPolicy(min_baseline_ratio=arguments.keyframe_baseline),
        num_sources=arguments.sources,
        min_sources=min(arguments.min_sources, arguments.sources),
        window=max(KeyframeSettings().window, 2 * arguments.sources),
        reference=ReferenceChoice(arguments.reference),
    )


def _fusion_settings(arguments: argparse.Namespace, folder: PosedFolder) -> FusionSettings:
    size = arguments.voxel_size_m
    size = _voxel_size(folder, _depth_range(arguments)) if size is None else size
    return FusionSettings(
        consistency=ConsistencySettings(
            max_reprojection_px=arguments.max_reprojection_px,
            max_depth_ratio=arguments.max_depth_ratio,
            min_views=arguments.min_views,
            min_confidence=arguments.min_confidence,
        ),
        voxels=VoxelSettings(voxel_size_m=size, max_voxels=arguments.max_voxels),
        window=max(FusionSettings().window, arguments.min_views),
        stride=arguments.stride,
        see_through_ratio=1.0 if arguments.static else FusionSettings().see_through_ratio,
    )


def _voxel_size(folder: PosedFolder, depth_range_m: DepthRange) -> float:
    """Return the edge of a voxel; a model without metres has a size of its own."""
    if folder.is_metric:
        return FusionSettings().voxels.voxel_size_m
    ranges = [view.depth_range_m or depth_range_m for view in folder.views]
    return VOXEL_TO_DEPTH * float(np.median([typical_depth(one) for one in ranges]))


def _depth_range(arguments: argparse.Namespace) -> DepthRange:
    near, far = arguments.depth_range or (0.5, 10.0)
    if not 0.0 < near < far < np.inf:
        raise ParameterError(
            f'--depth-range takes 0 < MIN_M < MAX_M, got {near:g} {far:g}; set both to the '
            'nearest and farthest depth of the scene'
        )
    return near, far


def _identity(settings: MultiViewSettings) -> Record:
    """Return what maps depend on besides views, to see which are still good."""
    weights = Path(settings.weights)
    is_file = bool(settings.weights) and weights.is_file()
    return {
        'version': __version__,
        'settings': repr(settings),
        'weights': file_identity(weights) if is_file else settings.weights,
    }


def _summary(
    tally: ViewTally, settings: MultiViewSettings, folder: PosedFolder, plan: FolderPlan
) -> Record:
    refused = tally.refused + Counter(error.reason for _, error in plan.refused)
    cloud = tally.fusion.map
    return {
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
    """Print what is where."""
    points = summary['cloud']
    assert isinstance(points, dict)
    unit = 'metres' if folder.is_metric else "the model's own unit, not metres"
    print(
        f'{summary["outputs"]} depth maps done, {summary["skipped"]} done before, out of '
        f'{summary["views"]} views; {points["points"]} points in {cloud} ({unit}), summary in '
        f'{cloud.parent / SUMMARY}'
    )
