"""Recognise the network of a checkpoint by its parameter names; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping

from depth_ros.entries import Names, Signature
from depth_ros.errors import WeightsError

_MAX_NAMES_SHOWN = 5


def recognise(names: Names, signatures: Mapping[str, Signature]) -> str:
    """Return the model whose network has parameters of these names.

    Args:
        names: Names of a checkpoint's parameters.
        signatures: Signatures of each model's checkpoints; no two fit one file.

    Raises:
        WeightsError: If there is none; shows the first names.
    """
    for model, signature in signatures.items():
        if signature.fits(names):
            return model
    shown = ', '.join(sorted(names)[:_MAX_NAMES_SHOWN])
    raise WeightsError(
        f'these are weights of none of {", ".join(signatures)}; the file has {len(names)} tensors '
        f'beginning with {shown}; import an official checkpoint, unchanged'
    )
