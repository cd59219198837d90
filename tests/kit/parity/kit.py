"""The parity kit in the shared folder: synthetic weights, goldens, how to compare."""

from __future__ import annotations

import importlib
import os
import re
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.kit.shared_data import shared_root

KIT = shared_root() / 'parity'
"""``fill.py``, ``golden.py``, ``inputs.py`` and ``*.keys.json`` always come from here."""


def goldens_folder() -> Path:
    """Where the ``.npz`` are: ``DEPTH_ROS_PARITY_DIR``, else the kit's own folder."""
    return Path(os.environ.get('DEPTH_ROS_PARITY_DIR') or KIT)


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Largest and mean absolute difference allowed; both are checked.

    A relative one is of the difference divided by max(1, |expected|).
    """

    largest: float
    mean: float
    is_relative: bool = False


def kit_module(name: str) -> ModuleType:
    """Import ``fill``, ``golden`` or ``inputs`` of the kit."""
    sys.path.insert(0, str(KIT))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(KIT))


def synthetic_weights(keys_file: str, *, salt: int) -> dict[str, torch.Tensor]:
    """Fill the state dict that a ``*.keys.json`` describes."""
    fill = kit_module('fill')
    arrays = fill.fill_state_dict(fill.load_spec(KIT / keys_file), salt=salt)
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def stereo_images(golden: Any) -> tuple[np.ndarray, np.ndarray]:
    """Make the pairs of a golden that stores none from its generator call: (N, H, W, 3) RGB."""
    call = golden.meta['call']
    seed, height, width, *rest = re.search(
        r'stereo_pair\((\d+)\+i, (\d+), (\d+)(?:, (\d+))?\)', call
    ).groups()
    batch = int(re.search(r'i<(\d+)', call).group(1))
    disparity = [int(value) for value in rest if value]
    make = kit_module('inputs').stereo_pair
    pairs = [make(int(seed) + i, int(height), int(width), *disparity) for i in range(batch)]
    left, right = (np.stack(side) for side in zip(*pairs, strict=True))
    return left, right


def check_outputs(
    golden: Any, computed: Mapping[str, np.ndarray], tolerance: Mapping[str, Tolerance]
) -> None:
    """Compare every output of a golden; ``tolerance`` maps patterns of whole names."""
    assert golden.outputs, 'the golden has no outputs'
    problems = []
    for name in golden.outputs:
        allowed = next((tolerance[key] for key in tolerance if re.fullmatch(key, name)), None)
        if allowed is None or name not in computed:
            problems.append(f'{name}: an output this test does not know')
            continue
        try:
            checker = _check_relative if allowed.is_relative else _check_absolute
            checker(golden, name, computed[name], allowed)
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, '\n'.join(problems)


def _check_absolute(golden: Any, name: str, value: np.ndarray, allowed: Tolerance) -> None:
    golden.check(name, value, atol=allowed.largest, mean_atol=allowed.mean)


def _check_relative(golden: Any, name: str, value: np.ndarray, allowed: Tolerance) -> None:
    """Compare differences over the value's size, where that is above 1; thinned as stored."""
    golden.check(name, value, atol=np.inf)
    expected = golden.outputs[name]
    error = np.abs(golden.thin(name, value) - expected) / np.maximum(1.0, np.abs(expected))
    assert error.max() <= allowed.largest and error.mean() <= allowed.mean, (
        f'{name}: relative error {error.max():.3g} (allowed {allowed.largest:.3g}), mean '
        f'{error.mean():.3g} (allowed {allowed.mean:.3g})'
    )


def check_input_names(golden: Any, known: set[str]) -> None:
    """Fail on an input that a test would otherwise pass by."""
    unknown = sorted(set(golden.inputs) - known)
    assert not unknown, f'inputs this test does not know: {unknown}'


def check_input_bytes(golden: Any) -> None:
    """Compare the inputs with the checksums in the meta, where it has them."""
    for name, expected in golden.meta.get('input_crc32', {}).items():
        array = np.ascontiguousarray(golden.inputs[name])
        assert zlib.crc32(array.tobytes()) == expected, f'input {name} is not what it was'
