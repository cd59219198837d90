"""Checkpoint containers as published, and files that are none."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint, load_strict, read_checkpoint
from depth_ros.errors import WeightsError


def small_network():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 2, 1))


@pytest.fixture
def state():
    return {key: value.clone() for key, value in small_network().state_dict().items()}


def prefixed(state, prefix):
    return OrderedDict((prefix + key, value) for key, value in state.items())


CONTAINERS = {
    'plain': lambda s: s,
    'training script of the CREStereo port': lambda s: {
        'state_dict': prefixed(s, 'module.'),
        'epoch': 3,
        'optim_state_dict': {'state': {0: {'step': torch.tensor(1.0)}}, 'param_groups': []},
    },
    'LoFTR': lambda s: {'state_dict': prefixed(s, 'matcher.')},
    'MVSNet': lambda s: {'epoch': 14, 'model': prefixed(s, 'module.'), 'optimizer': {}},
    'TiO-Depth': lambda s: {'model_params': s, 'epoch': 50, ('optim_params', 'group'): {'lr': 1}},
    'both prefixes': lambda s: {'state_dict': prefixed(s, 'module.matcher.')},
}


def assert_same(loaded, state):
    assert set(loaded) == set(state)
    for key, value in state.items():
        assert torch.equal(loaded[key], value)


@pytest.mark.parametrize('name', CONTAINERS)
@pytest.mark.parametrize('is_legacy', [False, True])
def test_containers(tmp_path, state, name, is_legacy):
    path = tmp_path / 'file.ckpt'
    torch.save(CONTAINERS[name](state), path, _use_new_zipfile_serialization=not is_legacy)
    loaded = load_checkpoint(path)
    assert_same(loaded, state)
    load_strict(small_network(), loaded)


def test_values_beside_the_weights(tmp_path, state):
    path = tmp_path / 'encoder.pth'
    torch.save({**state, 'height': 192, 'width': 640, 'use_stereo': True}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.extras == {'height': 192, 'width': 640, 'use_stereo': True}
    assert_same(checkpoint.state, state)


def test_a_prefix_of_some_keys_only_is_kept(tmp_path, state):
    path = tmp_path / 'file.pth'
    torch.save({**state, 'module.extra': torch.zeros(1)}, path)
    assert 'module.extra' in load_checkpoint(path)


def test_safetensors_and_npz(tmp_path, state):
    safetensors = pytest.importorskip('safetensors.torch', reason='safetensors is not installed')
    safetensors.save_file(state, tmp_path / 'file.safetensors')
    np.savez(tmp_path / 'file.npz', **{key: value.numpy() for key, value in state.items()})
    assert_same(load_checkpoint(tmp_path / 'file.safetensors'), state)
    assert_same(load_checkpoint(str(tmp_path / 'file.npz')), state)


def test_megengine_biases_are_flattened(tmp_path, state):
    path = tmp_path / 'converted.npz'
    arrays = {key: value.numpy() for key, value in state.items()}
    arrays['0.bias'] = arrays['0.bias'].reshape(1, 4, 1, 1)
    np.savez(path, **arrays)
    loaded = load_checkpoint(path)
    assert loaded['0.bias'].shape == (4,)
    assert loaded['1.weight'].shape == (2, 4, 1, 1)
    assert_same(loaded, state)


def test_megengine_files_say_how_to_convert_them(tmp_path):
    path = tmp_path / 'crestereo_eth3d.mge'
    path.write_bytes(pickle.dumps({'state_dict': {'a': np.zeros(3)}}))
    with pytest.raises(WeightsError, match=r'MegEngine.*numpy\.savez.*crestereo_eth3d\.npz'):
        load_checkpoint(path)


class Attack:
    """Writes a file when unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('is_legacy', [False, True])
def test_code_in_a_pickle_never_runs(tmp_path, state, is_legacy):
    path, target = tmp_path / 'file.pth', tmp_path / 'ran'
    torch.save({**state, 'x': Attack(target)}, path, _use_new_zipfile_serialization=not is_legacy)
    with pytest.raises(WeightsError, match='cannot be read as weights'):
        load_checkpoint(path)
    bare = tmp_path / 'bare.pth'
    bare.write_bytes(pickle.dumps(Attack(target)))
    with pytest.raises(WeightsError):
        load_checkpoint(bare)
    archive = tmp_path / 'file.npz'
    np.savez(archive, x=np.array([Attack(target)], dtype=object))
    with pytest.raises(WeightsError):
        load_checkpoint(archive)
    assert not target.exists()


def file_of_kind(folder, state, kind):
    path = folder / f'file{kind}'
    if kind == '.npz':
        np.savez(path, **{key: value.numpy() for key, value in state.items()})
    elif kind == '.safetensors':
        pytest.importorskip('safetensors.torch', reason='safetensors is not installed').save_file(
            state, path
        )
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == '.pth')
    return path


@pytest.mark.parametrize('kind', ['.pth', '.legacy', '.npz', '.safetensors'])
def test_truncated_files(tmp_path, state, kind):
    path = file_of_kind(tmp_path, state, kind)
    content = path.read_bytes()
    for length in (0, 1, 7, 20, len(content) // 3, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match='cannot be read as weights'):
            load_checkpoint(path)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('kind', ['.pth', '.legacy', '.npz', '.safetensors'])
def test_altered_files_load_or_are_refused(tmp_path, state, kind):
    """Never another exception, whatever byte is altered."""
    path = file_of_kind(tmp_path, state, kind)
    content = path.read_bytes()
    rng = np.random.default_rng(7)
    num_refused = 0
    for _ in range(300):
        altered = bytearray(content)
        for position in rng.integers(0, len(content), rng.integers(1, 4)):
            altered[position] = rng.integers(256)
        path.write_bytes(bytes(altered))
        try:
            load_strict(small_network(), load_checkpoint(path))
        except WeightsError:
            num_refused += 1
    assert num_refused > 0


CONTENTS = {
    'a list': [1, 2],
    'no tensors': {'epoch': 3},
    'an empty state dict': {'state_dict': {}},
    'a tensor alone': torch.zeros(3),
}


@pytest.mark.parametrize('name', CONTENTS)
def test_files_without_weights(tmp_path, name):
    path = tmp_path / 'file.pth'
    torch.save(CONTENTS[name], path)
    with pytest.raises(WeightsError, match='holds'):
        load_checkpoint(path)


def test_a_container_that_holds_itself(tmp_path, state):
    content = dict(state)
    content['model'] = content
    torch.save(content, tmp_path / 'file.pth')
    assert_same(load_checkpoint(tmp_path / 'file.pth'), state)


ODD_TENSORS = {
    'NaN': lambda: torch.tensor([1.0, float('nan')]),
    'Inf': lambda: torch.tensor([1.0, float('inf')]),
    'sparse': lambda: torch.eye(3).to_sparse(),
    'meta': lambda: torch.zeros(3, device='meta'),
    'a petabyte of one number': lambda: torch.zeros(1).expand(1 << 48),
}


@pytest.mark.parametrize('name', ODD_TENSORS)
def test_tensors_that_cannot_be_weights(tmp_path, name):
    path = tmp_path / 'file.pth'
    torch.save({'a': torch.zeros(2), 'weird': ODD_TENSORS[name]()}, path)
    with pytest.raises(WeightsError, match='weird'):
        load_checkpoint(path)


def test_missing_file(tmp_path):
    with pytest.raises(WeightsError, match='there are no weights at'):
        load_checkpoint(tmp_path / 'nowhere.pth')
    with pytest.raises(WeightsError, match='there are no weights at'):
        load_checkpoint(tmp_path)


def test_strict_loading_names_every_difference(state):
    state['2.weight'] = state.pop('0.bias')
    state['1.bias'] = torch.zeros(7)
    with pytest.raises(WeightsError) as error:
        load_strict(small_network(), state)
    text = str(error.value)
    assert '1 missing: 0.bias' in text
    assert '1 unexpected: 2.weight' in text
    assert '1.bias (7,) instead of (2,)' in text


def test_strict_loading_changes_nothing_on_failure(state):
    network = small_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError):
        load_strict(network, {key: value + 1 for key, value in state.items() if key != '1.bias'})
    assert_same(network.state_dict(), before)


def test_counters_of_batch_normalisation_may_be_absent():
    source, module = torch.nn.BatchNorm2d(2), torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    source.running_mean.fill_(3.0)
    state = {f'0.{key}': value for key, value in source.state_dict().items()}
    del state['0.num_batches_tracked']
    load_strict(module, state)
    assert float(module[0].running_mean.sum()) == 6.0
    del state['0.running_mean']
    with pytest.raises(WeightsError, match=r'1 missing: 0\.running_mean'):
        load_strict(module, state)


@pytest.mark.parametrize(
    ('name', 'content', 'kind'),
    [
        ('left.png', b'\x89PNG\r\n\x1a\n' + bytes(100), 'a PNG picture'),
        ('left.jpg', b'\xff\xd8\xff\xe0' + bytes(100), 'a JPEG picture'),
        ('calibration.json', b'{"fx": 500.0, "fy": 500.0}\n', 'JSON text'),
        ('left.yaml', b'image_width: 640\n', 'text'),
        ('noise.pth', bytes(range(1, 250)), 'no file of tensors'),
    ],
)
def test_what_is_no_checkpoint_is_named_in_our_words(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=kind) as caught:
        load_checkpoint(tmp_path / name)
    assert 'weights_only' not in str(caught.value) and 'Re-running' not in str(caught.value)
