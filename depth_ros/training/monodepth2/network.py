"""The networks that are trained together, depth of one image and motion between two.

They begin with this project's weights, the official ones, or those of a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.monodepth2.network_depth import NUM_SCALES, DepthNetwork
from depth_ros.models.monodepth2.network_pose import PoseNetwork
from depth_ros.models.monodepth2.network_resnet import LAYOUTS, Layout
from depth_ros.training.monodepth2.reprojection import CameraMotion, motion_of

_POSE = ('pose_encoder.', 'pose.')
_CLASSIFIER = ('fc.', 'encoder.fc.')
_CONV, _STEM = 'conv1.weight', 'encoder.conv1.weight'


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSize:
    """How large the encoders are.

    Attributes:
        num_layers: 18 or 50 for the depth network; the pose network has 18 (section 4).
        widths: Channels per stage; None takes ResNet's own.
    """

    num_layers: int = 18
    widths: tuple[int, int, int, int] | None = None

    def layout(self, num_layers: int) -> Layout:
        """Return the layout of an encoder."""
        known = LAYOUTS[num_layers]
        return known if self.widths is None else replace(known, widths=self.widths)


class VideoNetwork(nn.Module):
    """Depth and pose network.

    Args:
        size: Of the encoders.
    """

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.depth_network = DepthNetwork(size.layout(size.num_layers))
        self.pose_network = PoseNetwork(size.layout(18))
        begin_encoders(self)

    def disparities(self, target: Tensor, *, num_scales: int = NUM_SCALES) -> list[Tensor]:
        """Return sigmoid disparities (B, 1, H / 2^s, W / 2^s) float32 of (B, 3, H, W) in 0..1."""
        return [
            disparity.float() for disparity in self.depth_network(target, num_scales=num_scales)
        ]

    def motions(
        self, target: Tensor, before: Tensor, after: Tensor
    ) -> tuple[CameraMotion, CameraMotion]:
        """Return the motions from the target's axes into those of its two neighbours.

        The pose network sees every pair in order of time, so the first motion is turned round.
        """
        earlier, later = torch.cat((before, target)), torch.cat((target, after))
        axis_angle, translation = self.pose_network(earlier, later)
        both = motion_of(axis_angle[:, 0, 0].float(), translation[:, 0, 0].float())
        count = len(target)
        target_from_before = CameraMotion(both.rotation[:count], both.translation[:count])
        after_from_target = CameraMotion(both.rotation[count:], both.translation[count:])
        return target_from_before.inverse(), after_from_target


def begin_encoders(network: nn.Module) -> None:
    """Draw the weights of ResNets, as they are begun without published ones (He et al. 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')


def begin_with(network: VideoNetwork, path: Path) -> None:
    """Load first weights.

    Known are what ``weights_of`` gives, the official folders or archives, with or without a pose
    network (which then keeps its drawn weights), and a ResNet trained to classify, as torchvision
    publishes them: both encoders begin with it, the pose network's first convolution with half
    of it for each of its images (section 4 of the paper). A ResNet-50 is for depth alone.

    Raises:
        WeightsError: If they are none of these, or of another size.
    """
    state = {
        key: value
        for key, value in load_checkpoint(path).items()
        if not key.startswith(_CLASSIFIER) and '.encoder.fc.' not in key
    }
    if _CONV in state:
        _begin_with_classifier(network, state)
        return
    parts = {key: value for key, value in state.items() if key.startswith(_POSE)}
    load_strict(network.depth_network, {key: state[key] for key in state.keys() - parts.keys()})
    if parts:
        load_strict(network.pose_network, parts)


def weights_of(network: VideoNetwork) -> dict[str, Tensor]:
    """Return both networks' weights under the names of the official files."""
    return {**network.depth_network.state_dict(), **network.pose_network.state_dict()}


def _begin_with_classifier(network: VideoNetwork, state: Mapping[str, Tensor]) -> None:
    named = {f'encoder.{key}': value for key, value in state.items()}
    load_strict(network.depth_network.encoder, named)
    if 'encoder.layer1.0.conv3.weight' not in named:
        doubled = 0.5 * torch.cat((named[_STEM], named[_STEM]), 1)
        load_strict(network.pose_network.pose_encoder, {**named, _STEM: doubled})
