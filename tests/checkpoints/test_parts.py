"""Checkpoints in several files: folders and zip archives, and what can be wrong with them."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.parts import find_parts, holds_parts, merged_parts
from depth_ros.checkpoints.read import read_checkpoint, read_extras, write_safetensors
from depth_ros.engines import exports
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import plan_exports, weights_record
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import WeightsError
from depth_ros.files import zip_members
from depth_ros.tensors import EngineInfo

EXTRAS = {'height': 320, 'width': 1024, 'use_stereo': True}
TENSORS = {
    'encoder': {'encoder.conv1.weight': torch.ones(2, 3)},
    'depth': {'decoder.0.conv.conv.bias': torch.arange(4.0)},
    'pose_encoder': {'encoder.conv1.weight': torch.zeros(2, 6)},
    'pose': {'net.0.bias': torch.ones(5)},
}
MERGED = {f'{part}.{key}': value for part, keys in TENSORS.items() for key, value in keys.items()}


def make_folder(
    folder: Path, *, without: tuple[str, ...] = (), extras: dict | None = None
) -> Path:
    folder.mkdir()
    for part in set(TENSORS) - set(without):
        beside = (EXTRAS if extras is None else extras) if part == 'encoder' else {}
        torch.save({**TENSORS[part], **beside}, folder / f'{part}.pth')
    return folder


def zipped(folder: Path, *, top: str = '') -> Path:
    path = folder.with_suffix('.zip')
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f'{top}{file.name}')
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / 'mono+stereo_1024x320')


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value)


def test_a_folder_is_merged_under_its_files_names(folder: Path) -> None:
    np.save(folder / 'poses.npy', np.zeros(3))
    torch.save({'state': {}}, folder / 'adam.pth')
    checkpoint = read_checkpoint(folder)
    assert_same(checkpoint.state, MERGED)
    assert checkpoint.extras == EXTRAS == read_extras(folder)


@pytest.mark.parametrize('top', ['', 'mono+stereo_1024x320/', '__a/b/'])
def test_a_zip_of_the_folder_is_the_same(folder: Path, top: str) -> None:
    checkpoint = read_checkpoint(zipped(folder, top=top))
    assert_same(checkpoint.state, MERGED)
    assert checkpoint.extras == EXTRAS


def test_a_folder_without_pose_network(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / 'stereo', without=('pose_encoder', 'pose'))
    expected = {key: value for key, value in MERGED.items() if not key.startswith('pose')}
    assert_same(read_checkpoint(folder).state, expected)


@pytest.mark.parametrize(
    ('without', 'named'),
    [
        (('depth',), 'but not depth.pth'),
        (('encoder',), 'but not encoder.pth'),
        (('pose',), 'but not pose.pth'),
        (('encoder', 'depth'), 'but not encoder.pth, depth.pth'),
    ],
)
def test_missing_files_are_named(tmp_path: Path, without: tuple[str, ...], named: str) -> None:
    folder = make_folder(tmp_path / 'part', without=without)
    for path in (folder, zipped(folder)):
        with pytest.raises(WeightsError, match=named):
            read_checkpoint(path)


def test_places_without_weights(tmp_path: Path) -> None:
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'notes.txt').write_text('nothing')
    for path in (tmp_path / 'folder', zipped(tmp_path / 'folder')):
        with pytest.raises(WeightsError, match=r'expected one checkpoint.*found notes\.txt'):
            read_checkpoint(path)
    with pytest.raises(WeightsError, match='there are no weights at'):
        read_checkpoint(tmp_path / 'nowhere')


def test_a_wrong_file_is_named(folder: Path) -> None:
    torch.save([1, 2], folder / 'depth.pth')
    with pytest.raises(WeightsError, match=r"depth\.pth' holds a list"):
        read_checkpoint(folder)
    torch.save({'depth': torch.tensor([np.nan])}, folder / 'depth.pth')
    with pytest.raises(WeightsError, match=r'depth\.pth.*finite'):
        read_checkpoint(zipped(folder))


@pytest.mark.parametrize('is_zipped', [False, True])
def test_a_truncated_file_is_named(folder: Path, is_zipped: bool) -> None:
    file = folder / 'pose.pth'
    content = file.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 9):
        file.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r'pose\.pth.*cannot be read as weights'):
            read_checkpoint(zipped(folder) if is_zipped else folder)


def test_a_damaged_archive(folder: Path) -> None:
    path = zipped(folder)
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    num_refused = 0
    for length in (0, 10, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r'zip archive|expected one checkpoint'):
            read_checkpoint(path)
    for _ in range(200):
        altered = bytearray(content)
        for position in rng.integers(0, len(content), 3):
            altered[position] = rng.integers(256)
        path.write_bytes(bytes(altered))
        try:
            read_checkpoint(path)
        except WeightsError:
            num_refused += 1
    assert num_refused > 0


class Attack:
    """Writes a file when unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_code_in_a_file_never_runs(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / 'ran'
    torch.save({**TENSORS['pose'], 'x': Attack(target)}, folder / 'pose.pth')
    for path in (folder, zipped(folder)):
        with pytest.raises(WeightsError, match=r'pose\.pth.*cannot be read as weights'):
            read_checkpoint(path)
    assert not target.exists()


def test_paths_in_an_archive_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob('*')) | {folder.with_suffix('.zip')}
    assert_same(read_checkpoint(zipped(folder, top='../../')).state, MERGED)
    assert set(tmp_path.rglob('*')) == before


def test_an_archive_that_unpacks_to_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_members, 'MAX_MEMBER_BYTES', 100)
    with pytest.raises(WeightsError, match='unpacks to'):
        read_checkpoint(zipped(folder))


def test_an_archive_of_one_checkpoint(tmp_path: Path) -> None:
    (tmp_path / 'run').mkdir()
    torch.save({'model_params': {'0.w': torch.ones(3)}}, tmp_path / 'run' / 'last_model.pth')
    (tmp_path / 'run' / 'log.txt').write_text('...')
    path = zipped(tmp_path / 'run', top='model/')
    assert_same(read_checkpoint(path).state, {'0.w': torch.ones(3)})
    shutil.copy(tmp_path / 'run' / 'last_model.pth', tmp_path / 'run' / 'best_model.pth')
    with pytest.raises(WeightsError, match=r'best_model\.pth.*last_model\.pth'):
        read_checkpoint(zipped(tmp_path / 'run', top='model/'))


def test_an_archive_of_two_checkpoints_in_parts(folder: Path) -> None:
    path = zipped(folder, top='one/')
    with zipfile.ZipFile(path, 'a') as archive:
        archive.write(folder / 'depth.pth', 'two/depth.pth')
    with pytest.raises(WeightsError, match=r'holds one/depth\.pth and two/depth\.pth'):
        read_checkpoint(path)


def test_the_hash_is_of_the_parts_alone(folder: Path, tmp_path: Path) -> None:
    before = find_parts(folder).sha256()
    (folder / 'poses.npy').write_bytes(b'other')
    shutil.copytree(folder, tmp_path / 'copy')
    assert find_parts(tmp_path / 'copy').sha256() == before
    torch.save({'net.0.bias': torch.zeros(5)}, folder / 'pose.pth')
    assert find_parts(folder).sha256() != before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / 'encoder.pth'
    torch.save(TENSORS['encoder'], path)
    assert find_parts(path) is None and not holds_parts(path)
    assert holds_parts(tmp_path)


def test_safetensors_keep_what_is_said_beside_the_weights(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip('safetensors', reason='safetensors is not installed')
    path = tmp_path / 'monodepth2.safetensors'
    write_safetensors(read_checkpoint(folder), path)
    again = read_checkpoint(path)
    assert_same(again.state, MERGED)
    assert again.extras == EXTRAS


@pytest.mark.parametrize('is_zipped', [False, True])
def test_the_size_comes_from_the_checkpoint(folder: Path, is_zipped: bool) -> None:
    recipe = load_recipe('monodepth2')
    weights = str(zipped(folder) if is_zipped else folder)
    assert plan_exports(recipe, EngineChoice(weights=weights)).variant.size == (320, 1024)
    assert plan_exports(recipe, EngineChoice(weights=weights, preset='fast')).variant.size == (
        96,
        320,
    )
    assert plan_exports(recipe, EngineChoice(weights=weights, size=(64, 96))).variant.size == (
        64,
        96,
    )
    assert plan_exports(recipe).variant.size == recipe.size == (192, 640)
    assert plan_exports(recipe, EngineChoice(weights='synthetic:0')).variant.size == (192, 640)


@pytest.mark.parametrize('is_zipped', [False, True])
def test_graphs_without_weights_are_left_out(tmp_path: Path, is_zipped: bool) -> None:
    recipe = load_recipe('monodepth2')
    folder = make_folder(tmp_path / 'stereo', without=('pose_encoder', 'pose'))
    weights = str(zipped(folder) if is_zipped else folder)
    assert list(plan_exports(recipe, EngineChoice(weights=weights)).stems) == ['depth']
    assert list(plan_exports(recipe, EngineChoice(weights=weights), graphs=['pose']).stems) == [
        'pose'
    ]
    assert list(plan_exports(recipe, EngineChoice(weights='synthetic:0')).stems) == [
        'depth',
        'pose',
    ]


def record_of(path: Path) -> exports.WeightsRecord:
    return weights_record(plan_exports(load_recipe('monodepth2'), EngineChoice(weights=str(path))))


def test_the_record_knows_licence_and_training(folder: Path, tmp_path: Path) -> None:
    record = record_of(folder)
    assert record.source == 'mono+stereo_1024x320'
    assert record.sha256 == find_parts(folder).sha256()
    assert record.licence == record_of(zipped(folder)).licence == 'Niantic non-commercial'
    assert record.is_stereo_trained is True
    mine = make_folder(tmp_path / 'mine', extras={**EXTRAS, 'use_stereo': False})
    record = record_of(mine)
    assert record.licence == 'not known (not the published file)'
    assert record.is_stereo_trained is False
    silent = make_folder(tmp_path / 'silent', extras={})
    assert record_of(silent).is_stereo_trained is None


@pytest.mark.parametrize(('is_stereo', 'has_rig'), [(True, True), (False, False), (None, False)])
def test_only_stereo_trained_weights_have_a_training_rig(
    is_stereo: bool | None, has_rig: bool
) -> None:
    info = EngineInfo(
        runtime='torch',
        version='1',
        precision='f32',
        device='cpu',
        graph='monodepth2-depth-192x640',
        is_stereo_trained=is_stereo,
    )
    rig = load_recipe('monodepth2').rig_of(info)
    assert (rig is not None) == has_rig
    if rig is not None:
        assert (rig.metres_per_unit, rig.focal_over_width) == (5.4, 0.58)
    assert load_recipe('crestereo').rig_of(info) is None


def test_extras_of_a_hostile_safetensors_header(tmp_path: Path) -> None:
    pytest.importorskip('safetensors', reason='safetensors is not installed')
    header = json.dumps(
        {
            '__metadata__': {'height': '[1]', 'width': 'text', 'use_stereo': '{"a": 1}'},
            'a': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]},
        }
    ).encode()
    path = tmp_path / 'file.safetensors'
    path.write_bytes(len(header).to_bytes(8, 'little') + header + b'\0' * 4)
    assert read_checkpoint(path).extras == {'width': 'text'}
    assert plan_exports(
        load_recipe('monodepth2'), EngineChoice(weights=str(path))
    ).variant.size == (192, 640)


def test_one_file_of_weights_says_by_its_names_which_graphs_it_has(tmp_path: Path) -> None:
    """What is trained here is one file, and may have no pose network."""
    from safetensors.numpy import save_file

    alone, both, other = (tmp_path / f'{name}.safetensors' for name in ('alone', 'both', 'other'))
    depth = {'encoder.encoder.conv1.weight': np.zeros(1), 'depth.decoder.0.bias': np.zeros(1)}
    pose = {'pose_encoder.encoder.conv1.weight': np.zeros(1), 'pose.net.0.bias': np.zeros(1)}
    save_file(depth, alone)
    save_file({**depth, **pose}, both)
    save_file({'features.0.weight': np.zeros(1)}, other)
    (tmp_path / 'broken.safetensors').write_bytes(b'\x10')
    assert merged_parts(alone) == {'encoder', 'depth'}
    assert merged_parts(both) == {'encoder', 'depth', 'pose_encoder', 'pose'}
    assert merged_parts(other) == merged_parts(tmp_path / 'broken.safetensors') == frozenset()
    recipe = load_recipe('monodepth2')
    for path, graphs in ((alone, ('depth',)), (both, ('depth', 'pose'))):
        choice = EngineChoice(weights=str(path), size=(64, 96))
        assert plan_exports(recipe, choice).graphs == graphs


@pytest.mark.parametrize(
    'text',
    ['5', '["depth.0.bias"]', '[' * 100_000, '{"depth'],
    ids=['number', 'list', 'deep', 'cut'],
)
def test_a_header_that_is_none_has_no_parts(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'odd.safetensors'
    path.write_bytes(len(text).to_bytes(8, 'little') + text.encode())
    assert merged_parts(path) == frozenset()
