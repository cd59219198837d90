"""Training TiO-Depth without truth, on rectified pairs.

Its first weights are drawn, of a Swin Transformer, of an earlier stage, or the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.models.tio_depth.network import TioDepth, load_weights
from depth_ros.models.tio_depth.network_decoder import CHANNELS, DualPathDecoder
from depth_ros.models.tio_depth.network_matching import MatchingBlock, PlainConv3x3
from depth_ros.models.tio_depth.network_swin import SwinSizes
from depth_ros.training.task import BatchSource, DataFolders, Mixed, StepLoss
from depth_ros.training.tio_depth.pairs import (
    CropSettings,
    StereoPairBatch,
    TioCropSource,
    find_kitti,
)
from depth_ros.training.tio_depth.room_pairs import RoomSource, StereoRoomSettings
from depth_ros.training.tio_depth.steps import (
    SHARES,
    Iteration,
    LossWeights,
    Part,
    Step,
    SynthesisedViews,
    freeze_all_but,
)
from depth_ros.training.tio_depth.validation import (
    COLUMNS,
    kitti_set,
    measure,
    room_set,
    to_images,
)

_SPREAD = 0.02
_SWIN_KEY = 'patch_embed.proj.weight'
_SWIN_ONLY = ('head.', 'norm.')
_SWIN_MASK = '.attn_mask'
_NEW_NORMS = ('norm0.', 'norm1.', 'norm2.', 'norm3.')


def draw_weights(network: TioDepth) -> None:
    """Draw the encoder's weights as Liu et al. 2021 do; offsets and matching begin neutrally.

    Zero offsets: at first nothing is resampled (Zhou and Dong 2022, arXiv 2209.07088). Matching
    at first passes the features on, nearly: a pair begins where the single image is. That is
    ours; the published training begins with random blocks between trained ones.
    """
    for module in network.encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, value in network.encoder.named_parameters():
        if name.endswith('relative_position_bias_table'):
            nn.init.trunc_normal_(value, std=_SPREAD)
    for convolution in offset_convolutions(network.decoder):
        nn.init.zeros_(convolution.conv.weight)
    for module in network.decoder.modules():
        if isinstance(module, MatchingBlock):
            _pass_features_on(module)


def _pass_features_on(block: MatchingBlock) -> None:
    """Let the block give its features plus a little of the matches.

    The gates open half at first, so the features count twice before them.
    """
    joining, gate = block.redu[0].conv, block.redu[1].fc[2]
    channels = len(joining.weight)
    with torch.no_grad():
        joining.weight[:, :channels].zero_()
        centre = joining.weight[:, :channels, 1, 1]
        centre.fill_diagonal_(2.0)
        joining.bias.zero_()
        gate.weight.zero_()


def offset_convolutions(decoder: DualPathDecoder) -> list[PlainConv3x3]:
    """Find the last convolutions of the branches that choose where to resample."""
    found = [module for module in decoder.modules() if isinstance(module, PlainConv3x3)]
    return [module for module in found if module.conv.bias is None]


def load_start(network: TioDepth, path: Path) -> None:
    """Load all weights, or an ImageNet Swin Transformer's (tiny, window 7) into the encoder.

    Raises:
        WeightsError: If they are neither.
    """
    state = load_checkpoint(path)
    if _SWIN_KEY in state:
        load_strict(network.encoder, _swin_state(network, state))
    else:
        load_weights(network, state)


def _swin_state(network: TioDepth, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take what the encoder has out of a classifier's weights; its four norms stay its own."""
    own = network.encoder.state_dict()
    kept = {key: own[key] for key in own if key.startswith(_NEW_NORMS)}
    taken = {
        key: value
        for key, value in state.items()
        if not key.startswith(_SWIN_ONLY) and not key.endswith(_SWIN_MASK)
    }
    return {**kept, **taken}


@dataclass(frozen=True, kw_only=True, slots=True)
class TioTask:
    """One stage of the training.

    Attributes:
        steps: What each batch goes through, in their order; parts that none of them trains are
            frozen.
        terms: Weights of the terms of the losses.
        crops: How KITTI's pairs are cut, where a data folder is given.
        rooms: What the rendered pairs are like that are used without one.
        swin: Sizes of the encoder.
        channels: Of the decoder; with other sizes than the published ones the weights cannot be
            exported.
    """

    train_metrics: ClassVar[tuple[str, ...]] = (
        'photometric', *(f'{step.value}_loss' for step in Step),
    )  # fmt: skip
    validation_metrics: ClassVar[tuple[str, ...]] = COLUMNS

    steps: tuple[Step, ...]
    terms: LossWeights = field(default_factory=LossWeights)
    crops: CropSettings = field(default_factory=CropSettings)
    rooms: StereoRoomSettings = field(default_factory=StereoRoomSettings)
    swin: SwinSizes = field(default_factory=SwinSizes)
    channels: tuple[int, ...] = CHANNELS

    @property
    def parts(self) -> set[Part]:
        """What the steps train."""
        return {part for step in self.steps for part in SHARES[step]}

    def build(self) -> TioDepth:
        """Make the network with random weights; what no step trains is frozen."""
        network = TioDepth(self.swin, self.channels)
        draw_weights(network)
        freeze_all_but(network, self.parts)
        return network

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load an earlier stage's or the published weights, or an ImageNet Swin's encoder.

        Raises:
            WeightsError: If they do not fit.
        """
        load_start(_tio(network), weights)

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> BatchSource:
        """Return crops of KITTI's pairs, or rendered pairs where there is no data folder.

        Raises:
            RecipeError: If the folder holds no pairs.
        """
        if not folders.data:
            return RoomSource(pairs=self.rooms, photos=folders.photos)
        return TioCropSource(readers=find_kitti(folders.data, is_held_out=False), crops=self.crops)

    def loss(
        self, network: nn.Module, batch: StereoPairBatch, *, device: str, mixed: Mixed
    ) -> StepLoss:
        """Take the steps on one batch; return the sum of their losses."""
        views = SynthesisedViews(
            left=to_images(batch.left, device),
            right=to_images(batch.right, device),
            left_seen=to_images(batch.left_seen, device),
            right_seen=to_images(batch.right_seen, device),
        )
        iteration = Iteration(_tio(network), views, self.terms, mixed)
        found = {step: iteration.run(step) for step in self.steps}
        metrics = {
            f'{step.value}_loss': float(found[step].loss.detach()) if step in found else np.nan
            for step in Step
        }
        metrics['photometric'] = found[self.steps[-1]].photometric
        total = torch.stack([result.loss for result in found.values()]).sum()
        return StepLoss(loss=total, metrics=metrics)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure the paths that the steps train; disparity only where truth is known."""
        pairs: Iterable[StereoPairBatch] = (
            kitti_set(self.crops, folders.data, samples)
            if folders.data
            else room_set(self.rooms, folders.photos, samples)
        )
        return measure(_tio(network), pairs, self.steps, device=device, mixed=mixed)

    def tiles(self, batch: StereoPairBatch) -> list[list[np.ndarray]]:
        """Return left, right, left as the network sees it, and disparity where it is known."""
        top = 0.12 * batch.left.shape[2]
        return [
            [left, right, seen, colorize_disparity(disparity, min=0.0, max=top)]
            for left, right, seen, disparity in zip(
                batch.left, batch.right, batch.left_seen, batch.disparity, strict=True
            )
        ]


def _tio(network: nn.Module) -> TioDepth:
    """Tell the type checker what ``build`` made."""
    if not isinstance(network, TioDepth):
        raise TypeError(f'expected a TioDepth, got {type(network).__name__}; use task.build()')
    return network
