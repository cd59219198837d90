"""MVSNet's side of the parity test: what its goldens hold and how to compute it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from depth_ros.models.mvsnet.network import MvsNet, load_network
from depth_ros.models.mvsnet.network_volume import variance_volume, warp_features
from depth_ros.models.mvsnet.projection import relative_projections
from tests.kit.parity import kit as parity_kit
from tests.kit.parity.kit import Tolerance, kit_module, synthetic_weights

INPUTS = {'images_rgb', 'proj', 'depth_values', 'intrinsics', 'extrinsics'}

TOLERANCE = {
    r'feature_(ref|src\d+)': Tolerance(largest=1e-4, mean=5e-6),
    r'volume_variance|warped_src\d+': Tolerance(largest=2e-4, mean=5e-6),
    r'depth': Tolerance(largest=2e-2, mean=1e-3),
    r'expected_index': Tolerance(largest=2e-3, mean=1e-4),
    r'photometric_confidence': Tolerance(largest=5e-5, mean=2e-6),
    # Not in the kit's table: about ten times what was measured at 128x160.
    r'cost_reg': Tolerance(largest=2e-4, mean=1e-5),
    r'refine_input': Tolerance(largest=2e-2, mean=1e-3),
    r'refine_residual|refined_depth_patched': Tolerance(largest=4e-2, mean=2e-3),
}
"""By pattern of the whole name, first match; from the kit's table unless said otherwise."""

INTEGER_MARGIN = 1e-3
"""The confidence jumps where the expected index is this near to a whole number."""

MIN_DIFFERENCE_MM = 1.0
"""How far ours must be, on average, from depths sampled without aligned corners."""

CORNER_DEPENDENT = r'(?!feature_).*'
"""What sampling has no part in must agree all the same."""


def make_inputs(golden: Any) -> dict[str, np.ndarray]:
    """Make the inputs of a golden that stores none, from its generator call."""
    call = golden.meta['call']
    number = r'([-\d.]+)'
    seed, step, *scene = re.search(
        r'mvs_scene\((\d+)\+(\d+)\*i, (\d+), (\d+), (\d+)', call
    ).groups()
    near, far, count = re.search(rf'depth_values\({number}, {number}, (\d+)\)', call).groups()
    batch = int(re.search(r'i<(\d+)', call).group(1))
    kit = kit_module('inputs')
    scenes = [
        kit.mvs_scene(int(seed) + int(step) * i, *(int(value) for value in scene))
        for i in range(batch)
    ]
    images, intrinsics, extrinsics = (np.stack(part) for part in zip(*scenes, strict=True))
    depths = kit.depth_values(float(near), float(far), int(count))
    return {
        'images_rgb': images,
        'intrinsics': intrinsics,
        'extrinsics': extrinsics,
        'proj': np.stack([kit.mvs_projections(*scene[1:]) for scene in scenes]),
        'depth_values': np.stack([depths] * batch),
    }


def compute(golden: Any) -> dict[str, np.ndarray]:
    """Compute every known output of a golden."""
    network = load_network(synthetic_weights('mvsnet_refine.keys.json', salt=golden.meta['salt']))
    images = torch.from_numpy(np.ascontiguousarray(golden.inputs['images_rgb']))
    images = images.permute(0, 1, 4, 2, 3).float() / 255
    depths = torch.from_numpy(golden.inputs['depth_values'])
    transforms = torch.from_numpy(
        np.stack([relative_projections(item[0], item[1:]) for item in golden.inputs['proj']])
    ).float()
    with torch.inference_mode():
        values = _intermediates(network, images, transforms, depths)
        output = network(images, transforms, depths)
        values.update(_refinement(network, images[:, 0], output.depth))
    values['depth'], values['expected_index'] = output.depth, output.index
    values['photometric_confidence'] = output.confidence
    return {name: value.numpy() for name, value in values.items()}


def check_outputs(
    golden: Any, computed: dict[str, np.ndarray], tolerance: dict[str, Tolerance]
) -> None:
    """Compare as the kit says; a golden made without aligned corners must *not* be met."""
    if golden.meta['grid_sample_align_corners']:
        _skip_jumps(golden, computed)
        parity_kit.check_outputs(golden, computed, tolerance)
        return
    _, mean_mm = golden.error('depth', computed['depth'])
    assert mean_mm > MIN_DIFFERENCE_MM, f'depth without aligned corners is met: {mean_mm} mm'
    golden.outputs = {
        name: value
        for name, value in golden.outputs.items()
        if not re.fullmatch(CORNER_DEPENDENT, name)
    }
    parity_kit.check_outputs(golden, computed, tolerance)


def _skip_jumps(golden: Any, computed: dict[str, np.ndarray]) -> None:
    """Take our confidence for the golden's where the index is nearly a whole number."""
    name = 'photometric_confidence'
    if name not in golden.outputs:
        return
    index = golden.thin(name, computed['expected_index'])
    jumps = np.abs(index - np.round(index)) < INTEGER_MARGIN
    assert jumps.mean() < 0.05
    golden.outputs[name] = np.where(jumps, golden.thin(name, computed[name]), golden.outputs[name])


def _intermediates(
    network: MvsNet, images: torch.Tensor, transforms: torch.Tensor, depths: torch.Tensor
) -> dict[str, torch.Tensor]:
    reference, *sources = (network.feature(view) for view in images.unbind(dim=1))
    values = {'feature_ref': reference}
    for index, source in enumerate(sources):
        values[f'feature_src{index + 1}'] = source
        values[f'warped_src{index + 1}'] = warp_features(source, transforms[:, index], depths)
    variance = variance_volume(reference, torch.stack(sources, dim=1), transforms, depths)
    values['volume_variance'] = variance
    values['cost_reg'] = network.cost_regularization(variance)
    return values


def _refinement(
    network: MvsNet, image: torch.Tensor, depth: torch.Tensor
) -> dict[str, torch.Tensor]:
    refine = network.refine_network
    return {
        'refine_input': refine.joined(image, depth),
        'refine_residual': refine.residual(image, depth)[:, None],
        'refined_depth_patched': refine(image, depth)[:, None],
    }
