"""Arguments that the actions share: calibration files, and what some formats do not state."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from depth_ros.errors import ParameterError
from depth_ros.files.image import SUFFIXES

ImageSize = tuple[int, int]


def add_files(parser: argparse.ArgumentParser, text: str) -> None:
    """Add FILE..., ``--size`` and ``--alpha``."""
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE', help=text)
    parser.add_argument(
        '--size',
        type=image_size,
        default=None,
        metavar='WIDTHxHEIGHT',
        help='of the images, for files that do not state it',
    )
    parser.add_argument(
        '--alpha',
        type=share,
        default=0.0,
        help='where R and P are computed: 0 shows only valid pixels (default), 1 keeps all',
    )


def image_size(text: str) -> ImageSize:
    """Read ``640x480`` as (height, width)."""
    found = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
    if found is None:
        raise argparse.ArgumentTypeError(f'a size is WIDTHxHEIGHT as 640x480, got {text!r}')
    return int(found[2]), int(found[1])


def share(text: str) -> float:
    """Read a number of 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f'alpha is 0 to 1, got {text!r}')
    return value


def split_files(files: list[Path]) -> tuple[list[Path], tuple[Path, Path] | None]:
    """Tell calibration files from the two images behind them.

    Raises:
        ParameterError: If there is one image, or no calibration.
    """
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    others = [path for path in files if path not in images]
    if len(images) not in (0, 2) or not others:
        raise ParameterError(
            f'give a calibration (one file, two, or a folder) and no image or a left and a right '
            f'one, got {len(others)} and {len(images)} images'
        )
    return others, (images[0], images[1]) if images else None
