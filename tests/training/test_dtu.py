"""The DTU layout of MVSNet's authors: cameras, depth and images join; what is missing is named."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.pfm import write_pfm
from depth_ros.training.datasets.dtu import open_dtu

K_MAP = np.array([[361.5, 0.0, 82.9], [0.0, 360.4, 66.4], [0.0, 0.0, 1.0]])
WALL_MM = 600.0
STEPS_MM = ((0.0, 0.0), (12.0, 0.0), (0.0, 9.0), (-8.0, 4.0))


def raw_k() -> np.ndarray:
    k = K_MAP.copy()
    k[:2] *= 4.0
    k[:2, 2] += (80.0, 44.0)
    k[:2] *= 2.0
    return k


def colours(view: int) -> np.ndarray:
    """Paint a wall at 600 mm by where each point of it is."""
    k = K_MAP.copy()
    k[:2] *= 4.0
    y, x = np.mgrid[:512, :640]
    across = (x - k[0, 2]) / k[0, 0] * WALL_MM + STEPS_MM[view][0]
    down = (y - k[1, 2]) / k[1, 1] * WALL_MM + STEPS_MM[view][1]
    waves = [np.abs(4.0 * place % 400.0 - 200.0) for place in (across, down)]
    return np.rint(np.stack([*waves, np.full_like(across, 90.0)], -1)).astype(np.uint8)


def write_cam(path: Path, view: int, k: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pose = np.eye(4)
    pose[:2, 3] = -np.array(STEPS_MM[view])
    rows = ['extrinsic', *(' '.join(map(str, row)) for row in pose), '', 'intrinsic']
    rows += [*(' '.join(map(str, row)) for row in k), '', '425.0 2.5', '']
    path.write_text('\n'.join(rows), encoding='utf-8')


def write_maps(folder: Path, view: int, depth: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_pfm(folder / f'depth_map_{view:04d}.pfm', depth.astype(np.float32))
    mask = np.full(depth.shape, 255, np.uint8)
    mask[:, -depth.shape[1] // 4 :] = 0
    cv2.imwrite(str(folder / f'depth_visual_{view:04d}.png'), mask)


def write_set(folder: Path, scans=(2, 3, 1), *, is_raw: bool = False) -> Path:
    lines = [str(len(STEPS_MM))]
    for view in range(len(STEPS_MM)):
        others = [other for other in range(len(STEPS_MM)) if other != view]
        lines += [str(view), f'{len(others)} ' + ' '.join(f'{o} {100.0 - o}' for o in others)]
    cameras = folder / 'Cameras'
    cameras.mkdir(parents=True)
    (cameras / 'pair.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    painted = folder / 'painted'
    for view in range(len(STEPS_MM)):
        name = f'{view:08d}_cam.txt'
        place = cameras if is_raw else cameras / 'train'
        write_cam(place / name, view, raw_k() if is_raw else K_MAP)
        image = np.ascontiguousarray(colours(view)[..., ::-1])
        painted.mkdir(exist_ok=True)
        cv2.imwrite(str(painted / f'{view}.png'), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    depth = np.full((1200, 1600) if is_raw else (128, 160), WALL_MM)
    for scan in scans:
        place = folder / 'Rectified' / f'scan{scan}_train'
        place.mkdir(parents=True)
        maps = folder / ('Depths_raw' if is_raw else 'Depths')
        for view in range(len(STEPS_MM)):
            for light in range(7):
                name = f'rect_{view + 1:03d}_{light}_r5000.png'
                os.link(painted / f'{view}.png', place / name)
            write_maps(maps / (f'scan{scan}' if is_raw else f'scan{scan}_train'), view, depth)
    return folder


@pytest.fixture(scope='module')
def small_set(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp('dtu'))


def test_both_sizes_of_cameras_and_maps_give_the_same(small_set, tmp_path: Path) -> None:
    small, raw = (
        open_dtu((folder,)) for folder in (small_set, write_set(tmp_path, (2,), is_raw=True))
    )
    assert small.scans == (1, 2, 3) and raw.scans == (2,)
    for view in range(4):
        ours, theirs = small.cameras[view], raw.cameras[view]
        np.testing.assert_allclose(ours.k, theirs.k, rtol=1e-12)
        np.testing.assert_allclose(ours.camera_from_world, theirs.camera_from_world)
        np.testing.assert_allclose(ours.k[0], (1446.0, 0.0, 331.6))
        assert ours.camera_from_world[0, 3] == pytest.approx(-STEPS_MM[view][0] / 1000.0)
    assert small.cameras[0].depth_range_m == pytest.approx((0.425, 0.425 + 0.0025 * 191))
    depth, thinned = small.depth(2, 1), raw.depth(2, 1)
    assert depth.shape == thinned.shape == (128, 160)
    assert depth[5, 5] == thinned[5, 5] == np.float32(0.6)
    assert np.isnan(depth[:, -1]).all() and np.isnan(thinned[:, -1]).all()
    assert np.isfinite(depth[:, :110]).all() and np.isfinite(thinned[:, :110]).all()
    assert small.image(2, 3, 6).shape == (512, 640, 3)
    assert small.pairs[1] == (0, 2, 3)


def test_map_of_a_big_depth_lies_at_every_fourth_pixel_of_the_image(tmp_path: Path) -> None:
    folder = write_set(tmp_path, (2,), is_raw=True)
    ramp = np.arange(1200.0)[:, None] * 2000.0 + np.arange(1600.0)[None] + 1.0
    write_maps(folder / 'Depths_raw' / 'scan2', 0, ramp)
    found = open_dtu((folder,)).depth(2, 0)[7, 11] * 1000.0
    # Image pixel (44, 28) is pixel (2 * (44 + 80), 2 * (28 + 44)) of the big image.
    assert found == pytest.approx(2 * (28 + 44) * 2000.0 + 2 * (44 + 80) + 1.0, rel=1e-6)


def test_archive_folder_is_found_inside(tmp_path: Path) -> None:
    write_set(tmp_path / 'mvs_training' / 'dtu', (2,))
    assert open_dtu((tmp_path / 'nothing', tmp_path)).scans == (2,)


def test_what_is_missing_is_named(small_set, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='--data'):
        open_dtu(())
    with pytest.raises(RecipeError, match=r'Cameras/pair\.txt'):
        open_dtu((tmp_path,))
    copy = tmp_path / 'copy'
    shutil.copytree(small_set, copy)
    (copy / 'Rectified/scan2_train/rect_001_3_r5000.png').unlink()
    data = open_dtu((copy,))
    with pytest.raises(InputError, match='rect_001_3_r5000'):
        data.image(2, 0, 3)
    (copy / 'Depths/scan2_train/depth_visual_0001.png').unlink()
    with pytest.raises(InputError, match='depth_visual_0001'):
        data.depth(2, 1)
    write_maps(copy / 'Depths/scan2_train', 1, np.ones((64, 80)))
    with pytest.raises(InputError, match='160x128'):
        data.depth(2, 1)
    (copy / 'Cameras/train/00000002_cam.txt').unlink()
    with pytest.raises(InputError, match='00000002_cam'):
        open_dtu((copy,))
    for scan in (1, 2, 3):
        shutil.rmtree(copy / f'Rectified/scan{scan}_train')
    with pytest.raises(RecipeError, match='scan1_train'):
        open_dtu((copy,))


def dtu_views(**changes: object):
    pytest.importorskip('torch', reason='the training source needs torch')
    from depth_ros.training.mvsnet.dtu import DtuViews

    return DtuViews(height=64, width=96, depths=16, **changes)


def folders(folder: Path):
    from depth_ros.training.task import DataFolders

    return DataFolders(data=(folder,))


def test_samples_join_images_by_depth(small_set) -> None:
    source = dtu_views().source(folders(small_set))
    assert source.scans == (2,), 'neither the validation scan 3 nor the evaluation scan 1'
    checked = 0
    for batch in islice(source.batches(batch_size=2), 4):
        assert batch.images.shape == (2, 3, 64, 96, 3) and batch.truth.shape == (2, 16, 24)
        assert batch.depths[0, 0] == pytest.approx(0.425)
        assert batch.depths[0, -1] == pytest.approx(0.425 + 1.06 * 0.4775)
        y, x = np.mgrid[:16, :24].astype(float)
        for index in range(2):
            m, truth = batch.transforms[index, 0], batch.truth[index]
            z = np.where(np.isfinite(truth), truth, 0.6)
            u, v, w = ((r[0] * x + r[1] * y + r[2]) * z + r[3] for r in m)
            u, v = np.rint(4 * u / w).astype(int), np.rint(4 * v / w).astype(int)
            inside = (u >= 0) & (u < 96) & (v >= 0) & (v < 64) & np.isfinite(truth)
            reference = batch.images[index, 0, ::4, ::4].astype(int)
            found = batch.images[index, 1].astype(int)[v.clip(0, 63), u.clip(0, 95)]
            assert np.abs(found - reference)[inside].max(initial=0) <= 2
            checked += int(inside.sum())
    assert checked > 300


def test_samples_are_reproducible_and_validation_is_kept_apart(small_set) -> None:
    source = dtu_views().source(folders(small_set))
    third = list(islice(source.batches(batch_size=1), 3))[2]
    again = next(source.batches(batch_size=1, first=2))
    np.testing.assert_array_equal(third.images, again.images)
    np.testing.assert_array_equal(third.truth, again.truth)
    fixed = list(dtu_views().validation(folders(small_set), 3))
    assert len(fixed) == 3
    same = list(dtu_views().validation(folders(small_set), 3))
    np.testing.assert_array_equal(fixed[1].images, same[1].images)


def test_a_set_without_validation_scans_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path, (2, 6))
    with pytest.raises(RecipeError, match='validate'):
        dtu_views().source(folders(folder))


def test_wrong_image_size_is_named(tmp_path: Path) -> None:
    folder = write_set(tmp_path, (2, 3))
    for path in (folder / 'Rectified').rglob('*.png'):
        path.unlink()
        cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    source = dtu_views().source(folders(folder))
    with pytest.raises(InputError, match='640x512'):
        next(source.batches(batch_size=1))


def test_mvsnet_trains_on_it(small_set, tmp_path: Path) -> None:
    views = dtu_views()
    from depth_ros.training.mvsnet.task import MvsNetTask
    from depth_ros.training.recipe import TrainRecipe, find_recipe
    from depth_ros.training.trainer import RunSettings, Trainer

    recipe = TrainRecipe(
        name='tiny_dtu', task=MvsNetTask(views=views), steps=1, batch_size=1, mixed=False,
        validation_samples=2,
    )  # fmt: skip
    trainer = Trainer(recipe, RunSettings(out=tmp_path, threads=1))
    batch = next(views.source(folders(small_set)).batches(batch_size=1))
    assert np.isfinite(trainer.train_step(batch)['loss'])
    found = recipe.task.validate(
        trainer.average.eval(), folders(small_set), samples=2, device='cpu', mixed=nullcontext
    )
    assert 0.0 < found['val_abs_rel'] < 2.0 and 0.0 <= found['val_within_1'] <= 100.0
    assert find_recipe('mvsnet_dtu').task.views.depths == 192
