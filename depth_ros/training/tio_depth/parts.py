"""Which parameters a step of training may change, and how strongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeVar

from torch import Tensor, nn
from torch.func import functional_call

from depth_ros.models.tio_depth.network_decoder import DISTILLED_CONVS, MATCHING_CONVS

Value = TypeVar('Value')
Shares = Mapping['Part', float]
_DECODER = '1._convs.'


class Part(Enum):
    """Parts of the network that steps treat differently."""

    ENCODER = 'encoder'
    DECODER = 'decoder'
    """What all paths share."""

    MATCHING = 'matching'
    """What only a pair uses."""

    DISTILLED = 'distilled'
    """What only the distilled branch of one image uses."""


def part_of(name: str) -> Part:
    """Return which part a parameter of ``TioDepth`` belongs to, by its name."""
    if not name.startswith(_DECODER):
        return Part.ENCODER
    number = int(name[len(_DECODER) :].partition('.')[0])
    if number in MATCHING_CONVS:
        return Part.MATCHING
    return Part.DISTILLED if number in DISTILLED_CONVS else Part.DECODER


def freeze_all_but(network: nn.Module, parts: set[Part]) -> None:
    """Freeze all parameters but those of some parts."""
    for name, value in network.named_parameters():
        value.requires_grad_(part_of(name) in parts)


def with_shares(network: nn.Module, shares: Shares, run: Callable[[], Value]) -> Value:
    """Run something on the network so that only a share of its gradient reaches the parameters.

    Values are the same to the bit: p is replaced by detach(p) + share * (p - detach(p)). Zhou and
    Dong train the shared decoder in steps 2 and 3 at a tenth of the rate; here it is a tenth of
    the gradient, so that one optimizer serves all steps.

    Args:
        network: A ``TioDepth``.
        shares: By part; a part that is not named gets nothing.
        run: Uses ``network``; its result's graph leads to the shared-out parameters.
    """
    values = {
        f'network.{name}': _shared(value, shares.get(part_of(name), 0.0))
        for name, value in network.named_parameters()
    }
    return functional_call(_Run(network, run), values, ())


def _shared(value: Tensor, share: float) -> Tensor:
    if share == 1.0:
        return value
    still = value.detach()
    return still if share == 0.0 else still + share * (value - still)


class _Run(nn.Module):
    """Returns a function the form that ``functional_call`` asks for."""

    def __init__(self, network: nn.Module, run: Callable[[], object]) -> None:
        super().__init__()
        self.network = network
        self._run = run

    def forward(self) -> object:
        """Run it."""
        return self._run()
