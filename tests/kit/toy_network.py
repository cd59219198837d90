"""A two-graph network in torch: features of both images, then update steps towards a shift.

``features`` maps two images to their row means; ``update`` moves ``disparity`` towards the
difference of the means by the option ``rate``, so calling it often converges.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from depth_ros.errors import RecipeError, WeightsError
from depth_ros.tensors import Exportable, TensorSpec

RECIPE = """
name: toy
summary: two graphs for tests
tasks: [stereo]
network: tests.kit.toy_network
weights: {file: toy.pth, sha256: null, licence: MIT, homepage: 'https://example.org/toy'}
size: 12x20
min_size: 4x4
size_multiple: 4
options:
  rate: {short: r, default: 0.5, min: 0, max: 1}
presets:
  small: {size: 8x12}
graphs:
  features:
    options: []
    tolerances: {f32: {'*': {mean: 1.0e-5, max: 1.0e-4}}}
  update:
    options: [rate]
    tolerances:
      f32: {disparity: {mean: 1.0e-5, max: 1.0e-4}}
      bf16: {disparity: {mean: 0.1}}
"""


class Features(torch.nn.Module):
    """Mean over a row's columns and colours, times a weight."""

    def __init__(self, gain: torch.Tensor) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(gain)

    def forward(
        self, left: torch.Tensor, right: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._mean(left), self._mean(right)

    def _mean(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(dim=(2, 3)) * self.gain


class Update(torch.nn.Module):
    """One step of a fixed-point iteration."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(
        self, left_mean: torch.Tensor, right_mean: torch.Tensor, disparity: torch.Tensor
    ) -> torch.Tensor:
        return disparity + self.rate * (left_mean - right_mean - disparity)


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, torch.Tensor],
) -> Exportable:
    """Make one of the two graphs."""
    if set(state) != {'gain'}:
        raise WeightsError(f"toy weights are one tensor 'gain', got {sorted(state)}")
    means = [spec(name, (1, height)) for name in ('left_mean', 'right_mean')]
    if graph == 'features':
        images = [spec(name, (1, height, width, 3), dtype='uint8') for name in ('left', 'right')]
        return Exportable(
            module=Features(state['gain']), inputs=tuple(images), outputs=tuple(means)
        )
    if graph == 'update':
        disparity = spec('disparity', (1, height))
        before = spec('before', (1, height))
        return Exportable(
            module=Update(float(options['rate'])),
            inputs=(*means, before),
            outputs=(disparity,),
            examples={'before': torch.full((1, height), 3.0).numpy()},
        )
    raise RecipeError(f'no graph {graph!r}')


def synthetic_state(seed: int) -> dict[str, torch.Tensor]:
    """Make weights from a seed."""
    return {'gain': torch.tensor(1.0 + seed)}


def spec(name: str, shape: tuple[int, ...], *, dtype: str = 'float32') -> TensorSpec:
    """Shorten the specs above."""
    return TensorSpec(name=name, shape=shape, dtype=dtype, unit='px')
