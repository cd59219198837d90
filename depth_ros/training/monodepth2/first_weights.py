"""Beginning with weights: this project's, the official ones, or those of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.training.monodepth2.network import VideoNetwork

_POSE = ('pose_encoder.', 'pose.')
_CLASSIFIER = ('fc.', 'encoder.fc.')
_CONV, _STEM = 'conv1.weight', 'encoder.conv1.weight'


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
