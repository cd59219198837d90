"""What ``depth-ros run mono`` leaves on disk for each image; metres only where they are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.cli.outputs import OutputKind, write_depth_cloud, write_millimetres
from depth_ros.mono import MonoOutput
from depth_ros.pictures import depth_panel, write_picture
from depth_ros.watermark import watermarked


def mono_panel(output: MonoOutput, title: str) -> np.ndarray:
    """Draw image and depth, metric where it is; made-up weights are written all over it.

    Returns:
        ``(H', W', 3)`` uint8 RGB.
    """
    depth = output.depth or output.relative
    caption = 'depth, m' if output.depth else 'relative depth, no unit'
    panel = depth_panel(
        image=output.frame.image,
        depth=depth.depth,
        confidence=output.relative.confidence,
        title=title,
        caption=caption,
    )
    return watermarked(panel) if output.is_untrained else panel


def _write_relative(path: Path, output: MonoOutput, title: str) -> None:
    np.save(path, output.relative.depth)


def _write_depth(path: Path, output: MonoOutput, title: str) -> bool:
    if output.depth is not None:
        np.save(path, output.depth.depth)
    return output.depth is not None


def _write_depth_png(path: Path, output: MonoOutput, title: str) -> bool:
    if output.depth is not None:
        write_millimetres(path, output.depth.depth)
    return output.depth is not None


def _write_picture(path: Path, output: MonoOutput, title: str) -> None:
    write_picture(path, mono_panel(output, title))


def _write_cloud(path: Path, output: MonoOutput, title: str) -> bool:
    if output.depth is not None:
        write_depth_cloud(path, output.depth, output.frame.image)
    return output.depth is not None


MONO_KINDS: dict[str, OutputKind[MonoOutput]] = {
    'relative': OutputKind(
        suffix='_relative_depth.npy',
        write=_write_relative,
        summary='float32 depth up to a factor; NaN unknown',
    ),
    'depth': OutputKind(
        suffix='_depth.npy',
        write=_write_depth,
        summary='float32 metres; NaN unknown, +Inf beyond range, -Inf too close',
    ),
    'png': OutputKind(
        suffix='_depth_mm.png', write=_write_depth_png, summary='16-bit millimetres; 0 unknown'
    ),
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='image and depth side by side'
    ),
    'cloud': OutputKind(
        suffix='_cloud.ply', write=_write_cloud, summary='coloured points, metres, optical frame'
    ),
}
"""Every output file of an image by name; all but relative and picture need a metric scale."""
