"""MegaDepth and ScanNet as they are laid out on disk, in made folders; truth is a known plane."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.errors import InputError, RecipeError
from depth_ros.training.datasets.archives import read_archive
from depth_ros.training.datasets.megadepth import open_megadepth
from depth_ros.training.datasets.scannet import open_scannet
from depth_ros.training.loftr.posed_source import PosedSettings, posed_pairs

K = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1.0]])
SIZE = (48, 64)
HAS_H5PY = importlib.util.find_spec('h5py') is not None
DEPTH = 2.0
STEP = 0.2
"""A camera moves this far to the right from frame to frame: 5 px in a 48x64 image."""


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def colour(size: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def scannet(tmp_path: Path) -> Path:
    root = tmp_path / 'scannet'
    scene = root / 'train' / 'scene0003_01'
    for frame in (0, 20, 40):
        # Colour is larger than depth, as in the original.
        write(scene / 'color' / f'{frame}.jpg', colour((97, 130), frame))
        write(scene / 'depth' / f'{frame}.png', np.full(SIZE, 1000 * DEPTH, np.uint16))
        pose = np.eye(4)
        pose[0, 3] = STEP * frame / 20
        if frame == 40:
            pose[:] = -np.inf
        (scene / 'pose').mkdir(exist_ok=True)
        np.savetxt(scene / 'pose' / f'{frame}.txt', pose)
    index = root / 'index' / 'scene_data' / 'train'
    index.mkdir(parents=True)
    names = np.array([(3, 1, 0, 20), (3, 1, 20, 0), (3, 1, 0, 40)], np.uint16)
    np.savez(index / 'scene0003_01.npz', name=names, score=np.array([0.9, 0.2, 0.8]))
    np.savez(root / 'index' / 'intrinsics.npz', scene0003_01=K.ravel())
    return root


def objects(values: list) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


class FakeFile:
    """What h5py.File is used for, on an ``.npz`` of another name."""

    def __init__(self, path: Path, mode: str) -> None:
        assert mode == 'r'
        self._content = np.load(path)

    def __enter__(self) -> np.lib.npyio.NpzFile:
        return self._content

    def __exit__(self, *error: object) -> None:
        self._content.close()


@pytest.fixture
def megadepth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images of one scene, upright and wide; depth as h5 where h5py is installed."""
    root = tmp_path / 'megadepth'
    sizes = (SIZE, (64, 48))
    for number, size in enumerate(sizes):
        write(root / f'train/Undistorted_SfM/0001/images/{number}.jpg', colour(size, number))
        write_depth(root / f'train/phoenix/0001/{number}.h5', size, monkeypatch)
    poses = [np.eye(4), np.eye(4)]
    poses[1][0, 3] = -STEP
    upright = np.array([[50.0, 0, 23.5], [0, 50.0, 31.5], [0, 0, 1.0]])
    index = root / 'index' / 'scene_info_0.1_0.7'
    index.mkdir(parents=True)
    images = [f'Undistorted_SfM/0001/images/{n}.jpg' for n in (0, 1)]
    fields = {
        'image_paths': objects([*images, None]),
        'depth_paths': objects(['phoenix/0001/0.h5', 'phoenix/0001/1.h5', None]),
        'intrinsics': objects([K, upright, None]),
        'poses': objects([*poses, None]),
        'pair_infos': objects(
            [(np.array([0, 1]), 0.6, objects([1])), (np.array([1, 0]), 0.1, objects([1]))]
        ),
    }
    for name in ('0001_0.1_0.3.npz', '0002_0.1_0.3.npz'):
        np.savez(index / name, **fields)
    (root / 'index' / 'trainvaltest_list').mkdir()
    (root / 'index' / 'trainvaltest_list' / 'train_list.txt').write_text('0001_0.1_0.3\n')
    return root


def write_depth(path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = np.full(size, DEPTH, np.float32)
    depth[:8] = 0.0
    if not HAS_H5PY:
        double = types.ModuleType('h5py')
        double.File = FakeFile
        monkeypatch.setitem(sys.modules, 'h5py', double)
        with path.open('wb') as file:
            np.savez(file, depth=depth)
        return
    import h5py

    with h5py.File(path, 'w') as file:
        file['depth'] = depth


def test_scannet_pairs_come_with_metric_depth_and_poses(scannet: Path) -> None:
    reader = open_scannet(scannet, min_overlap=0.4)
    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = reader.draw(rng)
        assert first.image.shape == (97, 130, 3)
        assert first.depth.dtype == np.float32 and (first.depth == DEPTH).all()
        np.testing.assert_array_equal(first.k, K)
        np.testing.assert_allclose(second.world_from_camera[:3, 3], (STEP, 0, 0))


def test_scannet_becomes_batches_with_the_right_disparity(scannet: Path) -> None:
    settings = PosedSettings(layout='scannet', height=96, width=128)
    source = pickle.loads(pickle.dumps(posed_pairs(settings, (scannet,))))
    batch = next(source.batches(batch_size=2, first=7))
    assert batch.first.shape == (2, 96, 128)
    grid = np.stack(np.meshgrid(np.arange(16), np.arange(12)), -1) * 8
    moved = batch.first_to_second[0] - grid
    seen = np.isfinite(moved).all(-1)
    assert seen[:, 2:].all() and not seen[:, 0].any()
    # 5 px at the size of the depth, twice as many at the training size.
    np.testing.assert_allclose(moved[seen], np.tile((-10, 0), (seen.sum(), 1)), atol=1e-3)
    again = next(source.batches(batch_size=2, first=7))
    np.testing.assert_array_equal(again.first, batch.first)


def test_scannet_without_common_intrinsics_reads_the_scene_s(scannet: Path) -> None:
    (scannet / 'index' / 'intrinsics.npz').unlink()
    folder = scannet / 'train' / 'scene0003_01' / 'intrinsic'
    folder.mkdir()
    matrix = np.eye(4)
    matrix[:3, :3] = 2 * K
    np.savetxt(folder / 'intrinsic_depth.txt', matrix)
    # Read once per path and kept: another folder is another path.
    scannet.rename(scannet.with_name('other'))
    first, _ = open_scannet(scannet.with_name('other'), min_overlap=0.4).draw(
        np.random.default_rng(0)
    )
    np.testing.assert_allclose(first.k, 2 * K[:3])


def test_scannet_faults_are_named(scannet: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='scene_data'):
        open_scannet(tmp_path / 'nothing', min_overlap=0.4)
    rng = np.random.default_rng(0)
    with pytest.raises(RecipeError, match='min_overlap'):
        open_scannet(scannet, min_overlap=0.95).draw(rng)
    write(scannet / 'train' / 'scene0003_01' / 'depth' / '0.png', np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match='16-bit'):
        open_scannet(scannet, min_overlap=0.85).draw(rng)
    (scannet / 'train' / 'scene0003_01' / 'pose' / '0.txt').write_text('1 2 3')
    with pytest.raises(InputError, match='4x4'):
        open_scannet(scannet, min_overlap=0.85).draw(rng)


def test_megadepth_pairs_are_padded_to_one_size(megadepth: Path) -> None:
    settings = PosedSettings(layout='megadepth', height=128, width=128, is_padded=True)
    source = posed_pairs(settings, (megadepth,))
    assert len(source.reader.scenes) == 1
    batch = next(source.batches(batch_size=1))
    assert batch.first.shape == (1, 128, 128)
    assert batch.first_mask[0].sum() == 12 * 16 and batch.second_mask[0].sum() == 16 * 12
    assert batch.first[0, :96].any() and not batch.first[0, 96:].any()
    places = batch.first_to_second[0]
    assert np.isnan(places[:2]).all(), 'the first rows have no depth'
    assert np.isnan(places[12:]).all(), 'padding'
    # At half the size: 5 px of disparity, and principal points that differ by (-8, 8).
    column, row = (48 + 0.5) / 2 - 0.5, (32 + 0.5) / 2 - 0.5
    exact = np.array((column - 5.0 - 8.0, row + 8.0)) * 2 + 0.5
    np.testing.assert_allclose(places[4, 6], exact, atol=1e-3)


def test_megadepth_faults_are_named(
    megadepth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match='scene_info'):
        open_megadepth(tmp_path / 'nothing', min_overlap=0.4)
    rng = np.random.default_rng(0)
    with pytest.raises(RecipeError, match='min_overlap'):
        open_megadepth(megadepth, min_overlap=0.7).draw(rng)
    reader = open_megadepth(megadepth, min_overlap=0.4)
    (megadepth / 'train/phoenix/0001/1.h5').unlink()
    with pytest.raises(InputError, match='MegaDepth_v1'):
        reader.draw(rng)
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(RecipeError, match='pip install h5py'):
        reader.draw(rng)


def test_an_index_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / 'made'),)

    np.savez(tmp_path / 'evil.npz', pair_infos=objects([Evil()]))
    with pytest.raises(InputError, match='mkdir'):
        read_archive(tmp_path / 'evil.npz')
    assert not (tmp_path / 'made').exists()
    (tmp_path / 'half.npz').write_bytes((tmp_path / 'evil.npz').read_bytes()[:60])
    with pytest.raises(InputError, match='download it again'):
        read_archive(tmp_path / 'half.npz')


def test_an_index_gives_back_what_was_written(tmp_path: Path) -> None:
    mixed = objects(['a', None, np.eye(3), 0.5])
    written = {'plain': np.arange(6.0).reshape(2, 3), 'mixed': mixed}
    np.savez(tmp_path / 'index.npz', **written)
    found = read_archive(tmp_path / 'index.npz')
    np.testing.assert_array_equal(found['plain'], written['plain'])
    assert found['mixed'][0] == 'a' and found['mixed'][1] is None and found['mixed'][3] == 0.5
    np.testing.assert_array_equal(found['mixed'][2], np.eye(3))
