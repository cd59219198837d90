"""Arguments that several commands share, and their way into ``StereoSettings``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path

from depth_ros.engines.recipe import parse_size
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.engines.tensorrt.options import OPTION, OPTION_NAMES, gpu_options
from depth_ros.errors import EngineError, ParameterError
from depth_ros.models.registry import models_of
from depth_ros.models.sgbm.settings import SgbmMode, SgbmSettings
from depth_ros.tasks.networks import EngineChoice
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import OptionValue, Task


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a model's engine: size, precision, weights, threads."""
    group = parser.add_argument_group('engine')
    group.add_argument('--preset', default='', help="named size of the recipe, e.g. 'accurate'")
    group.add_argument(
        '--size', default='', metavar='HxW', help='size of the engine, e.g. 480x640'
    )
    group.add_argument(
        '--weights', default='', metavar='FILE', help='checkpoint, export or folder of exports'
    )
    group.add_argument(
        '--threads', type=int, default=0, metavar='N', help='CPU threads; 0 lets the engine choose'
    )
    group.add_argument(
        OPTION,
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help=f'option of TensorRT builds, repeatable: {", ".join(OPTION_NAMES)}',
    )


def add_runtime_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one runtime and its arithmetic; see ``engine_choice``."""
    parser.add_argument('--engine', default='auto', help='runtime, default auto')
    parser.add_argument('--precision', default='f32', help='f32 (default), bf16, f16, or auto')


def add_stereo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``stereo_settings`` reads, the choice of model and engine left out."""
    add_engine_arguments(parser)
    group = parser.add_argument_group('stereo')
    group.add_argument('--iterations', type=int, default=0, metavar='N', help='update steps')
    group.add_argument('--stages', type=int, default=0, metavar='N', help='coarse-to-fine passes')
    group.add_argument(
        '--min-depth-m', type=float, default=0.0, metavar='M', help='nearer is "too close"'
    )
    group.add_argument(
        '--max-depth-m',
        type=float,
        default=math.inf,
        metavar='M',
        help='farther is "out of range"',
    )
    group.add_argument(
        '--left-right-check', action='store_true', help='match both ways, drop what disagrees'
    )
    group.add_argument(
        '--speckle-size-px', type=int, default=0, metavar='N', help='drop islands up to N pixels'
    )
    group.add_argument(
        '--fill-holes', action='store_true', help='fill unknown pixels from the background'
    )
    group.add_argument(
        '--sgbm',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='setting of the sgbm model, repeatable, e.g. num_disparities=192',
    )


def add_pair_arguments(parser: argparse.ArgumentParser, *, is_required: bool) -> None:
    """Add the calibration and how the images relate to it."""
    parser.add_argument(
        '--calibration',
        nargs='+',
        type=Path,
        required=is_required,
        metavar='FILE',
        help='ROS left.yaml [right.yaml] or their folder, stereodemo JSON, Middlebury or KITTI '
        'calib.txt',
    )
    parser.add_argument(
        '--baseline-m', type=float, default=0.0, metavar='M', help='where the calibration has none'
    )
    parser.add_argument(
        '--scale-calibration', action='store_true', help='the images are resized: scale it to them'
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--rectified',
        dest='is_rectified',
        action='store_true',
        default=None,
        help='images are rectified (default unless the calibration is ROS YAML)',
    )
    how.add_argument(
        '--raw',
        dest='is_rectified',
        action='store_false',
        default=None,
        help='images are as the cameras gave them (default for ROS YAML)',
    )


def stereo_settings(
    arguments: argparse.Namespace, *, model: str, engine: str, precision: str
) -> StereoSettings:
    """Read parsed arguments.

    Raises:
        ParameterError: If a value is not allowed.
        EngineError: If there is no such runtime.
        RecipeError: If the size is not ``HEIGHTxWIDTH``.
    """
    stereo_models = models_of(Task.STEREO)
    if model not in stereo_models:
        raise ParameterError(
            f'there is no stereo model {model!r}; use one of: {", ".join(stereo_models)}'
        )
    return StereoSettings(
        model=model,
        **engine_choice(arguments, engine=engine, precision=precision),
        iterations=arguments.iterations,
        stages=arguments.stages,
        baseline_m=arguments.baseline_m,
        min_depth_m=arguments.min_depth_m,
        max_depth_m=arguments.max_depth_m,
        left_right_check=arguments.left_right_check,
        speckle_size_px=arguments.speckle_size_px,
        fill_holes=arguments.fill_holes,
        sgbm=sgbm_settings(arguments.sgbm),
    )


def engine_choice(
    arguments: argparse.Namespace, *, engine: str = '', precision: str = ''
) -> EngineChoice:
    """Read what ``add_runtime_arguments`` and ``add_engine_arguments`` added.

    Args:
        arguments: Parsed arguments.
        engine: Runtime instead of the arguments', which then need none.
        precision: The same of the precision.

    Raises:
        EngineError: If there is no such runtime.
        RecipeError: If the size is not ``HEIGHTxWIDTH``.
    """
    return {
        'engine': check_engine(engine or arguments.engine),
        'precision': precision or arguments.precision,
        'preset': arguments.preset,
        'size': parse_size(arguments.size) if arguments.size else None,
        'weights': arguments.weights,
        'num_threads': arguments.threads,
        'tensorrt': tensorrt_words(arguments),
    }


def tensorrt_words(arguments: argparse.Namespace) -> str:
    """Read the options of TensorRT builds.

    Raises:
        EngineError: If one is unknown or its value not allowed.
    """
    words = ' '.join(arguments.tensorrt)
    gpu_options(words)
    return words


def check_engine(name: str, *, also: str = 'auto') -> str:
    """Require the name of a runtime before anything slow begins.

    Args:
        name: What was given.
        also: The one other word allowed.

    Raises:
        EngineError: If there is no such runtime.
    """
    if name not in (also, *RUNTIMES):
        known = ', '.join(filter(None, [also, *RUNTIMES]))
        raise EngineError(f'there is no engine {name!r}; use one of: {known}')
    return name


def expect_sgbm_settings_used(arguments: argparse.Namespace, models: Sequence[str]) -> None:
    """Refuse ``--sgbm`` where no model is the classical matcher: it would change nothing.

    Raises:
        ParameterError: Naming what to add.
    """
    if arguments.sgbm and 'sgbm' not in models:
        raise ParameterError(
            f'--sgbm sets the model sgbm, but what runs is {", ".join(models)}; add --model sgbm '
            'or leave --sgbm out'
        )


def sgbm_settings(words: Sequence[str]) -> SgbmSettings:
    """Read ``name=value`` words into settings of the classical matcher.

    Raises:
        ParameterError: If a name is unknown or a value not allowed.
    """
    defaults = SgbmSettings()
    known = {field.name: getattr(defaults, field.name) for field in fields(SgbmSettings)}
    values: dict[str, object] = {}
    for word in words:
        name, text = split_assignment(word)
        if name not in known:
            raise ParameterError(f'sgbm has no setting {name!r}; use one of: {", ".join(known)}')
        values[name] = _sgbm_value(name, text, known[name])
    return SgbmSettings(**values)  # type: ignore[arg-type]


def assigned_numbers(
    words: Sequence[str], defaults: Mapping[str, int | float], *, what: str
) -> dict[str, int | float]:
    """Read ``name=value`` words, each of its default's type; an int serves as a float.

    Args:
        words: What was typed.
        defaults: Every allowed name and its default.
        what: What they are settings of, for errors.

    Raises:
        ParameterError: If a name is unknown or a value is not a number of its type.
    """
    values: dict[str, int | float] = {}
    for word in words:
        name, text = split_assignment(word)
        if name not in defaults:
            known = ', '.join(defaults)
            raise ParameterError(f'{what} has no setting {name!r}; use one of: {known}')
        kind, value = type(defaults[name]), scalar(text)
        if isinstance(value, (bool, str)) or (kind is int and not isinstance(value, int)):
            raise ParameterError(
                f'{what} {name} must be {kind.__name__}, got {text!r}; correct it'
            )
        values[name] = kind(value)
    return values


def split_assignment(word: str) -> tuple[str, str]:
    """Split ``name=value``.

    Raises:
        ParameterError: If it is not of that form.
    """
    name, equals, text = word.partition('=')
    if not (name and equals and text):
        raise ParameterError(f'expected NAME=VALUE, got {word!r}; write it so')
    return name, text


def parse_options(words: Sequence[str]) -> dict[str, OptionValue]:
    """Read ``name=value`` words; the recipe checks names and values."""
    return {name: scalar(text) for name, text in map(split_assignment, words)}


def scalar(text: str) -> OptionValue:
    """Read a number or ``true``/``false`` where the text is one, else leave the text."""
    if text in ('true', 'false'):
        return text == 'true'
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _sgbm_value(name: str, text: str, default: object) -> object:
    """Read a value of the default's type."""
    if isinstance(default, Enum):
        modes = {mode.value: mode for mode in SgbmMode}
        if text not in modes:
            raise ParameterError(
                f'sgbm {name} must be one of {", ".join(modes)}, got {text!r}; choose one'
            )
        return modes[text]
    value = scalar(text)
    if type(value) is not type(default):
        kind = type(default).__name__
        raise ParameterError(f'sgbm {name} must be {kind}, got {text!r}; correct it')
    return value
