"""What the device is, what it can do at most, and how to time on it; for ``gpu.py``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

WARM_UP_ROUNDS = 10
_SMI_FIELDS = (
    'name',
    'driver_version',
    'clocks.sm',
    'clocks.mem',
    'clocks.max.sm',
    'temperature.gpu',
    'power.draw',
    'utilization.gpu',
)


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """What the device reached just now.

    Attributes:
        f32_tflops: Dense float32 matrix product, TF32 off.
        half_tflops: The same in half precision.
        copy_gb_s: Device copy, bytes read plus written.
        half: Name of the half type.
    """

    f32_tflops: float
    half_tflops: float
    copy_gb_s: float
    half: str

    def floor_ms(self, gflop: float, weights_gb: float, *, is_half: bool) -> float:
        """Give the time that the counted work, or reading the weights, takes at least."""
        tflops = self.half_tflops if is_half else self.f32_tflops
        bytes_read = weights_gb / 2 if is_half else weights_gb
        return max(gflop / tflops, 1e3 * bytes_read / self.copy_gb_s)

    def describe(self) -> str:
        """Say it in one line."""
        return (
            f'peaks measured now: {self.f32_tflops:.3g} TFLOP/s f32, {self.half_tflops:.3g} '
            f'TFLOP/s {self.half}, copy {self.copy_gb_s:.3g} GB/s'
        )


def describe_device(device: torch.device) -> dict[str, object]:
    """Give device, versions and, where nvidia-smi is there, driver and clocks now."""
    about: dict[str, object] = {
        'device': platform.processor() or 'cpu',
        'torch': torch.__version__,
        'python': platform.python_version(),
        'numpy': np.__version__,
        'load_1min': round(os.getloadavg()[0], 2),
    }
    if device.type != 'cuda':
        return {**about, 'device': 'cpu', 'threads': torch.get_num_threads()}
    properties = torch.cuda.get_device_properties(device)
    return {
        **about,
        'device': properties.name,
        'capability': f'{properties.major}.{properties.minor}',
        'memory_gb': round(properties.total_memory / 1e9, 1),
        'multiprocessors': properties.multi_processor_count,
        'cuda': torch.version.cuda,
        'cudnn': torch.backends.cudnn.version(),
        **_nvidia_smi(),
    }


def measure_peaks(device: torch.device, half: torch.dtype, *, is_small: bool) -> Peaks:
    """Measure matrix products and a copy: the best of a few, large enough to fill the device."""
    size = 256 if is_small else 8192 if device.type == 'cuda' else 2048
    elements = (1 << 18) if is_small else (1 << 28) if device.type == 'cuda' else (1 << 24)
    source = torch.rand(elements, device=device)
    target = torch.empty_like(source)
    copy_ms = min(time_calls(lambda: target.copy_(source), [()], device, rounds=5))
    return Peaks(
        f32_tflops=_matmul_tflops(size, torch.float32, device),
        half_tflops=_matmul_tflops(size, half, device),
        copy_gb_s=2 * 4 * elements / copy_ms / 1e6,
        half=str(half).removeprefix('torch.'),
    )


def time_calls(
    run: Callable[..., object],
    inputs: Sequence[tuple[torch.Tensor, ...]],
    device: torch.device,
    *,
    rounds: int,
) -> list[float]:
    """Give milliseconds of every call, inputs taking turns; on CUDA between device events."""
    for index in range(min(rounds, WARM_UP_ROUNDS)):
        run(*inputs[index % len(inputs)])
    synchronize(device)
    times_ms = []
    for index in range(rounds):
        tensors = inputs[index % len(inputs)]
        times_ms.append(_timed(run, tensors, device))
    return times_ms


def synchronize(device: torch.device) -> None:
    """Wait for everything that was launched."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _timed(
    run: Callable[..., object], tensors: tuple[torch.Tensor, ...], device: torch.device
) -> float:
    if device.type != 'cuda':
        start = time.perf_counter()
        run(*tensors)
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run(*tensors)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def _matmul_tflops(size: int, dtype: torch.dtype, device: torch.device) -> float:
    first, second = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    best_ms = min(time_calls(lambda: first @ second, [()], device, rounds=5))
    return 2 * size**3 / best_ms / 1e9


def _nvidia_smi() -> dict[str, object]:
    """Ask for driver and clocks; empty where the tool is missing or fails."""
    if shutil.which('nvidia-smi') is None:
        return {}
    query = ['nvidia-smi', f'--query-gpu={",".join(_SMI_FIELDS)}', '--format=csv,noheader']
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        return {}
    values = [value.strip() for value in lines[0].split(',')]
    return {f'smi_{name}': value for name, value in zip(_SMI_FIELDS, values, strict=False)}
