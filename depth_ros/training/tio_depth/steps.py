"""The three steps of an iteration: the image, the pair, and what one teaches the other.

Zhou and Dong 2023, section 3.3: training has three stages; the first takes step 1 on each batch,
the second steps 1 and 2, the third all three. Weights of the terms are those published with the
weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from depth_ros.models.tio_depth.network import TioDepth, expectation
from depth_ros.models.tio_depth.network_decoder import (
    DISTILLED_CONVS,
    MATCHING_CONVS,
    DecodedPair,
    Path,
)
from depth_ros.training.photometric_loss import photometric_error, warp_by_disparity
from depth_ros.training.task import Mixed
from depth_ros.training.tio_depth.losses import (
    distillation_loss,
    gradient_guidance,
    hybrid_probabilities,
    matching_guidance,
    mono_reconstruction_loss,
    outside_guidance,
    pixel_smoothness,
    stereo_reconstruction_loss,
)

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


class Step(str, Enum):
    """One of the three; a recipe lists those that each batch goes through."""

    MONO = 'mono'
    STEREO = 'stereo'
    DISTIL = 'distil'


SHARES: dict[Step, Shares] = {
    Step.MONO: {Part.ENCODER: 1.0, Part.DECODER: 1.0},
    Step.STEREO: {Part.DECODER: 0.1, Part.MATCHING: 1.0},
    Step.DISTIL: {Part.DECODER: 0.1, Part.DISTILLED: 1.0},
}
"""Share of each step's gradient that a part gets; none but the named ones learn from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the terms beside each step's own reconstruction, whose weight is 1.

    Attributes:
        mono_ssim: Share of structural dissimilarity in step 1's reconstruction; 0 is the paper's
            L1, which it complements with features of VGG-19.
        mono_smoothness: Of the disparity in step 1, per px.
        stereo_smoothness: Of the disparity in step 2, per px.
        matching: Of the guidance of the matches.
        gradient: Of the guidance of the steps in disparity, per px.
        outside: Of the guidance outside the other view, per px.
        distillation: Of step 3's only term.
    """

    mono_ssim: float = 0.85
    mono_smoothness: float = 0.0008
    stereo_smoothness: float = 0.008
    matching: float = 0.01
    gradient: float = 0.01
    outside: float = 0.01
    distillation: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SynthesisedViews:
    """A batch of pairs, (B, 3, H, W) each, 0..1.

    Attributes:
        left: What the losses of steps 2 and 3 compare.
        right: As ``left``.
        left_seen: Colours shaken: what the network sees, and what step 1 compares.
        right_seen: As ``left_seen``.
    """

    left: Tensor
    right: Tensor
    left_seen: Tensor
    right_seen: Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepResult:
    """What a step gave.

    Attributes:
        loss: Weighted sum of its terms.
        photometric: How well its disparity explains the left view, 0..1; for people.
    """

    loss: Tensor
    photometric: float


class Iteration:
    """One batch on its way through the steps; what several need is computed once.

    Args:
        network: In training mode.
        views: The batch.
        weights: Of the terms.
        mixed: Context in which the encoder may run in low precision; all else is float32.
    """

    def __init__(
        self, network: TioDepth, views: SynthesisedViews, weights: LossWeights, mixed: Mixed
    ) -> None:
        self._network, self._views, self._weights = network, views, weights
        self._mixed = mixed
        self._size = (views.left.shape[2], views.left.shape[3])
        self._right_features: list[Tensor] | None = None
        self._left_features: list[Tensor] | None = None
        self._mono: Tensor | None = None
        self._pair: DecodedPair | None = None

    def run(self, step: Step) -> StepResult:
        """Take one step; they come in their order."""
        steps = {
            Step.MONO: self._mono_step,
            Step.STEREO: self._stereo_step,
            Step.DISTIL: self._distil_step,
        }
        return with_shares(self._network, SHARES[step], steps[step])

    def _mono_step(self) -> StepResult:
        """Step 1: the right view and its own disparity must explain the left one."""
        views, weights = self._views, self._weights
        features = self._encode(views.right_seen)
        self._right_features = [item.detach() for item in features]
        scores = self._network.decoder.mono(features, self._size, Path.MONO)
        loss, rebuilt = mono_reconstruction_loss(
            views.left_seen, views.right_seen, scores, ssim_share=weights.mono_ssim
        )
        rough = pixel_smoothness(expectation(scores), views.right)
        return StepResult(
            loss=loss + weights.mono_smoothness * rough,
            photometric=_unlike(rebuilt, views.left_seen),
        )

    def _stereo_step(self) -> StepResult:
        """Step 2: the pair's disparity must explain the left view, guided by the image's."""
        views, weights = self._views, self._weights
        mono = self._mono_teacher()
        mono_disparity = expectation(mono)
        pair = self._decode_pair()
        self._pair = DecodedPair(scores=pair.scores.detach(), matches=())
        disparity = expectation(pair.scores)
        loss, rebuilt = stereo_reconstruction_loss(
            views.left, views.right, disparity, mono_disparity
        )
        loss = loss + weights.stereo_smoothness * pixel_smoothness(disparity, views.left)
        loss = loss + weights.matching * matching_guidance(pair.matches, mono.softmax(1))
        loss = loss + weights.gradient * gradient_guidance(disparity, mono_disparity)
        loss = loss + weights.outside * outside_guidance(disparity, mono_disparity)
        return StepResult(loss=loss, photometric=_unlike(rebuilt, views.left))

    def _distil_step(self) -> StepResult:
        """Step 3: the distilled branch must find what both paths together know."""
        views = self._views
        mono, stereo = self._mono_teacher(), self._stereo_teacher()
        wanted = hybrid_probabilities(mono.softmax(1), stereo.softmax(1), expectation(stereo))
        features = self._features_of_left()
        scores = self._network.decoder.mono(features, self._size, Path.REFINE)
        rebuilt = warp_by_disparity(views.right, expectation(scores.detach()))
        return StepResult(
            loss=self._weights.distillation * distillation_loss(scores, wanted),
            photometric=_unlike(rebuilt, views.left),
        )

    def _encode(self, images: Tensor) -> list[Tensor]:
        with self._mixed():
            features = self._network.encode(images)
        return [item.float() for item in features]

    def _features_of_left(self) -> list[Tensor]:
        if self._left_features is None:
            with torch.no_grad():
                self._left_features = self._encode(self._views.left_seen)
        return self._left_features

    def _features_of_pair(self) -> list[Tensor]:
        left = self._features_of_left()
        if self._right_features is None:
            with torch.no_grad():
                self._right_features = self._encode(self._views.right_seen)
        return [torch.cat(both) for both in zip(left, self._right_features, strict=True)]

    def _mono_teacher(self) -> Tensor:
        """Scores of the left view on the plain branch, without gradient."""
        if self._mono is None:
            with torch.no_grad():
                features = self._features_of_left()
                self._mono = self._network.decoder.mono(features, self._size, Path.MONO)
        return self._mono

    def _stereo_teacher(self) -> Tensor:
        """Scores of the pair, without gradient."""
        if self._pair is None:
            with torch.no_grad():
                self._pair = self._decode_pair()
        return self._pair.scores

    def _decode_pair(self) -> DecodedPair:
        return self._network.decoder.decode_pair(self._features_of_pair(), self._size)


def _unlike(rebuilt: Tensor, image: Tensor) -> float:
    return float(photometric_error(rebuilt.detach(), image).mean())
