"""What a network hands to the exporter: a module with named, static inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from depth_ros.tensors import TensorSpec


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exportable:
    """One graph of a network at one size, weights loaded, in evaluation mode.

    Attributes:
        module: ``torch.nn.Module`` whose ``forward`` takes the inputs in order and gives one
            tensor, or a tuple in the order of ``outputs``. Typed ``object`` so that this module
            needs no torch.
        inputs: Specs in the order of ``forward``'s arguments.
        outputs: Specs in the order of ``forward``'s results.
        examples: Values for inputs that noise cannot stand for (projections, depth ranges);
            inputs named here are taken from it in the golden check.
    """

    module: object
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)
