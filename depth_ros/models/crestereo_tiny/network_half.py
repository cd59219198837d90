"""The small network at half the size, and one step that finishes its result at the full size.

Matching costs as much as it has cells. ``network_hinted`` matches both images halved; what halving
loses are edges and fractions of a pixel, which the images and the hint at their full size still
tell (``network_last``). A hint comes at the full size, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.errors import ParameterError, WeightsError
from depth_ros.models.crestereo_tiny.network import (
    SIZE_MULTIPLE,
    TinyConfig,
    TinyPredictions,
    check_graph,
    iterations_of,
    load_weights,
    tiny_config,
)
from depth_ros.models.crestereo_tiny.network_hint_planes import full_plane
from depth_ros.models.crestereo_tiny.network_hinted import (
    CreStereoTinyHinted,
    exported,
    no_hint,
)
from depth_ros.models.crestereo_tiny.network_last import LastLevel
from depth_ros.tensors import Exportable

MULTIPLE = 2 * SIZE_MULTIPLE
COARSE_ITERATIONS = (0, 2)
"""Inside, at 1/16 and 1/8. Without the former no figure of a real pair is worse."""
CONFIG = TinyConfig(iterations=(*COARSE_ITERATIONS, 1))
INNER, LAST = 'inner.', 'last.'
"""Beginnings of the names of tensors: the network at half the size, and the last step."""


class CreStereoTinyHalf(nn.Module):
    """Disparity of a rectified pair and a hint; see the module's text.

    Args:
        config: Sizes of the network inside.
    """

    def __init__(self, config: TinyConfig = CONFIG) -> None:
        super().__init__()
        self.inner = CreStereoTinyHinted(config, tells_error=False)
        self.last = LastLevel()

    def forward(self, left: Tensor, right: Tensor, hint: Tensor | None = None) -> Tensor:
        """Map images (B, 3, H, W), 0..255, and a hint to disparity (B, 1, H, W) px, >= 0.

        Args:
            left: RGB.
            right: RGB.
            hint: (B, 2, H, W): disparity px, below 0 where unknown, and trust 0..1.
        """
        return self.predict(left, right, hint).full.clamp(min=0.0)

    def predict(self, left: Tensor, right: Tensor, hint: Tensor | None = None) -> TinyPredictions:
        """Return the final disparity and the scale of its error; nothing on the way."""
        plane = full_plane(no_hint(left) if hint is None else hint)
        halved = plane.halved(())
        inside = torch.cat((halved.disparity, halved.trust), 1)
        small = [functional.avg_pool2d(image, 2) for image in (left, right)]
        _, matched = self.inner.match(small[0], small[1], inside)
        disparity, log_scale = self.last(left, right, matched, plane.trusted(matched.belief))
        return TinyPredictions(full=disparity, log_scale=log_scale)


def half_network(state: Mapping[str, Tensor], *, iterations: int) -> CreStereoTinyHalf:
    """Make the network for inference from its weights, strictly.

    Raises:
        WeightsError: If the weights do not fit.
    """
    if not any(key.startswith(LAST) for key in state):
        raise WeightsError(
            'expected the weights of crestereo_tiny_half, but the tensors of its last step are '
            'absent; pass weights/crestereo_tiny_half.safetensors, or use the model that the '
            'weights are of'
        )
    inside = {key.removeprefix(INNER): state[key] for key in state if key.startswith(INNER)}
    config = tiny_config(inside, iterations=iterations)
    config = replace(config, iterations=(*COARSE_ITERATIONS, iterations))
    network = CreStereoTinyHalf(config)
    return load_weights(network, state, name='crestereo_tiny_half')


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make up weights, for tests and benchmarks only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CreStereoTinyHalf().state_dict()


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Return the network ready for export.

    Args:
        graph: Must be ``'crestereo'``.
        height: Multiple of 32, px.
        width: The same.
        options: ``iterations``, updates at 1/8.
        state: Weights, strict.

    Raises:
        ParameterError: For another graph, size or option.
        WeightsError: If the weights do not fit.
    """
    check_graph(graph, height, width)
    if height % MULTIPLE or width % MULTIPLE:
        raise ParameterError(
            f'crestereo_tiny_half needs sides that are multiples of {MULTIPLE}, '
            f'got {height}x{width}; use 480x640'
        )
    network = half_network(state, iterations=iterations_of(options))
    return exported(network, height, width, ('disparity', 'sigma'))
