"""Depth and disparity files of several origins: known values, and a sentence for what is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import ImageError, InputError
from depth_ros.files.maps import read_depth, read_disparity
from depth_ros.pictures.panels import write_picture

NAN = np.nan
MAP = np.array([[1.5, NAN, 3.25], [0.25, 200.0, NAN]], np.float32)


def write_pfm(path, values, order='<f4'):
    scale = b'-1.0' if order == '<f4' else b'1.0'
    filled = np.where(np.isnan(values), np.inf, values)[::-1].astype(order)
    height, width = values.shape
    path.write_bytes(b'Pf\n%d %d\n%s\n' % (width, height, scale) + filled.tobytes())


@pytest.mark.parametrize('kind', ['npy', 'npz', 'pfm', 'big-endian pfm'])
def test_float_files_give_what_was_written(tmp_path, kind):
    path = tmp_path / f'd.{kind.split()[-1]}'
    if kind == 'npy':
        np.save(path, MAP)
    elif kind == 'npz':
        np.savez(path, np.where(np.isnan(MAP), np.inf, MAP).astype(np.float64))
    else:
        write_pfm(path, MAP, '>f4' if kind.startswith('big') else '<f4')
    np.testing.assert_array_equal(read_disparity(path), MAP)


def test_png_of_8_bits_is_pixels_and_of_16_bits_kitti(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.array([[0, 7, 255]], np.uint8))
    np.testing.assert_array_equal(read_disparity(tmp_path / 'a.png'), [[NAN, 7, 255]])
    cv2.imwrite(str(tmp_path / 'b.png'), np.array([[0, 256, 384]], np.uint16))
    np.testing.assert_array_equal(read_disparity(tmp_path / 'b.png'), [[NAN, 1, 1.5]])


def spoil(folder):
    np.savez(folder / 'two.npz', a=MAP, b=MAP)
    np.save(folder / 'cube.npy', np.zeros((2, 2, 2)))
    np.save(folder / 'pickle.npy', np.array([{}], object), allow_pickle=True)
    (folder / 'text.npy').write_text('hello')
    (folder / 'text.npz').write_text('hello')
    (folder / 'empty.npy').write_bytes(b'')
    (folder / 'text.png').write_text('hello')
    cv2.imwrite(str(folder / 'colour.png'), np.zeros((4, 4, 3), np.uint8))
    (folder / 'cut.pfm').write_bytes(b'Pf\n10 10\n-1.0\n' + b'\0' * 40)
    (folder / 'colour.pfm').write_bytes(b'PF\n1 1\n-1.0\n' + b'\0' * 12)
    (folder / 'short.pfm').write_bytes(b'Pf\n')
    (folder / 'd.exr').write_bytes(b'x')


@pytest.mark.parametrize(
    'name',
    [
        'two.npz',
        'cube.npy',
        'pickle.npy',
        'text.npy',
        'text.npz',
        'empty.npy',
        'text.png',
        'colour.png',
        'cut.pfm',
        'colour.pfm',
        'short.pfm',
        'd.exr',
        'absent.npy',
    ],
)
def test_what_is_no_disparity_is_refused_by_name(tmp_path, name):
    spoil(tmp_path)
    with pytest.raises(InputError, match=name):
        read_disparity(tmp_path / name)


def test_depth_is_metres_and_nan(tmp_path: Path) -> None:
    path = tmp_path / 'depth.png'
    cv2.imwrite(str(path), np.array([[0, 1500], [65535, 1]], np.uint16))
    np.testing.assert_allclose(read_depth(path), [[np.nan, 1.5], [65.535, 0.001]])
    np.testing.assert_allclose(read_depth(path, unit_m=1 / 5000)[0, 1], 0.3)


@pytest.mark.parametrize('image', [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16)])
def test_what_is_no_depth_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / 'depth.png'
    with pytest.raises(InputError, match=r'no file .*depth\.png'):
        read_depth(path)
    cv2.imwrite(str(path), image)
    with pytest.raises(InputError, match='depth must be a 16-bit PNG of one channel, but'):
        read_depth(path)


def test_depth_that_is_no_depth_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / 'a.png', np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ImageError, match='16-bit'):
        read_depth(tmp_path / 'a.png', unit_m=0.001)
    np.save(tmp_path / 'a.npy', np.ones((4, 4), np.float32))
    assert read_depth(tmp_path / 'a.npy', unit_m=0.001).tolist() == np.ones((4, 4)).tolist()
