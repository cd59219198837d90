"""What trainings leave beside the weights is skipped or refused by name; nothing of it runs."""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.kit.child_environment import python_path

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import WeightsError
from depth_ros.files import zip_members

STATE = {
    'fnet.conv1.weight': torch.arange(12.0).reshape(4, 3),
    'fnet.conv1.bias': torch.arange(4.0),
}
PREFIXES = ('module.', 'matcher.', '_orig_mod.', 'model.')


class Options:
    """A class of a training script."""

    def __init__(self) -> None:
        self.lr = 1.0


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in STATE.items()}


def assert_state(loaded: dict[str, torch.Tensor]) -> None:
    assert list(loaded) == list(STATE)
    assert all(torch.equal(loaded[key], value) for key, value in STATE.items())


BESIDE = {
    'numpy scalar': np.float64(0.123),
    'numpy integer': np.int32(3),
    'numpy array': np.arange(5.0),
    'namespace': argparse.Namespace(lr=1e-4, maxdisp=192, parts=[1, argparse.Namespace(a=2)]),
    'simple namespace': types.SimpleNamespace(a=1),
    'path': pathlib.PurePosixPath('/x/y'),
    'posix path': Path('/x/y'),
    'counter': collections.Counter({5: 1}),
    'defaultdict': collections.defaultdict(list, a=[1]),
    'deque': collections.deque([1, 2]),
    'set': {1, 2},
    'complex': 1 + 2j,
    'slice': slice(1, 2),
    'nested': {'hyper_parameters': {'config': argparse.Namespace(a=Path('x'))}},
}


@pytest.mark.parametrize('is_legacy', [False, True])
@pytest.mark.parametrize('name', BESIDE)
def test_what_lies_beside_the_weights_is_skipped(
    name: str, is_legacy: bool, tmp_path: Path
) -> None:
    content = {'epoch': 3, 'state_dict': STATE, 'beside': BESIDE[name]}
    path = tmp_path / 'a.ckpt'
    torch.save(content, path, _use_new_zipfile_serialization=not is_legacy)
    assert_state(load_checkpoint(path))


@pytest.mark.parametrize('wrapper', ['state_dict', 'model', 'network', 'net', 'model_params'])
def test_wrappers(wrapper: str, tmp_path: Path) -> None:
    torch.save({wrapper: STATE, 'step': 5}, tmp_path / 'a.pth')
    assert_state(load_checkpoint(tmp_path / 'a.pth'))


@pytest.mark.parametrize('first', PREFIXES)
@pytest.mark.parametrize('second', ['', *PREFIXES])
@pytest.mark.parametrize('third', ['', '_orig_mod.'])
def test_prefixes_in_any_order(first: str, second: str, third: str, tmp_path: Path) -> None:
    torch.save({'state_dict': prefixed(first + second + third)}, tmp_path / 'a.pth')
    assert_state(load_checkpoint(tmp_path / 'a.pth'))


def test_a_prefix_of_some_keys_stays(tmp_path: Path) -> None:
    state = {'model.a': torch.zeros(1), 'other.b': torch.zeros(1)}
    torch.save(state, tmp_path / 'a.pth')
    assert list(load_checkpoint(tmp_path / 'a.pth')) == ['model.a', 'other.b']


@pytest.mark.parametrize(
    ('content', 'name'),
    [
        (torch.nn.Sequential(torch.nn.Linear(3, 4)), 'torch.nn.modules.container.Sequential'),
        ({'model': torch.nn.Linear(3, 4), 'epoch': 1}, 'torch.nn.modules.linear.Linear'),
        ({'state_dict': STATE, 'options': Options()}, f'{__name__}.Options'),
        ({'state_dict': STATE, 'run': shutil.rmtree}, 'shutil.rmtree'),
        ({'state_dict': STATE, 'run': eval}, 'eval'),
    ],
    ids=['module', 'module in a dict', 'class', 'process', 'function'],
)
def test_other_classes_are_refused_by_name_with_a_remedy_that_works(
    content: object, name: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match=re.escape(name)) as caught:
        load_checkpoint(tmp_path / 'a.pth')
    command = re.search(r'(python -c ".*?") and pass (\S+)$', str(caught.value))
    assert command is not None
    words = [sys.executable, *shlex.split(command[1])[1:]]
    subprocess.run(
        words, cwd=tmp_path, check=True, env={'PYTHONPATH': python_path(), 'HOME': str(tmp_path)}
    )
    assert load_checkpoint(tmp_path / command[2])


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path('/tmp/depth_ros_bomb_went_off'),))


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    torch.save({'state_dict': STATE, 'bomb': Bomb()}, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match='getattr'):
        load_checkpoint(tmp_path / 'a.pth')
    assert not Path('/tmp/depth_ros_bomb_went_off').exists()


@pytest.mark.parametrize('file', ['a.pth', 'a.npz', 'a.zip'])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_members, 'MAX_MEMBER_BYTES', 1 << 20)
    with zipfile.ZipFile(tmp_path / file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('big/data.pkl', bytes(2 << 20))
        archive.writestr('model.pth', b'')
    assert (tmp_path / file).stat().st_size < 10_000
    with pytest.raises(WeightsError, match='unpacks to 2 MiB'):
        load_checkpoint(tmp_path / file)
