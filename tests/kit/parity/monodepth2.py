"""Monodepth2's side of the parity test: what its goldens hold and how to compute it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from depth_ros.geometry.rigid import inverse
from depth_ros.models.monodepth2.model import depth_from_disparity, motion_matrix
from depth_ros.models.monodepth2.network import load_depth, load_pose
from tests.kit.parity.kit import KIT, Tolerance, kit_module, synthetic_weights

INPUTS = {'image0_rgb', 'image1_rgb'}

TOLERANCE = {
    r'(enc|pose)_feat\d': Tolerance(largest=1e-4, mean=5e-6),
    r'disp\d': Tolerance(largest=2e-5, mean=2e-6),
    # The kit gives no mean for these: a tenth of the largest, and 10 (9.99) times that of disp.
    r'scaled_disp': Tolerance(largest=2e-4, mean=2e-5),
    r'depth': Tolerance(largest=1e-4, mean=1e-5, is_relative=True),
    r'axisangle|translation|T_0_to_1|T_inverted': Tolerance(largest=2e-6, mean=1e-6),
}
"""By pattern of the whole name, first match; from the kit's table unless said otherwise."""


_POSE_OUTPUTS = ('pose_', 'axisangle', 'translation', 'T_')


def make_inputs(golden: Any) -> dict[str, np.ndarray]:
    """Make the images of a golden that stores none, from its generator call."""
    call = golden.meta['call']
    seed, step, height, width = map(
        int, re.search(r'texture\((\d+)\+(\d+)\*i, (\d+), (\d+)\)', call).groups()
    )
    batch = int(re.search(r'i<(\d+)', call).group(1))
    texture = kit_module('inputs').texture
    return {
        f'image{offset}_rgb': np.stack(
            [texture(seed + step * i + offset, height, width) for i in range(batch)]
        )
        for offset in (0, 1)
    }


def compute(golden: Any) -> dict[str, np.ndarray]:
    """Compute every known output that the golden names."""
    num_layers = int(re.search(r'resnet(\d+)', golden.stem).group(1))
    state = weights(num_layers, salt=golden.meta['salt'])
    image0, image1 = (_as_planes(golden.inputs[name]) for name in sorted(INPUTS))
    with torch.inference_mode():
        results = _depth_outputs(state, image0)
        if any(name.startswith(_POSE_OUTPUTS) for name in golden.outputs):
            results.update(_pose_outputs(state, image0, image1))
    return results


def weights(num_layers: int, *, salt: int = 0) -> dict[str, torch.Tensor]:
    """Merge the files' made-up weights as ``read_checkpoint`` does."""
    state = {}
    for part in ('encoder', 'depth', 'pose_encoder', 'pose'):
        keys_file = f'monodepth2_resnet{num_layers}_{part}.keys.json'
        if (KIT / keys_file).is_file():
            filled = synthetic_weights(keys_file, salt=salt)
            state.update({f'{part}.{key}': value for key, value in filled.items()})
    return state


def _depth_outputs(state: Any, images: torch.Tensor) -> dict[str, np.ndarray]:
    network = load_depth(state)
    features = network.encoder(images)
    disparities = network(images, num_scales=4)
    results = {f'enc_feat{i}': feature.numpy() for i, feature in enumerate(features)}
    results.update({f'disp{i}': disparity.numpy() for i, disparity in enumerate(disparities)})
    results['depth'] = depth_from_disparity(results['disp0'])
    results['scaled_disp'] = 1.0 / results['depth']
    return results


def _pose_outputs(state: Any, image0: torch.Tensor, image1: torch.Tensor) -> dict[str, np.ndarray]:
    network = load_pose(state)
    axis_angle, translation = (value.numpy() for value in network(image0, image1))
    matrices = [
        motion_matrix(rotation, shift)
        for rotation, shift in zip(axis_angle[:, 0, 0], translation[:, 0, 0], strict=True)
    ]
    return {
        'pose_feat4': network.pose_encoder(torch.cat([image0, image1], dim=1))[-1].numpy(),
        'axisangle': axis_angle,
        'translation': translation,
        'T_0_to_1': np.stack(matrices),
        'T_inverted': np.stack([inverse(matrix) for matrix in matrices]),
    }


def _as_planes(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
