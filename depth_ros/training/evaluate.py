"""The small stereo network in torch float32, as the figures of its card have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.evaluation.stereo import Matcher
from depth_ros.geometry.preprocess import Fit, fit_size, place_image, unplace_disparity
from depth_ros.models.crestereo_tiny.network import (
    SIZE_MULTIPLE,
    CreStereoTiny,
    tiny_network,
)


def network_matcher(network: CreStereoTiny, size: tuple[int, int] | None) -> Matcher:
    """Make a matcher of the network in torch float32.

    Args:
        network: In evaluation mode.
        size: (height, width) the pair is resized to; None pads it to the next multiple of 16.
    """

    def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        frame_size = (left.shape[0], left.shape[1])
        engine_size = size or _padded(frame_size)
        fit = Fit.PAD if size is None else Fit.RESIZE
        placement = fit_size(frame_size, engine_size, fit=fit)
        planes = [
            torch.from_numpy(np.array(place_image(image, placement))).permute(2, 0, 1)[None]
            for image in (left, right)
        ]
        with torch.no_grad():
            found = network(planes[0].float(), planes[1].float())[0, 0].numpy()
        return unplace_disparity(found, placement)

    return match


def _padded(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-length // SIZE_MULTIPLE) * SIZE_MULTIPLE for length in size)
    return height, width


def load_networks(
    paths: Sequence[Path], *, iterations: int, threads: int
) -> dict[str, CreStereoTiny]:
    """Load networks by the stem of their file, and set the CPU threads they run with."""
    torch.set_num_threads(threads)
    return {
        path.stem: tiny_network(load_checkpoint(path), iterations=iterations) for path in paths
    }


def network_matchers(
    networks: Mapping[str, CreStereoTiny], sizes: Sequence[tuple[int, int] | None]
) -> dict[str, Matcher]:
    """Return every network at every size, by the names in tables; sizes as ``network_matcher``."""
    return {
        f'{name} {_label(size)}': network_matcher(network, size)
        for name, network in networks.items()
        for size in sizes
    }


def _label(size: tuple[int, int] | None) -> str:
    return 'padded' if size is None else f'{size[0]}x{size[1]}'
