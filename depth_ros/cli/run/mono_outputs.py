"""Output files of ``depth-ros run mono``; metric ones only where the scale is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.cli.kit.outputs import OutputKind, metric_kinds
from depth_ros.pictures.panels import Scale, depth_panel, write_picture
from depth_ros.pictures.watermark import watermarked
from depth_ros.tasks.mono.values import MonoOutput

WITHOUT_METRES = {True: 'relative depth, no unit', False: 'no depth: no keyframe shows this yet'}
"""Caption where there are no metres, by whether there is a mono network."""


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
    caption = 'depth, m' if output.depth else WITHOUT_METRES[output.has_network]
    panel = depth_panel(
        image=output.frame.image,
        depth=depth.depth,
        confidence=output.relative.confidence,
        title=title,
        caption=caption,
        depth_scale=depth_scale if output.depth else None,
    )
    return watermarked(panel) if output.is_shown_untrained else panel


def _write_relative(path: Path, output: MonoOutput, title: str) -> bool:
    if output.has_network:
        np.save(path, output.relative.depth)
    return output.has_network


def _write_sigma(path: Path, output: MonoOutput, title: str) -> bool:
    sigma = output.depth.sigma if output.depth else None
    if sigma is not None:
        np.save(path, sigma)
    return sigma is not None


def _write_source(path: Path, output: MonoOutput, title: str) -> bool:
    if output.source is not None:
        np.save(path, output.source)
    return output.source is not None


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
    'sigma': OutputKind(
        suffix='_depth_sigma.npy',
        write=_write_sigma,
        summary='float32 metres, standard deviation; with --refine',
    ),
    'source': OutputKind(
        suffix='_depth_source.npy',
        write=_write_source,
        summary='uint8: 0 unknown, 1 keyframe, 2 fitted, 3 scaled mono map; with --refine',
    ),
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='image and depth side by side'
    ),
    'cloud': _METRIC['cloud'],
}
"""Every output file of an image by name; all but relative and picture need a metric scale."""
