"""Identifies the machine, and the commands that install TensorRT and cuda-python there."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

TEGRA_RELEASE = Path('/etc/nv_tegra_release')
_JETPACK_OF_L4T = {35: 5, 36: 6, 38: 7, 39: 7}
CUDA_PYTHON = {
    5: "pip install 'cuda-python>=11.8,<12'",
    6: "pip install 'cuda-python>=12.2,<13'",
    7: "pip install 'cuda-python>=13,<14'",
}
_CUDA_PYTHON_DESKTOP = (
    "pip install 'cuda-python>=12,<13', or '>=13,<14' where nvidia-smi shows CUDA 13"
)
_APT = 'sudo apt install python3-libnvinfer'
_VENV = 'a virtual environment needs --system-site-packages to see it'
TENSORRT = {
    5: f'{_APT} (JetPack 5 binds it to Python 3.8 while depth_ros needs 3.10: use a container '
    'whose TensorRT is bound to 3.10, or move to JetPack 6)',
    6: f'{_APT} ({_VENV})',
    7: f'{_APT} ({_VENV})',
}
_TENSORRT_DESKTOP = "pip install tensorrt (its libraries come from NVIDIA's own package index)"


def jetpack_version(release: Path = TEGRA_RELEASE) -> int:
    """Major version of JetPack by its L4T release; 0 on machines that are no Jetson."""
    try:
        text = release.read_text(encoding='utf-8', errors='replace')
    except OSError:
        return 0
    found = re.search(r'#\s*R(\d+)', text)
    return _JETPACK_OF_L4T.get(int(found.group(1)), 0) if found else 0


def tensorrt_command(jetpack: int) -> str:
    """What to type to get TensorRT's Python package."""
    return TENSORRT.get(jetpack, _TENSORRT_DESKTOP)


def cuda_python_command(jetpack: int) -> str:
    """What to type to get cuda-python, of the CUDA version that is there."""
    return CUDA_PYTHON.get(jetpack, _CUDA_PYTHON_DESKTOP)


@lru_cache(maxsize=1)
def machine_name() -> str:
    """``'JetPack 6'``, or ``'this machine'``."""
    version = jetpack_version()
    return f'JetPack {version}' if version else 'this machine'


CUDA_PYTHON_MISSING = (
    f'cuda-python is not installed; on {machine_name()} type: '
    f'{cuda_python_command(jetpack_version())}'
)
TENSORRT_MISSING = (
    f'tensorrt is not installed; on {machine_name()} type: {tensorrt_command(jetpack_version())}'
)
