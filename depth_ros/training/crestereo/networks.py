"""Training interface of the small and the full network: forward pass and loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.crestereo.network import CreStereo
from depth_ros.models.crestereo_tiny.network import CreStereoTiny, TinyConfig, tiny_config
from depth_ros.models.crestereo_tiny.network_half import CONFIG, INNER, CreStereoTinyHalf
from depth_ros.models.crestereo_tiny.network_hinted import (
    CreStereoTinyHinted,
    is_hinted,
    is_of_error,
    is_of_hint,
)
from depth_ros.training.crestereo.losses import (
    error_loss,
    flow_sequence_loss,
    left_hint_loss,
    sequence_loss,
    small_error_loss,
    total_loss,
)
from depth_ros.training.task import Mixed


class StereoTensors(NamedTuple):
    """A batch on a device.

    Attributes:
        left: (B, 3, H, W) float32 RGB, 0..255.
        right: The same.
        disparity: Truth (B, 1, H, W) px of the left image, NaN unknown.
        is_occluded: (B, 1, H, W) bool: not visible in the right image.
        hint: (B, 2, H, W) disparity px, below 0 unknown, and trust 0..1; None for none.
    """

    left: Tensor
    right: Tensor
    disparity: Tensor
    is_occluded: Tensor
    hint: Tensor | None = None


class StereoNetwork(Protocol):
    """A kind of network, as a frozen dataclass: its fields are part of the recipe."""

    def build(self) -> nn.Module:
        """Make the network with random weights."""
        ...

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load published or shipped weights, or those of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        ...

    def disparity(self, network: nn.Module, left: Tensor, right: Tensor) -> Tensor:
        """Return (B, 1, H, W) px of RGB images (B, 3, H, W), 0..255."""
        ...

    def loss(
        self, network: nn.Module, batch: StereoTensors, mixed: Mixed
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and the disparity (B, 1, H, W), detached."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyStereo:
    """The small network.

    Attributes:
        config: Its sizes.
        small_errors: Weight of the loss on small errors of the final disparity.
    """

    config: TinyConfig = field(default_factory=TinyConfig)
    small_errors: float = 0.0

    def build(self) -> CreStereoTiny:
        """Make the network with random weights."""
        return CreStereoTiny(self.config)

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load the shipped weights or those of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        state = load_checkpoint(weights)
        # Raises with the network's name if the weights are another network's.
        tiny_config(state, iterations=self.config.iterations[-1])
        load_strict(network, state)

    def disparity(self, network: nn.Module, left: Tensor, right: Tensor) -> Tensor:
        """Return what inference gives."""
        found: Tensor = network(left, right)
        return found

    def loss(
        self, network: nn.Module, batch: StereoTensors, mixed: Mixed
    ) -> tuple[Tensor, Tensor]:
        """Return sequence and matching loss."""
        with mixed():
            found = network.predict(batch.left, batch.right)
        loss = total_loss(
            found, batch.disparity, batch.is_occluded, small_errors=self.small_errors
        )
        return loss, found.full.detach()


@dataclass(frozen=True, kw_only=True, slots=True)
class HintedStereo:
    """The small network with hints.

    Attributes:
        config: Its sizes.
        small_errors: Weight of the loss on small errors of the final disparity.
        left_hints: Weight of the loss for leaving a hint that is right.
        muddled: Share of the hinted samples whose matching is disturbed in places; see
            ``CreStereoTinyHinted``.
        learns_error: Whether only the error head learns, how far the others' result is off.
    """

    config: TinyConfig = field(default_factory=TinyConfig)
    small_errors: float = 3.0
    left_hints: float = 6.0
    muddled: float = 0.5
    learns_error: bool = False

    def build(self) -> CreStereoTinyHinted:
        """Make the network with random weights; what is new for the hint changes nothing yet."""
        network = CreStereoTinyHinted(self.config)
        network.muddled = self.muddled
        for name, value in network.named_parameters():
            value.requires_grad_(is_of_error(name) or not self.learns_error)
        return network

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load weights of an earlier run, or without error head, or of the network without hints.

        Raises:
            WeightsError: If they do not fit.
        """
        state = load_checkpoint(weights)
        tiny_config(state, iterations=self.config.iterations[-1])
        is_new = is_of_error if is_hinted(state) else is_of_hint
        own = network.state_dict()
        load_strict(network, {**{key: own[key] for key in own if is_new(key)}, **state})

    def disparity(
        self, network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None = None
    ) -> Tensor:
        """Return what inference gives."""
        found: Tensor = network(left, right, hint)
        return found

    def loss(
        self, network: nn.Module, batch: StereoTensors, mixed: Mixed
    ) -> tuple[Tensor, Tensor]:
        """Return sequence and matching loss and that for hints left, or the error's."""
        if self.learns_error:
            # Statistics of the normalisation stay as they are, too.
            network.eval()
        with mixed():
            found = network.predict(batch.left, batch.right, batch.hint)
        if self.learns_error:
            disparity = found.full.clamp(min=0.0)
            return error_loss(disparity, found.log_scale, batch.disparity), disparity.detach()
        loss = total_loss(
            found, batch.disparity, batch.is_occluded, small_errors=self.small_errors
        )
        if batch.hint is not None:
            loss = loss + self.left_hints * left_hint_loss(found, batch.disparity, batch.hint)
        return loss, found.full.detach()


@dataclass(frozen=True, kw_only=True, slots=True)
class HalfStereo:
    """The small network with hints at half the size, and its last step, which alone learns.

    Attributes:
        config: Sizes of the network inside.
        small_errors: Weight of the loss on small errors of the final disparity.
        left_hints: Weight of the loss for leaving a hint that is right.
        muddled: As of ``HintedStereo``.
    """

    config: TinyConfig = CONFIG
    small_errors: float = 3.0
    left_hints: float = 6.0
    muddled: float = 0.5

    def build(self) -> CreStereoTinyHalf:
        """Make the network with random weights."""
        network = CreStereoTinyHalf(self.config)
        network.inner.muddled = self.muddled
        network.inner.requires_grad_(False)
        return network

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load weights of an earlier run, or those of the network with hints as the inner ones.

        Raises:
            WeightsError: If they do not fit.
        """
        state = load_checkpoint(weights)
        if is_hinted(state):
            inside = {f'{INNER}{key}': state[key] for key in state if not is_of_error(key)}
            state = {**network.state_dict(), **inside}
        load_strict(network, state)

    def disparity(
        self, network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None = None
    ) -> Tensor:
        """Return what inference gives."""
        found: Tensor = network(left, right, hint)
        return found

    def loss(
        self, network: nn.Module, batch: StereoTensors, mixed: Mixed
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of the final disparity, and that of its told error."""
        # Statistics of the normalisation inside stay as they are.
        network.eval()
        with mixed():
            found = network.predict(batch.left, batch.right, batch.hint)
        loss = sequence_loss(found, batch.disparity)
        loss = loss + self.small_errors * small_error_loss(found.full, batch.disparity)
        if batch.hint is not None:
            loss = loss + self.left_hints * left_hint_loss(found, batch.disparity, batch.hint)
        disparity = found.full.clamp(min=0.0).detach()
        return loss + error_loss(disparity, found.log_scale, batch.disparity), disparity


@dataclass(frozen=True, kw_only=True, slots=True)
class FullStereo:
    """CREStereo at its full size, as its authors train it.

    Li et al. 2022, arXiv 2203.11483, section 3.4 for the loss. The authors' code predicts a
    vertical part as well and pulls it to zero; so does this.

    Attributes:
        iterations: Updates at 1/4; the coarser levels take half as many each.
    """

    iterations: int = 10

    def build(self) -> CreStereo:
        """Make the network with random weights."""
        return CreStereo()

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load the published weights or those of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        load_strict(network, load_checkpoint(weights))

    def disparity(self, network: nn.Module, left: Tensor, right: Tensor) -> Tensor:
        """Return the last of the sequence."""
        return self._sequence(network, left, right)[-1][:, :1]

    def loss(
        self, network: nn.Module, batch: StereoTensors, mixed: Mixed
    ) -> tuple[Tensor, Tensor]:
        """Return the sequence loss."""
        with mixed():
            found = self._sequence(network, batch.left, batch.right)
        return flow_sequence_loss(found, batch.disparity), found[-1][:, :1].detach()

    def _sequence(self, network: nn.Module, left: Tensor, right: Tensor) -> list[Tensor]:
        flows: list[Tensor] = network.sequence(
            left.flip(1), right.flip(1), iterations=self.iterations
        )
        return flows
