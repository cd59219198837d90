"""Output files of ``depth-ros run stereo``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.cli.kit.outputs import OutputKind, metric_kinds
from depth_ros.pictures.panels import Scale, stereo_panel, write_picture
from depth_ros.results import DepthResult
from depth_ros.tasks.stereo.processor import StereoOutput


def _write_disparity(path: Path, output: StereoOutput, title: str) -> None:
    np.save(path, output.disparity.disparity)


def _write_picture(
    path: Path, output: StereoOutput, title: str, *, depth_scale: Scale | None = None
) -> None:
    panel = stereo_panel(
        left=output.rectified.left,
        disparity=output.disparity.disparity,
        depth=None if output.depth is None else output.depth.depth,
        title=title,
        depth_scale=depth_scale,
    )
    write_picture(path, panel)


def _depth(output: StereoOutput) -> DepthResult | None:
    return output.depth


_METRIC = metric_kinds(_depth, lambda output: output.rectified.left)
KINDS: dict[str, OutputKind[StereoOutput]] = {
    'depth': _METRIC['depth'],
    'png': _METRIC['png'],
    'disparity': OutputKind(
        suffix='_disparity.npy', write=_write_disparity, summary='float32 pixels; NaN unknown'
    ),
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='left, disparity and depth'
    ),
    'cloud': _METRIC['cloud'],
}
"""Every output file of a pair by name."""
