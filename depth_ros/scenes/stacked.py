"""Samples put into one batch, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Sample = TypeVar('Sample', bound='DataclassInstance')


def stack(samples: Sequence[Sample]) -> Sample:
    """Return samples without batch axis, dataclasses of arrays, as one; None stays None."""
    found = {
        item.name: [getattr(sample, item.name) for sample in samples]
        for item in fields(samples[0])
    }
    return replace(
        samples[0],
        **{
            name: None if values[0] is None else np.stack(values) for name, values in found.items()
        },
    )
