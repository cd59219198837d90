"""Monodepth2's pose network: two images in order of time, the camera's motion between them.

From Godard et al. 2019 (arXiv 1806.01260), section 4 and supplementary table 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.monodepth2.network_resnet import Layout, ResnetEncoder, check_images

POSE_SCALE = 0.01
_NUM_FRAMES = 2


class PoseDecoder(nn.Module):
    """Motion out of the features at 1/32 of two stacked images."""

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [
                nn.Conv2d(num_inputs, 256, 1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 6 * _NUM_FRAMES, 1),
            ]
        )

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Return axis times angle (rad) and translation, each (N, 2, 1, 3); use ``[:, 0]``."""
        squeeze, first, second, head = self.net
        x = head(F.relu(second(F.relu(first(F.relu(squeeze(feature)))))))
        motion = POSE_SCALE * x.mean(dim=(2, 3)).view(-1, _NUM_FRAMES, 1, 6)
        return motion[..., :3], motion[..., 3:]


class PoseNetwork(nn.Module):
    """Encoder of two images, decoder of the motion between them."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.pose_encoder = ResnetEncoder(layout, num_images=2)
        self.pose = PoseDecoder(layout.channels[-1])

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Take images as ``DepthNetwork`` does, in order of time; return what the decoder does."""
        check_images(first)
        check_images(second)
        return self.pose(self.pose_encoder(torch.cat([first, second], dim=1))[-1])
