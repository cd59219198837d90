"""Arguments that several commands share and that are no settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from depth_ros.cli.kit.options import given_values, split_assignment
from depth_ros.errors import ParameterError
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import OptionValue


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


def expect_sgbm_settings_used(arguments: argparse.Namespace, models: Sequence[str]) -> None:
    """Refuse settings of the classical matcher where none runs: they would change nothing.

    Raises:
        ParameterError: Naming what to add.
    """
    names = given_values(StereoSettings, arguments)
    if 'sgbm' not in models and any(name.startswith('sgbm.') for name in names):
        raise ParameterError(
            f'--sgbm sets the model sgbm, but what runs is {", ".join(models)}; add --model sgbm '
            'or leave --sgbm out'
        )


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
