"""TiO-Depth's side of the parity test: what its goldens hold and how to compute it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from depth_ros.models.tio_depth.network import TioDepth, expectation, load_weights
from depth_ros.models.tio_depth.network_decoder import STAGES, DualPathDecoder, Path
from depth_ros.models.tio_depth.network_matching import NUM_LEVELS, disparity_levels
from tests.kit.parity.kit import Tolerance, stereo_images, synthetic_weights

INPUTS = {'left_rgb', 'right_rgb'}

TOLERANCE = {
    r'enc_feat\d': Tolerance(largest=1e-4, mean=1e-5),
    r'\w+_volume_logits': Tolerance(largest=1e-3, mean=5e-5),
    r'(mono|refine)_disp': Tolerance(largest=3e-2, mean=1e-3),
    # Not in the kit's table: about ten times what was measured, at most a disparity's.
    r'(mono|refine)_depth': Tolerance(largest=3e-2, mean=1e-3),
    r'\w+_delta_\d-\d': Tolerance(largest=3e-4, mean=4e-5),
    r'cost\d_[so]': Tolerance(largest=6e-5, mean=2e-6),
    r'cost_disp\d_[so]': Tolerance(largest=3e-2, mean=2e-3),
    r'stereo_disp_[so]': Tolerance(largest=3e-3, mean=2e-4),
    r'stereo_depth_[so]': Tolerance(largest=3e-4, mean=2e-5),
}
"""By pattern of the whole name, first match; from the kit's table unless said otherwise."""

FOCAL_TIMES_BASELINE = 400.9
"""Pixels times metres of the reference: KITTI's rig at a network width of 1280."""


def make_inputs(golden: Any) -> dict[str, np.ndarray]:
    """Make the images of a golden that stores none, from its generator call."""
    left, right = stereo_images(golden)
    return {'left_rgb': left, 'right_rgb': right}


def compute(golden: Any) -> dict[str, np.ndarray]:
    """Compute every known output, and whatever comes on the way.

    Both views are encoded once for all paths: at 384x1280 that is most of the time.
    """
    network = TioDepth().eval()
    state = synthetic_weights('tio_depth_swint_m.keys.json', salt=golden.meta['salt'])
    own = network.state_dict()
    kept = {name: own[name] for name in own if name.endswith('relative_position_index')}
    load_weights(network, {**state, **kept})
    source, other = (_as_nchw(golden.inputs[name]) for name in ('left_rgb', 'right_rgb'))
    is_left = _is_left(golden.meta['direct'], len(source))
    size = (source.shape[2], source.shape[3])
    with torch.inference_mode():
        of_source, of_other = network.encode(source), network.encode(other)
        results = {f'enc_feat{index}': feature for index, feature in enumerate(of_source)}
        for path in Path:
            results.update(_mono(network.decoder, of_source, size, path))
        pairs = [
            torch.cat([_chosen(is_left, *both), _chosen(is_left, *reversed(both))])
            for both in zip(of_source, of_other, strict=True)
        ]
        results.update(_stereo(network.decoder, pairs, size, is_left))
    return {name: value.numpy() for name, value in results.items()}


def _mono(
    decoder: DualPathDecoder, features: list[torch.Tensor], size: tuple[int, int], path: Path
) -> dict[str, torch.Tensor]:
    name = path.value
    recorder = Recorder(decoder)
    scores = decoder.mono(features, size, path)
    recorder.stop()
    disparity = expectation(scores)
    results = {
        f'{name}_disp': disparity,
        f'{name}_depth': FOCAL_TIMES_BASELINE / disparity,
        f'{name}_volume_logits': scores,
    }
    for index, stage in enumerate(STAGES):
        skip_offsets, number = (5 * index + 3, 2) if path is Path.MONO else (21 + index, 3)
        results[f'{name}_delta_{stage}-1'] = recorder.outputs[5 * index + 2]
        results[f'{name}_delta_{stage}-{number}'] = recorder.outputs[skip_offsets]
    return results


def _stereo(
    decoder: DualPathDecoder,
    pairs: list[torch.Tensor],
    size: tuple[int, int],
    is_left: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Decode pairs, left views first; the source is the left view where ``is_left``."""
    recorder = Recorder(decoder)
    scores = decoder.stereo(pairs, size, both_sides=True)
    recorder.stop()
    left, right = scores.chunk(2)
    results = {'stereo_volume_logits': _chosen(is_left, left, right)}
    levels = torch.tensor(disparity_levels())[:, None, None]
    for side, (first, second) in (('s', (left, right)), ('o', (right, left))):
        disparity = expectation(_chosen(is_left, first, second))
        results[f'stereo_disp_{side}'] = disparity
        results[f'stereo_depth_{side}'] = FOCAL_TIMES_BASELINE / disparity
        for stage, both in recorder.probabilities.items():
            cost = _chosen(is_left, *(both if side == 's' else reversed(both)))
            results[f'cost{stage}_{side}'] = cost
            results[f'cost_disp{stage}_{side}'] = (cost * levels).sum(dim=1, keepdim=True)
    return results


class Recorder:
    """Collects intermediates of one run of the decoder with forward hooks.

    Attributes:
        outputs: Output of each of its modules by number.
        probabilities: Those of the 49 levels by stage, the left view's and the right view's.
    """

    def __init__(self, decoder: DualPathDecoder) -> None:
        self.outputs: dict[int, torch.Tensor] = {}
        self.probabilities: dict[int, list[torch.Tensor]] = {}
        self._handles = [
            module.register_forward_hook(self._keep(index))
            for index, module in enumerate(decoder._convs)
        ]
        for index, stage in enumerate(STAGES):
            joining = decoder._convs[18 + index].redu
            self._handles.append(joining.register_forward_pre_hook(self._matched(stage)))

    def stop(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _keep(self, index: int) -> Any:
        def hook(_module: object, _inputs: object, output: torch.Tensor) -> None:
            self.outputs[index] = output

        return hook

    def _matched(self, stage: int) -> Any:
        def hook(_module: object, inputs: tuple[torch.Tensor]) -> None:
            self.probabilities.setdefault(stage, []).append(inputs[0][:, -NUM_LEVELS:])

        return hook


def _chosen(first_wins: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Take items of the batch from one of two tensors."""
    return torch.where(first_wins[:, None, None, None], first, second)


def _is_left(direct: Any, batch: int) -> torch.Tensor:
    """Read the meta's ``direct``: 1 (the default) where the source is the left view, else -1."""
    values = torch.tensor(1 if direct is None else direct).flatten()
    return values.expand(batch) > 0


def _as_nchw(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
