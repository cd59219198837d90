"""Keeps similarities, coordinates and shares in float32 in mixed precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def float32_region(tensor: Tensor) -> AbstractContextManager:
    """Switch mixed precision off: similarities and coordinates need all of float32."""
    kind = tensor.device.type
    if torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def full_precision(tensor: Tensor) -> Tensor:
    """Bring bfloat16 or float16 to float32; float64, used to check gradients, stays."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
