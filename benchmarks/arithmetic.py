"""What a network's arithmetic takes at least: its products counted, and this machine's speed.

Needs torch only, as ``gpu.py`` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

PRODUCT = 2048
"""Rows and columns of the matrices whose product tells the speed."""

CHANNELS, PIXELS = 128, 128
"""Channels of the convolution that tells the speed, and rows and columns of its image."""


def count_gflop(run: Callable[[], object]) -> float:
    """Count the products and convolutions of what runs in torch, two operations each.

    Sampling, sums and other pointwise work are not counted; nor is what another library does.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops()) / 1e9


def arithmetic_speed() -> float:
    """Give the GFLOP/s of the faster of a large matrix product and a large convolution."""
    return max(product_speed(), convolution_speed())


def product_speed() -> float:
    """Give the GFLOP/s of a large float32 matrix product in torch, best of five."""
    a, b = torch.randn(2, PRODUCT, PRODUCT).unbind(0)
    return 2e-9 * PRODUCT**3 / _best_s(lambda: torch.mm(a, b))


def convolution_speed() -> float:
    """Give the GFLOP/s of a 3x3 float32 convolution in torch that fits caches, best of five."""
    image = torch.randn(1, CHANNELS, PIXELS, PIXELS)
    kernel = torch.randn(CHANNELS, CHANNELS, 3, 3)
    convolve = partial(torch.nn.functional.conv2d, image, kernel, padding=1)
    with torch.inference_mode():
        return count_gflop(convolve) / _best_s(convolve)


def _best_s(run: Callable[[], object]) -> float:
    best_s = float('inf')
    for _ in range(6):
        start = time.perf_counter()
        run()
        best_s = min(best_s, time.perf_counter() - start)
    return best_s
