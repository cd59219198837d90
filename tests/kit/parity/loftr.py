"""LoFTR's side of the parity test: what its goldens hold and how to compute it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from depth_ros.models.loftr.network import Loftr, LoftrVariant, Matches, load_loftr
from tests.kit.parity.kit import Tolerance, kit_module, synthetic_weights

OPTIONAL = {
    'first_mask': 'mask0',
    'second_mask': 'mask1',
    'first_scale': 'scale0',
    'second_scale': 'scale1',
}
"""Arguments of the network, with the names their inputs have in a golden."""

INPUTS = {'image0_gray', 'image1_gray', *OPTIONAL.values()}

TOLERANCE = {
    r'(backbone_coarse|backbone_fine|pos_encoded)[01]': Tolerance(largest=1e-4, mean=1e-5),
    r'coarse_(layer\d+_)?feat[01]': Tolerance(largest=1e-4, mean=1e-5),
    r'conf_(row|col)_max': Tolerance(largest=1e-4, mean=5e-6),
    r'conf_(row|col)_argmax|([bij]_|m_b)ids': Tolerance(largest=0.0, mean=0.0),
    r'mkpts[01]_c|mkpts0_f': Tolerance(largest=0.0, mean=0.0),
    r'mconf': Tolerance(largest=1e-4, mean=3e-5),
    r'mkpts1_f': Tolerance(largest=1e-3, mean=1e-4),
    r'expec_f': Tolerance(largest=2e-4, mean=2e-5),
    # Not in the kit's table: about ten times what was measured at 240x320.
    r'conf_(row|col)_sum': Tolerance(largest=2e-4, mean=1e-5),
    r'fine_(pre|feat)[01]': Tolerance(largest=2e-4, mean=2e-5),
}
"""By pattern of the whole name, first match; from the kit's table unless said otherwise."""

MIN_STABLE_CONFIDENCE = 1e-3
"""Below this row maximum an arg-maximum is a matter of rounding, says the kit."""


def make_inputs(golden: Any) -> dict[str, np.ndarray]:
    """Make the images of a golden that stores none, from its generator call."""
    call = golden.meta['call']
    seed, *sizes = re.search(
        r'shifted_pair\((\d+)\+i, (\d+), (\d+)(?:, (\d+), (\d+))?\)', call
    ).groups()
    batch = int(re.search(r'i<(\d+)', call).group(1))
    make = kit_module('inputs').shifted_pair
    numbers = [int(value) for value in sizes if value]
    pairs = [make(int(seed) + index, *numbers) for index in range(batch)]
    first, second = (np.stack(side) for side in zip(*pairs, strict=True))
    return {'image0_gray': first, 'image1_gray': second}


def golden_network(golden: Any) -> Loftr:
    """Make the network that a golden was made with; the meta says what the weights cannot."""
    meta = golden.meta
    variant = LoftrVariant(
        has_fixed_positions=bool(meta['temp_bug_fix']),
        border=int(meta['border_rm']),
        threshold=float(meta['thr']),
    )
    return load_loftr(variant, synthetic_weights('loftr_ds.keys.json', salt=meta['salt']))


def golden_images(golden: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Give both images as (N, 1, H, W) grey in 0..1."""
    first, second = (
        torch.from_numpy(np.ascontiguousarray(golden.inputs[f'image{index}_gray']))
        for index in (0, 1)
    )
    return first[:, None].float() / 255, second[:, None].float() / 255


def compute(golden: Any) -> dict[str, np.ndarray]:
    """Compute every known output, and whatever comes on the way."""
    network = golden_network(golden)
    recorder = Recorder(network)
    optional = {
        name: torch.from_numpy(np.asarray(golden.inputs[key], np.float32))
        for name, key in OPTIONAL.items()
        if key in golden.inputs
    }
    with torch.inference_mode():
        matches = network(*golden_images(golden), **optional)
    results = {**recorder.stop(), **_matches(matches)}
    arrays = {name: value.numpy() for name, value in results.items()}
    _settle_argmax(golden, arrays)
    return arrays


class Recorder:
    """Collects intermediates of one run with forward hooks."""

    def __init__(self, network: Loftr) -> None:
        self.values: dict[str, torch.Tensor] = {}
        layers = network.loftr_coarse.layers
        names = [f'coarse_layer{index}_feat' for index in range(len(layers))]
        hooks = [
            (network.backbone, self._backbone),
            (network.loftr_coarse, self._coarse_input),
            (network.loftr_coarse, self._keep_pair('coarse_feat')),
            (network.coarse_matching, self._confidence),
            (network.fine_preprocess, self._keep_calls('fine_pre')),
            (network.loftr_fine, self._keep_pair('fine_feat')),
            *((layer, self._keep_calls(name)) for layer, name in zip(layers, names, strict=True)),
        ]
        self._handles = [module.register_forward_hook(hook) for module, hook in hooks]
        self._grids: list[tuple[int, int]] = []

    def stop(self) -> dict[str, torch.Tensor]:
        """Remove the hooks and give what was recorded."""
        for handle in self._handles:
            handle.remove()
        return self.values

    def _backbone(self, _module: object, inputs: Any, output: Any) -> None:
        """Both images come in one batch if they have one size, else one after the other."""
        is_first = not self._grids
        for name, features in zip(('coarse', 'fine'), output, strict=True):
            if is_first:
                self.values[f'backbone_{name}0'] = features
            else:
                self.values[f'backbone_{name}1'] = features
        self._grids.append(tuple(output[0].shape[2:]))

    def _coarse_input(self, _module: object, inputs: Any, _output: object) -> None:
        if len(self._grids) == 1:
            for name in ('coarse', 'fine'):
                first, second = self.values[f'backbone_{name}0'].chunk(2)
                self.values[f'backbone_{name}0'], self.values[f'backbone_{name}1'] = first, second
            self._grids *= 2
        for index, grid in enumerate(self._grids):
            tokens = inputs[index]
            self.values[f'pos_encoded{index}'] = tokens.transpose(1, 2).unflatten(2, grid)

    def _confidence(self, _module: object, _inputs: object, output: torch.Tensor) -> None:
        for name, dim in (('row', 2), ('col', 1)):
            largest = output.max(dim=dim)
            self.values[f'conf_{name}_max'] = largest.values
            self.values[f'conf_{name}_argmax'] = largest.indices
            self.values[f'conf_{name}_sum'] = output.sum(dim=dim)

    def _keep_pair(self, name: str) -> Any:
        def hook(_module: object, _inputs: object, output: Any) -> None:
            self.values[f'{name}0'], self.values[f'{name}1'] = output

        return hook

    def _keep_calls(self, name: str) -> Any:
        """A layer is called for the first image, then for the second."""

        def hook(_module: object, _inputs: object, output: torch.Tensor) -> None:
            index = 1 if f'{name}0' in self.values else 0
            self.values[f'{name}{index}'] = output

        return hook


def _matches(matches: Matches) -> dict[str, torch.Tensor]:
    cells = matches.cells
    return {
        'b_ids': cells.item,
        'i_ids': cells.first,
        'j_ids': cells.second,
        'm_bids': cells.item,
        'mconf': cells.confidence,
        'mkpts0_c': matches.first_coarse,
        'mkpts1_c': matches.second_coarse,
        'mkpts0_f': matches.first,
        'mkpts1_f': matches.second,
        'expec_f': matches.expectation,
    }


def _settle_argmax(golden: Any, arrays: dict[str, np.ndarray]) -> None:
    """Where the maximum is tiny, its place is a matter of rounding: take the golden's."""
    for name in ('conf_row', 'conf_col'):
        if f'{name}_argmax' not in golden.outputs:
            continue
        wanted = golden.outputs[f'{name}_argmax']
        is_tiny = arrays[f'{name}_max'] <= MIN_STABLE_CONFIDENCE
        if wanted.shape == is_tiny.shape:
            arrays[f'{name}_argmax'] = np.where(is_tiny, wanted, arrays[f'{name}_argmax'])
