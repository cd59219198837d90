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

    Attributes:
        kernels: Of this direction.
        gates_context: (N, 256, H, W), with the biases.
        candidate_context: (N, 128, H, W), with the bias.
    """

    kernels: PassKernels
    gates_context: Tensor
    candidate_context: Tensor

    def step(self, hidden: Tensor, motion: Tensor) -> Tensor:
        """Return the next hidden state (N, 128, H, W)."""
        gates = self._convolve(hidden, motion, self.kernels.gates) + self.gates_context
        update, reset = torch.sigmoid(gates).chunk(2, dim=1)
        candidate = self._convolve(reset * hidden, motion, self.kernels.candidate)
        candidate = torch.tanh(candidate + self.candidate_context)
        return (1 - update) * hidden + update * candidate

    def _convolve(self, hidden: Tensor, motion: Tensor, kernel: Tensor) -> Tensor:
        inputs = torch.cat([hidden, motion], dim=1)
        return F.conv2d(inputs, kernel, padding=self.kernels.padding)


@dataclass(frozen=True, slots=True, eq=False)
class PassKernels:
    """Kernels of one direction, cut so that the context's third runs once per level.

    The gates are convolutions over [hidden, context, motion], and the context stays the same
    over the iterations. Update and reset gate share one convolution.

    Attributes:
        gates: (256, 256, kh, kw) over [hidden, motion]: update gate, reset gate.
        candidate: (128, 256, kh, kw) over [reset * hidden, motion].
        context_gates: (256, 128, kh, kw) over the context.
        context_candidate: (128, 128, kh, kw) over the context.
        gates_bias: (256,)
        candidate_bias: (128,)
        padding: Of every convolution, (rows, columns).
    """

    gates: Tensor
    candidate: Tensor
    context_gates: Tensor
    context_candidate: Tensor
    gates_bias: Tensor
    candidate_bias: Tensor
    padding: tuple[int, int]

    @classmethod
    def cut(cls, update: nn.Conv2d, reset: nn.Conv2d, candidate: nn.Conv2d) -> PassKernels:
        """Cut the checkpoint's kernels; gradients flow back into them."""
        gates, context_gates = _split_context(torch.cat([update.weight, reset.weight]))
        candidate_kernel, context_candidate = _split_context(candidate.weight)
        return cls(
            gates,
            candidate_kernel,
            context_gates,
            context_candidate,
            torch.cat([update.bias, reset.bias]),
            candidate.bias,
            update.padding,
        )

    def bind(self, context: Tensor) -> GatedPass:
        """Add up the context's share (N, 128, H, W) of a level."""
        gates = F.conv2d(context, self.context_gates, self.gates_bias, padding=self.padding)
        candidate = F.conv2d(
            context, self.context_candidate, self.candidate_bias, padding=self.padding
        )
        return GatedPass(self, gates, candidate)


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
        self._frozen: tuple[PassKernels, PassKernels] | None = None

    def passes(self, context: Tensor) -> tuple[GatedPass, GatedPass]:
        """Bind the context (N, 128, H, W) of one level, rows first."""
        rows, columns = self._frozen or self._cut()
        return rows.bind(context), columns.bind(context)

    def freeze(self) -> None:
        """Keep the cut kernels as constants: for export, after the weights are loaded.

        Later changes of the weights have no effect on a frozen block.
        """
        with torch.no_grad():
            self._frozen = self._cut()

    def _cut(self) -> tuple[PassKernels, PassKernels]:
        return (
            PassKernels.cut(self.convz1, self.convr1, self.convq1),
            PassKernels.cut(self.convz2, self.convr2, self.convq2),
        )


class FlowHead(nn.Module):
    """Turn the hidden state into a change of flow (N, 2, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(NUM_HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the change."""
        return self.conv2(F.relu(self.conv1(hidden)))


class RecurrentBlock(nn.Module):
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
        """Return the next hidden state and the change of flow."""
        motion = self.encoder(correlation, flow)
        for gated_pass in passes:
            hidden = gated_pass.step(hidden, motion)
        return hidden, self.flow_head(hidden)

    def upsample(self, hidden: Tensor, flow: Tensor) -> Tensor:
        """Return the flow at four times the size; needed only after a level's last iteration."""
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
        mixed = mixed + weights[:, index : index + 1] * neighbour
    return F.pixel_shuffle(mixed.flatten(1, 2), UPSAMPLING)


def _split_context(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Split a kernel over [hidden, context, motion] into [hidden, motion] and context."""
    hidden, context, motion = weight.split(NUM_HIDDEN, dim=1)
    return torch.cat([hidden, motion], dim=1), context.contiguous()
