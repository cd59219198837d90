"""Recurrent update block: motion encoder, separable ConvGRU, flow and mask heads.

Li et al. 2022, arXiv 2203.11483, section 3.1; the block and the convex upsampling are RAFT's
(Teed & Deng 2020, sections 3.3 and 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.crestereo.network_correlation import NUM_CORRELATIONS

NUM_HIDDEN = 128
UPSAMPLING = 4
_MASK_SCALE = 0.25


class MotionEncoder(nn.Module):
    """Mix correlation and flow to (N, 128, H, W); the last two channels are the flow itself."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(NUM_CORRELATIONS, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(192 + 64, NUM_HIDDEN - 2, 3, padding=1)

    def forward(self, correlation: Tensor, flow: Tensor) -> Tensor:
        """Encode what was seen and where."""
        seen = F.relu(self.convc2(F.relu(self.convc1(correlation))))
        where = F.relu(self.convf2(F.relu(self.convf1(flow))))
        motion = F.relu(self.conv(torch.cat([seen, where], dim=1)))
        return torch.cat([motion, flow], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class GatedPass:
    """One direction of the GRU with the context's share of every gate already added up.

    The gates are convolutions over [hidden, context, motion]; the context stays the same over
    the iterations, so its third is computed once. Update and reset gate share one convolution.

    Attributes:
        gates_kernel: (256, 256, kh, kw) over [hidden, motion]: update and reset gate.
        candidate_kernel: (128, 256, kh, kw) over [reset * hidden, motion].
        gates_context: (N, 256, H, W), with the biases.
        candidate_context: (N, 128, H, W), with the bias.
        padding: Of both convolutions, (rows, columns).
    """

    gates_kernel: Tensor
    candidate_kernel: Tensor
    gates_context: Tensor
    candidate_context: Tensor
    padding: tuple[int, int]

    def step(self, hidden: Tensor, motion: Tensor) -> Tensor:
        """Give the next hidden state (N, 128, H, W)."""
        gates = self._convolve(hidden, motion, self.gates_kernel) + self.gates_context
        update, reset = torch.sigmoid(gates).chunk(2, dim=1)
        candidate = self._convolve(reset * hidden, motion, self.candidate_kernel)
        candidate = torch.tanh(candidate + self.candidate_context)
        return (1 - update) * hidden + update * candidate

    def _convolve(self, hidden: Tensor, motion: Tensor, kernel: Tensor) -> Tensor:
        return F.conv2d(torch.cat([hidden, motion], dim=1), kernel, padding=self.padding)


class SeparableGru(nn.Module):
    """ConvGRU with a 1x5 pass and then a 5x1 pass."""

    def __init__(self) -> None:
        super().__init__()
        num_inputs = 3 * NUM_HIDDEN
        self.convz1 = nn.Conv2d(num_inputs, NUM_HIDDEN, (1, 5), padding=(0, 2))
        self.convr1 = nn.Conv2d(num_inputs, NUM_HIDDEN, (1, 5), padding=(0, 2))
        self.convq1 = nn.Conv2d(num_inputs, NUM_HIDDEN, (1, 5), padding=(0, 2))
        self.convz2 = nn.Conv2d(num_inputs, NUM_HIDDEN, (5, 1), padding=(2, 0))
        self.convr2 = nn.Conv2d(num_inputs, NUM_HIDDEN, (5, 1), padding=(2, 0))
        self.convq2 = nn.Conv2d(num_inputs, NUM_HIDDEN, (5, 1), padding=(2, 0))

    def passes(self, context: Tensor) -> tuple[GatedPass, GatedPass]:
        """Bind the context (N, 128, H, W) of one level, rows first."""
        return (
            _gated_pass(self.convz1, self.convr1, self.convq1, context),
            _gated_pass(self.convz2, self.convr2, self.convq2, context),
        )


class FlowHead(nn.Module):
    """Turn the hidden state into a change of flow (N, 2, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(NUM_HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Give the change."""
        return self.conv2(F.relu(self.conv1(hidden)))


class UpdateBlock(nn.Module):
    """Everything an iteration needs, shared by all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = SeparableGru()
        self.flow_head = FlowHead()
        self.mask = nn.Sequential(
            nn.Conv2d(NUM_HIDDEN, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, UPSAMPLING**2 * 9, 1),
        )

    def forward(
        self,
        passes: tuple[GatedPass, GatedPass],
        hidden: Tensor,
        correlation: Tensor,
        flow: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Give the next hidden state and the change of flow."""
        motion = self.encoder(correlation, flow)
        for gated_pass in passes:
            hidden = gated_pass.step(hidden, motion)
        return hidden, self.flow_head(hidden)

    def upsample(self, hidden: Tensor, flow: Tensor) -> Tensor:
        """Give the flow at four times the size; needed only after a level's last iteration."""
        return convex_upsample(flow, _MASK_SCALE * self.mask(hidden))


def convex_upsample(flow: Tensor, mask: Tensor) -> Tensor:
    """Upsample (N, 2, H, W) by 4: each fine pixel mixes its nine coarse neighbours.

    Args:
        flow: In pixels of its own size; values are multiplied by 4 as well.
        mask: (N, 9 * 16, H, W) logits, neighbour-major; neighbours outside count as zero flow.
    """
    batch, _, height, width = flow.shape
    weights = mask.reshape(batch, 9, UPSAMPLING**2, height, width).softmax(dim=1)
    padded = F.pad(UPSAMPLING * flow, (1, 1, 1, 1)).unsqueeze(2)
    mixed = torch.zeros_like(padded[..., :height, :width])
    for index in range(9):
        dy, dx = divmod(index, 3)
        neighbour = padded[..., dy : dy + height, dx : dx + width]
        mixed = mixed + weights[:, index].unsqueeze(1) * neighbour
    return F.pixel_shuffle(mixed.flatten(1, 2), UPSAMPLING)


def _gated_pass(
    update: nn.Conv2d, reset: nn.Conv2d, candidate: nn.Conv2d, context: Tensor
) -> GatedPass:
    gates_weight = torch.cat([update.weight, reset.weight])
    gates_bias = torch.cat([update.bias, reset.bias])
    padding = update.padding
    gates_kernel, gates_context = _split_context(gates_weight)
    candidate_kernel, candidate_context = _split_context(candidate.weight)
    return GatedPass(
        gates_kernel=gates_kernel,
        candidate_kernel=candidate_kernel,
        gates_context=F.conv2d(context, gates_context, gates_bias, padding=padding),
        candidate_context=F.conv2d(context, candidate_context, candidate.bias, padding=padding),
        padding=padding,
    )


def _split_context(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Split a kernel over [hidden, context, motion] into [hidden, motion] and context."""
    hidden, context, motion = weight.split(NUM_HIDDEN, dim=1)
    return torch.cat([hidden, motion], dim=1), context
