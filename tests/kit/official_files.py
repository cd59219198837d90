"""Files as the authors publish them, with made-up numbers under the official names."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.kit.shared_data import shared_path

torch = pytest.importorskip('torch', reason='torch is not installed')
from depth_ros.models.tio_depth.network_swin import relative_position_index

State = dict[str, 'torch.Tensor']


@lru_cache
def _official_state(keys: str) -> State:
    folder = shared_path('parity')
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    fill = import_module('fill')
    spec = fill.load_spec(folder / f'{keys}.keys.json')
    state = fill.fill_state_dict(spec)
    tables = {key: relative_position_index() for key in fill.kept(spec)}
    return {**{key: torch.from_numpy(value) for key, value in state.items()}, **tables}


def official_state(keys: str) -> State:
    """Fill the official names and shapes of a ``*.keys.json``."""
    return dict(_official_state(keys))


def crestereo(folder: Path) -> Path:
    path = folder / 'crestereo_eth3d.pth'
    torch.save(official_state('crestereo'), path)
    return path


def loftr(folder: Path) -> Path:
    path = folder / 'indoor_ds.ckpt'
    state = {f'matcher.{key}': value for key, value in official_state('loftr_ds').items()}
    torch.save({'state_dict': state}, path)
    return path


def mvsnet(folder: Path) -> Path:
    path = folder / 'model_000014.ckpt'
    state = {f'module.{key}': value for key, value in official_state('mvsnet').items()}
    torch.save({'epoch': 14, 'model': state, 'optimizer': {'state': {}, 'param_groups': []}}, path)
    return path


def tio_depth(folder: Path) -> Path:
    path = folder / 'last_model.pth'
    rest = {'epoch': 50, 'step': 9, ('optim_params', 'depth'): {'state': {}}}
    torch.save({'model_params': official_state('tio_depth_swint_m'), **rest}, path)
    return path


def monodepth2(folder: Path, *, has_pose: bool = True) -> Path:
    """Write the folder ``mono+stereo_640x192``."""
    path = folder / 'mono+stereo_640x192'
    path.mkdir()
    resnet = 'monodepth2_resnet18'
    extras = {'height': 192, 'width': 640, 'use_stereo': True}
    torch.save({**official_state(f'{resnet}_encoder'), **extras}, path / 'encoder.pth')
    torch.save(official_state(f'{resnet}_depth'), path / 'depth.pth')
    if has_pose:
        torch.save(official_state('monodepth2_resnet18_pose_encoder'), path / 'pose_encoder.pth')
        torch.save(official_state('monodepth2_resnet18_pose'), path / 'pose.pth')
    (path / 'poses.npy').write_bytes(b'lies beside, is not read')
    return path


def zipped(folder: Path) -> Path:
    """Pack a folder as the authors do: the files below its name."""
    path = folder.with_name(f'{folder.name}.zip')
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f'{folder.name}/{file.name}')
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    'crestereo': crestereo,
    'monodepth2': monodepth2,
    'loftr': loftr,
    'mvsnet': mvsnet,
    'tio_depth': tio_depth,
}
