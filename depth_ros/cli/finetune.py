"""``depth-ros finetune``: adapt a network to a rig without ground truth, or roll back."""

from __future__ import annotations

import argparse
import math
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from depth_ros.cli.kit.arguments import add_out, add_pair_arguments
from depth_ros.cli.kit.batch import Tally
from depth_ros.cli.kit.mono_inputs import MonoInputSettings, open_source
from depth_ros.cli.kit.options import add_settings
from depth_ros.cli.kit.progress import never_silent, open_progress, time_text
from depth_ros.cli.kit.sources import FrameItem
from depth_ros.cli.kit.stereo_inputs import add_bag_arguments, open_pairs
from depth_ros.engines.recipe import load_recipe, parse_size
from depth_ros.errors import CalibrationError, InputError, ParameterError, WeightsError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.share import find_share
from depth_ros.models.registry import expect_tunable, shipped_model, tunable_models
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Progress, Task

if TYPE_CHECKING:
    from depth_ros.training.finetune.loop import TuneProgress
    from depth_ros.training.finetune.session import FinetuneSettings, Reporters, Result
    from depth_ros.training.finetune.store import TunedWeights

EXIT_REFUSED = 3
"""Exit code if the new weights are not better; nothing was changed."""

FrameT = TypeVar('FrameT')


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'finetune',
        description='Teach a network your own rig from a recording of it, without truth. New '
        'weights are kept only if they are better on frames that were held out; --rollback takes '
        'them back.',
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument('--bag', type=Path, help='recording of the rig, or of the camera')
    where.add_argument(
        '--folder',
        type=Path,
        help='images: left and right folders in it, or files named so; of a single camera any',
    )
    where.add_argument(
        '--rollback', action='store_true', help='put the weights before the last ones in place'
    )
    _add_tuning_arguments(parser)
    add_pair_arguments(parser, is_required=False)
    add_settings(parser, StereoSettings, title='rig', only=('baseline_m',))
    topics = add_bag_arguments(parser)
    topics.add_argument('--image-topic', default='', help='of a single camera')
    topics.add_argument('--info-topic', default='', help='of a single camera')
    parser.set_defaults(run=run)


def _add_tuning_arguments(parser: argparse.ArgumentParser) -> None:
    usual = shipped_model(Task.STEREO)
    parser.add_argument(
        '--model', default=usual, help=f'one of {", ".join(tunable_models())}; default {usual}'
    )
    parser.add_argument(
        '--weights', type=Path, help='to begin with; default those in use, else the shipped ones'
    )
    add_out(parser, None, 'where weights are kept; default: your own')
    parser.add_argument('--report', type=Path, default=Path('finetune_report.html'))
    parser.add_argument(
        '--size', default='', metavar='HxW', help="size it learns at; default the recipe's"
    )
    parser.add_argument('--minutes', type=float, default=45.0, help='at most, default 45')
    parser.add_argument('--steps', type=int, default=0, help='at most; default: what time allows')
    parser.add_argument('--learning-rate', type=float, default=0.0, help='peak')
    parser.add_argument('--batch-size', type=int, default=2, metavar='N', help='frames a step')
    parser.add_argument(
        '--max-frames', type=int, default=120, metavar='N', help='evenly chosen, default 120'
    )
    parser.add_argument('--threads', type=int, default=0, metavar='N', help='CPU threads of torch')


def run(arguments: Namespace) -> int:
    """Fine-tune or roll back; return the exit code: 3 if the new weights were refused."""
    from depth_ros.training.finetune.store import TunedWeights, tuned_weights

    expect_tunable(arguments.model)
    store = TunedWeights(arguments.out) if arguments.out else tuned_weights(arguments.model)
    if arguments.rollback:
        return _roll_back(store, arguments.model)
    settings = _settings(arguments, store)
    with open_progress() as shown, never_silent(shown, 'reading frames') as progress:
        result = _tune(settings, arguments, store, _reporters(progress))
    return _tell(result, settings, arguments.report)


def _roll_back(store: TunedWeights, model: str) -> int:
    parent = store.parent_in_use()
    path = store.roll_back()
    if path is None:
        print(f'taken back; {model} has no fine-tuned weights now. Before were: {parent}')
    else:
        print(f'taken back; in use are the weights before: {path}')
    return 0


def _settings(arguments: Namespace, store: TunedWeights) -> FinetuneSettings:
    from depth_ros.training.finetune.session import FinetuneSettings

    shipped = find_share(f'weights/{arguments.model}.safetensors')
    in_use = store.path if store.path.is_file() else shipped
    settings = FinetuneSettings(
        model=arguments.model,
        weights=arguments.weights or in_use or Path(),
        size=parse_size(arguments.size) if arguments.size else _default_size(arguments.model),
        minutes=arguments.minutes,
        steps=arguments.steps,
        learning_rate=arguments.learning_rate,
        batch_size=arguments.batch_size,
        max_frames=arguments.max_frames,
        baseline_m=arguments.baseline_m or 0.0,
        threads=arguments.threads,
    )
    if settings.weights == Path():
        raise WeightsError(
            f'there are no weights of {arguments.model} to begin with; add --weights FILE, or '
            'see: depth-ros weights list'
        )
    return settings


def _tune(
    settings: FinetuneSettings, arguments: Namespace, store: TunedWeights, reporters: Reporters
) -> Result:
    from depth_ros.training.finetune.session import finetune_mono, finetune_stereo

    tally = Tally()
    place = arguments.bag or arguments.folder
    if arguments.bag is not None and not is_bag(arguments.bag):
        raise InputError('bag', f'{arguments.bag} is no bag; give images with --folder')
    where = {'report': arguments.report, 'source': place.name}
    if settings.is_mono:
        images = open_source(_mono_settings(arguments, place), tally.refuse)
        frames = _frames(images, tally)
        return finetune_mono(settings, frames, store, reporters, count=images.count, **where)
    pairs = open_pairs(_pair_arguments(arguments, place), tally.refuse)
    chosen = _chosen(pairs, pairs.count, settings.max_frames)
    return finetune_stereo(settings, _frames(chosen, tally), store, reporters, **where)


def _default_size(model: str) -> tuple[int, int]:
    """Return the size the model's engines have unless another one is asked for."""
    return load_recipe(model).size


def _pair_arguments(arguments: Namespace, place: Path) -> Namespace:
    """Return what ``open_pairs`` reads."""
    left, right = place, None
    if arguments.folder is not None:
        sides = [place / 'left', place / 'right']
        left, right = sides if all(side.is_dir() for side in sides) else (place, place)
    return Namespace(**{**vars(arguments), 'left': left, 'right': right})


def _mono_settings(arguments: Namespace, place: Path) -> MonoInputSettings:
    if not is_bag(place) and not arguments.calibration:
        raise ParameterError('image files need a calibration: add --calibration FILE')
    return MonoInputSettings(
        path=place,
        calibration=arguments.calibration[0] if arguments.calibration else None,
        focal_length_px=0.0,
        is_rectified=arguments.is_rectified,
        is_scaled=arguments.scale_calibration,
        image_topic=arguments.image_topic,
        info_topic=arguments.info_topic,
        reference=None,
        needs_camera=True,
    )


def _chosen(
    items: Iterable[FrameItem[FrameT]], count: int, wanted: int
) -> Iterator[FrameItem[FrameT]]:
    """Return ``wanted`` items or fewer, evenly spread over all."""
    for index, item in enumerate(items):
        if count <= wanted or index * wanted // count != (index - 1) * wanted // count:
            yield item


def _frames(items: Iterable[FrameItem[FrameT]], tally: Tally) -> Iterator[FrameT]:
    """Read the frames; unusable ones are reported and skipped."""
    for item in items:
        try:
            frame = item.frame()
        except CalibrationError:
            raise
        except InputError as error:
            tally.refuse(error.reason, f'{item.name}: {error}')
            continue
        yield frame


def _reporters(progress: Progress) -> Reporters:
    from depth_ros.training.finetune.session import Reporters

    def tuning(found: TuneProgress) -> None:
        left = time_text(found.left_s)
        progress(
            f'step {found.step}, best {100.0 * found.gain:+.1f} %, at most {left} left',
            found.share,
        )

    return Reporters(preparing=progress, tuning=tuning)


def _tell(result: Result, settings: FinetuneSettings, report: Path) -> int:
    """Print figures and verdict, and what to type next."""
    before, after = result.outcome.before, result.outcome.after
    for name in ('photometric', 'consistency', 'sharpness', 'label_error'):
        old, new = getattr(before, name), getattr(after, name)
        if math.isfinite(old) and math.isfinite(new):
            print(f'{name:<12} {old:.4f} -> {new:.4f}')
    print(f'report: {report}')
    if result.path is None:
        verdict = f'the new weights are refused: {result.verdict.objection}'
        print(f'depth-ros: {verdict}; {settings.weights} stay in use', file=sys.stderr)
        return EXIT_REFUSED
    if result.error_factor is not None:
        print(f'told error   times {result.error_factor:.3f}, on pairs held out')
    task = 'mono' if settings.is_mono else 'stereo'
    print(f'kept, {100.0 * result.verdict.gain:+.1f} %: {result.path}; go on with:')
    print(f'depth-ros run {task} ... --model {settings.model} --weights {result.path}')
    return 0
