"""Arguments that several commands share and that are no settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from depth_ros.cli.kit.options import Renamed, given_values, option_of, split_assignment
from depth_ros.errors import ParameterError
from depth_ros.models.registry import model_entry, models_of
from depth_ros.settings import Setting, settings_of
from depth_ros.tensors import OptionValue, Task


def add_pair_arguments(parser: argparse.ArgumentParser, *, is_required: bool) -> None:
    """Add the calibration and how the images relate to it."""
    parser.add_argument(
        '--calibration',
        nargs='+',
        type=Path,
        required=is_required,
        metavar='FILE',
        help='left.yaml [right.yaml], their folder, or another format of docs/calibration.md',
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
        help='images are rectified (default as the format of the calibration says)',
    )
    how.add_argument(
        '--raw',
        dest='is_rectified',
        action='store_false',
        default=None,
        help='images are as the cameras gave them',
    )


def add_out(parser: argparse._ActionsContainer, default: Path | None, text: str = '') -> None:
    """Add ``-o/--out``, the folder that a command writes into; a file there is refused."""
    shown = [text] if text else []
    shown += [f'default {default}'] if default else []
    parser.add_argument(
        '-o', '--out', type=_folder, default=default, metavar='FOLDER', help='; '.join(shown)
    )
    parser.add_argument('--output', action=Renamed, const='--out', help=argparse.SUPPRESS)


def _folder(text: str) -> Path:
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f'{path} is a file, and results need a folder')
    return path


def expect_settings_used(
    kind: type, arguments: argparse.Namespace, task: Task, models: Sequence[str]
) -> None:
    """Refuse what was typed for other models than those that run: it would change nothing.

    Raises:
        ParameterError: Naming the option, and a model that it is for.
    """
    settings = {setting.name: setting for setting in settings_of(kind)}
    usual = settings['model'].default if 'model' in settings else None
    for name in given_values(kind, arguments):
        takers = [model for model in models_of(task) if _takes(model, task, settings[name])]
        if models and not set(models) & set(takers):
            option = option_of(settings[name])
            raise ParameterError(
                f'{option} changes nothing of {", ".join(models)}, which runs; leave it out, or '
                f'add --model {_first_to_run(takers, usual, task)}'
            )


def _first_to_run(names: Sequence[str], usual: object, task: Task) -> str:
    """Return the first model, or the usual one where the first has no weights as installed."""
    entry = model_entry(names[0], task)
    is_ready = entry.ships_weights or not entry.needs_weights
    return names[0] if is_ready or usual not in names else str(usual)


def _takes(model: str, task: Task, setting: Setting) -> bool:
    """Whether a setting of a task changes what a model of it does."""
    group = setting.name.partition('.')[0]
    if group in _own_settings(model, task):
        return True
    if any(group in _own_settings(other, task) for other in models_of(task)):
        return False
    needs_engine = setting.opens_engine and setting.name != 'model'
    return not needs_engine or model_entry(model, task).needs_weights


def _own_settings(model: str, task: Task) -> set[str]:
    """Return the settings, or groups of them, that a model takes or reads."""
    service = model_entry(model, task).services[task]
    sources = (text.partition('.') for text in service.arguments.values())
    return {name for kind, _, name in sources if kind == 'settings'} | set(service.reads)


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
