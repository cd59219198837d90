"""Output files of ``depth-ros run mono``; metric ones only where the scale is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.cli.kit.outputs import OutputKind, metric_kinds
from depth_ros.pictures.panels import Scale, depth_panel, write_picture
from depth_ros.pictures.watermark import watermarked
from depth_ros.tasks.mono.processor import MonoOutput


def mono_panel(output: MonoOutput, title: str, *, depth_scale: Scale | None = None) -> np.ndarray:
    """Draw image and depth, metric where it is; made-up weights are written all over it.

    Args:
        output: What to draw.
        title: Below the tiles.
        depth_scale: Metres at the ends of the colours; None takes those of the map.

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
        depth_scale=depth_scale if output.depth else None,
    )
    return watermarked(panel) if output.is_untrained else panel


def _write_relative(path: Path, output: MonoOutput, title: str) -> None:
    np.save(path, output.relative.depth)


def _write_picture(
    path: Path, output: MonoOutput, title: str, *, depth_scale: Scale | None = None
) -> None:
    write_picture(path, mono_panel(output, title, depth_scale=depth_scale))


_METRIC: dict[str, OutputKind[MonoOutput]] = metric_kinds(
    lambda output: output.depth, lambda output: output.frame.image
)
MONO_KINDS: dict[str, OutputKind[MonoOutput]] = {
    'relative': OutputKind(
        suffix='_relative_depth.npy',
        write=_write_relative,
        summary='float32 depth up to a factor; NaN unknown',
    ),
    'depth': _METRIC['depth'],
    'png': _METRIC['png'],
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='image and depth side by side'
    ),
    'cloud': _METRIC['cloud'],
}
"""Every output file of an image by name; all but relative and picture need a metric scale."""
