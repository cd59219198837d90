"""CREStereo in torch: the network, its static export form and synthetic weights.

Written from Li et al. 2022, "Practical Stereo Matching via Cascaded Recurrent Network with
Adaptive Correlation" (arXiv 2203.11483); parameter names are those of the official checkpoint.
Inside, flow is the displacement from left to right pixels (negative disparity, as x_right =
x_left + flow); what a level hands on, and what the network gives, has the opposite sign.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.checkpoints import load_strict
from depth_ros.errors import RecipeError, ShapeError
from depth_ros.models.crestereo.network_attention import (
    CrossAttention,
    SelfAttention,
    position_table,
    to_map,
    to_tokens,
)
from depth_ros.models.crestereo.network_correlation import (
    NUM_SAMPLES,
    ROW_WINDOW,
    SQUARE_WINDOW,
    Correlation,
    DeformableCorrelation,
    LocalCorrelation,
)
from depth_ros.models.crestereo.network_features import NUM_FEATURES, FeatureEncoder
from depth_ros.models.crestereo.network_update import NUM_HIDDEN, UpdateBlock
from depth_ros.models.exportable import Exportable
from depth_ros.tensors import TensorSpec

GRAPH = 'crestereo'
MIN_ITERATIONS, MAX_ITERATIONS = 2, 20
_MIN_SIZE = 32


class CreStereo(nn.Module):
    """Cascade over 1/16, 1/8 and 1/4 with one recurrent update block for all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet = FeatureEncoder()
        self.update_block = UpdateBlock()
        self.self_att_fn = SelfAttention(NUM_FEATURES)
        self.cross_att_fn = CrossAttention(NUM_FEATURES)
        self.conv_offset_16 = nn.Conv2d(NUM_FEATURES, 2 * NUM_SAMPLES, 3, padding=1)
        self.conv_offset_8 = nn.Conv2d(NUM_FEATURES, 2 * NUM_SAMPLES, 3, padding=1)

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        *,
        iterations: int,
        initial_flow: Tensor | None = None,
    ) -> Tensor:
        """Match a batch of rectified pairs in one stage.

        Args:
            left: (N, 3, H, W) BGR, 0..255 as floats; H and W multiples of 4, at least 32.
            right: As ``left``.
            iterations: At 1/4; the two coarser levels take half as many (floored) each.
            initial_flow: (N, 2, h, w) result for a smaller version of the pair; replaces the
                coarse levels.

        Returns:
            (N, 2, H, W): disparity in pixels (x_left - x_right), then the vertical counterpart.
        """
        _check_images(left, right, multiple=4)
        left_map, right_map = self._features(left, right)
        if initial_flow is None:
            initial_flow = self._coarse_levels(left_map, right_map, iterations // 2)
        flow = _hand_over(initial_flow, left_map)
        return self._refine(LocalCorrelation(left_map, right_map), left_map, flow, iterations)

    def two_stage(self, left: Tensor, right: Tensor, *, iterations: int) -> Tensor:
        """Match at half size first and let that start the full-size run (section 3.3).

        Takes and gives what ``forward`` does; H and W must be multiples of 8, at least 64.
        """
        _check_images(left, right, multiple=8)
        size = (left.shape[2] // 2, left.shape[3] // 2)
        half = self(_resize(left, size), _resize(right, size), iterations=iterations)
        return self(left, right, iterations=iterations, initial_flow=half)

    def _features(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        images = 2 * (torch.cat([left, right]) / 255) - 1
        left_map, right_map = self.fnet(images).chunk(2)
        return left_map, right_map

    def _coarse_levels(self, left_map: Tensor, right_map: Tensor, iterations: int) -> Tensor:
        """Run 1/16 and 1/8; give the result at about half the image's size."""
        sixteenth = self._correlation_16(F.avg_pool2d(left_map, 4), F.avg_pool2d(right_map, 4))
        state = F.avg_pool2d(_state(left_map), 4)
        flow = self._refine(sixteenth, state, torch.zeros_like(state[:, :2]), iterations)

        left_map_8, right_map_8 = F.avg_pool2d(left_map, 2), F.avg_pool2d(right_map, 2)
        offsets = _sample_offsets(self.conv_offset_8(left_map_8))
        eighth = DeformableCorrelation(left_map_8, right_map_8, offsets)
        state = F.avg_pool2d(_state(left_map), 2)
        return self._refine(eighth, state, _hand_over(flow, state), iterations)
