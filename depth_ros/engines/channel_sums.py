"""Convolutions that only sum channels: geometry, not learned filters.

Networks write the mean over groups of channels, as correlations need it, as a convolution with
ones: runtimes then keep one memory layout. What is summed are similarities, so such a convolution
stays in float32 where others run in 16 bit.
"""

from __future__ import annotations

import numpy as np

SUM_MARK = '/keeps_float32'
"""Ends the names of such nodes where a graph is written for a builder that decides by layer."""


def is_sum(kernel: np.ndarray) -> bool:
    """Whether every weight is 0 or one other value; learned kernels never are."""
    return bool(kernel.ndim > 1 and np.unique(kernel[kernel != 0]).size <= 1)
