"""An update that chooses between three disparities: its own, the row's best match, the hint.

The block is that of ``network`` with zero-initialised inputs for the hint, and a gate that begins
with a rule (``network_hint_rule``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from depth_ros.models.crestereo_tiny.network import TinyConfig, UpdateBlock
from depth_ros.models.crestereo_tiny.network_correlation import (
    NUM_TAPS,
    TAP_RADIUS,
    RowSight,
    local_correlation,
    warp_rows,
)
from depth_ros.models.crestereo_tiny.network_hint_agreement import share_nearby, votes
from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane
from depth_ros.models.crestereo_tiny.network_hint_rule import GateRule
from depth_ros.models.layers.network_precision import float32_region, full_precision

NUM_FIXED = 7
"""What is told of the hint once per level besides its correlation."""
NUM_MOVING = 3
"""What is told of the hint at every update."""
RULE = {
    'trust': 2.5, 'gain': 3.0, 'share': 0.5, 'away': 0.0, 'nearby': 8.0, 'always': -5.5,
}  # fmt: skip
"""Where the gate begins; measured hints that match as well as what there is are taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HintAtLevel:
    """What one level knows of the hint; the same for all its updates.

    Attributes:
        plane: Disparity in the level's cells, and trust.
        share: (B, 1, H, W) how well the row matches there, -3..0.
        nearby: (B, 1, H, W) share of the clear matches around that agree with the hint, 0..1.
        evidence: (B, C, H, W) input of the update block.
    """

    plane: HintPlane
    share: Tensor
    nearby: Tensor
    evidence: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelSight:
    """What one level sees of the pair, whatever the disparity is.

    Attributes:
        left: Features that are matched (B, C, H, W), float32.
        sight: How they match the right row.
        best: Disparity of the row's best match (B, 1, H, W), cells.
        score: Its share, 0..1.
    """

    left: Tensor
    sight: RowSight
    best: Tensor
    score: Tensor


class HintedUpdate(UpdateBlock):
    """The update block with a third hypothesis."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.groups = config.groups
        self.own_tap = 9 * config.groups + TAP_RADIUS
        self.hint_fixed = nn.Conv2d(9 * config.groups + NUM_FIXED, 64, 1, bias=False)
        self.hint_moving = nn.Conv2d(NUM_MOVING, 64, 1, bias=False)
        self.hint_gate = nn.Conv2d(64, 1, 1, bias=False)
        self.hint_rule = GateRule(RULE)
        for layer in (self.hint_fixed, self.hint_moving, self.hint_gate):
            nn.init.zeros_(layer.weight)

    def at_level(self, seen: LevelSight, plane: HintPlane) -> HintAtLevel:
        """Compare at the hint, as at the row's best match."""
        left, sight, known = seen.left, seen.sight, plane.known
        nearby = share_nearby(*votes(seen.best, seen.score, plane))
        with float32_region(left):
            warped = warp_rows(sight.rows_right, plane.disparity)
            local = local_correlation(left, warped, self.groups)
            taps = sight.lookup(plane.disparity)
        share = taps[:, TAP_RADIUS : TAP_RADIUS + 1]
        near = taps[:, TAP_RADIUS - 1 : TAP_RADIUS + 2].amax(1, keepdim=True)
        wide = taps[:, NUM_TAPS + TAP_RADIUS : NUM_TAPS + TAP_RADIUS + 1]
        way = torch.tanh((seen.best - plane.disparity) / 4.0)
        told = torch.cat((local, share, near, wide, way, nearby, plane.trust), 1) * known
        evidence = torch.cat((told, known), 1)
        return HintAtLevel(
            plane=plane, share=share, nearby=nearby, evidence=self.hint_fixed(evidence)
        )

    def choose(
        self,
        state: Tensor,
        disparity: Tensor,
        context: Tensor,
        evidence: Tensor,
        there: Tensor,
        best: Tensor,
        hint: HintAtLevel,
    ) -> tuple[Tensor, Tensor]:
        """Return the new state and the new disparity (B, 1, H, W) cells.

        The shares of the three hypotheses are a softmax; the step belongs to the first, and to
        the second, as it does without a hint.
        """
        known = hint.plane.known
        away = (hint.plane.disparity - disparity) * known
        told = torch.cat((torch.tanh(away / 4.0), torch.tanh(away), disparity / 32.0 * known), 1)
        there = there + hint.evidence + self.hint_moving(told)
        state, features = self.advance(state, context, evidence, there)
        move = full_precision(self.move(features))
        logit = self.hint_rule(
            self._figures(evidence, away, hint), self.hint_gate(features), known
        )
        shares = torch.softmax(torch.cat((torch.zeros_like(logit), move[:, 1:], logit), 1), 1)
        step = move[:, :1] * (1.0 - shares[:, 2:])
        jump = shares[:, 1:2] * (best - disparity) + shares[:, 2:] * away
        return state, disparity + step + jump

    def _figures(self, evidence: Tensor, away: Tensor, hint: HintAtLevel) -> Tensor:
        """Return what the rule of the gate reads, in its order."""
        gain = hint.share - evidence[:, self.own_tap : self.own_tap + 1]
        distance = torch.tanh(away.abs())
        return torch.cat((hint.plane.trust, gain, hint.share, distance, hint.nearby), 1)
