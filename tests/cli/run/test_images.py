"""Reading images and pairing folders."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.cli.kit.images import find_pairs
from depth_ros.errors import ImageError, InputError
from depth_ros.files.image import read_rgb, usual_size

RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.ppm', '.tif'])
def test_colours_come_out_as_rgb(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f'a{suffix}'), RGB[..., ::-1])
    np.testing.assert_array_equal(read_rgb(tmp_path / f'a{suffix}'), RGB)


@pytest.mark.parametrize('suffix', ['.png', '.pgm'])
def test_grey_becomes_three_equal_channels(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f'a{suffix}'), RGB[..., 0])
    image = read_rgb(tmp_path / f'a{suffix}')
    np.testing.assert_array_equal(image, np.repeat(RGB[..., :1], 3, axis=2))


def test_16_bits_become_8(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), values)
    np.testing.assert_allclose(read_rgb(tmp_path / 'a.png')[0, :, 0], [0, 1, 128, 255], atol=1)


def test_jpeg_is_read(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.JPG'), flat[..., ::-1])
    assert np.abs(read_rgb(tmp_path / 'a.JPG').astype(int) - flat).max() < 6


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.bmp', 'a.tif'])
@pytest.mark.parametrize('content', [b'', b'not an image', b'\xff\xd8\xff\xe0 half'])
def test_what_is_no_image_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f'{name} is not a whole image'):
        read_rgb(tmp_path / name)


def test_truncated_jpeg_is_refused(tmp_path):
    big = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = cv2.imencode('.jpg', big)[1].tobytes()
    (tmp_path / 'a.jpg').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match='not a whole image'):
        read_rgb(tmp_path / 'a.jpg')


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b'')


def names_of(found):
    return [(pair.left.name, pair.right.name) for pair in found.pairs]


def test_folders_pair_by_equal_names_in_order(tmp_path):
    touch(tmp_path / 'l', '2.png', '1.png', '3.png', 'notes.txt')
    touch(tmp_path / 'r', '1.png', '2.png', '9.png')
    found = find_pairs(tmp_path / 'l', tmp_path / 'r')
    assert names_of(found) == [('1.png', '1.png'), ('2.png', '2.png')]
    assert [path.name for path in found.unpaired] == ['3.png']


def test_folders_pair_by_left_and_right_in_the_name(tmp_path):
    touch(tmp_path / 'l', 'left_1.png', 'left_2.png')
    touch(tmp_path / 'r', 'right_1.png', 'right_2.png')
    found = find_pairs(tmp_path / 'l', tmp_path / 'r')
    assert names_of(found) == [('left_1.png', 'right_1.png'), ('left_2.png', 'right_2.png')]
    assert found.unpaired == ()


def test_one_folder_never_pairs_an_image_with_itself(tmp_path):
    touch(tmp_path, 'a_left.png', 'a_right.png', 'b_left.png', 'other.png')
    found = find_pairs(tmp_path, tmp_path)
    assert names_of(found) == [('a_left.png', 'a_right.png')]
    assert [path.name for path in found.unpaired] == ['b_left.png']


def test_one_name_twice_would_overwrite_results(tmp_path):
    touch(tmp_path / 'l', '1.png', '1.jpg')
    touch(tmp_path / 'r', '1.png', '1.jpg')
    with pytest.raises(InputError, match="several images named '1'"):
        find_pairs(tmp_path / 'l', tmp_path / 'r')


def test_the_usual_size_is_that_of_most_images_and_what_is_no_image_does_not_count(
    tmp_path,
):
    assert usual_size([]) is None
    sizes = [(8, 9), (4, 6), (4, 6), (8, 9), (4, 6)]
    paths = [tmp_path / f'{index}.png' for index in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    (tmp_path / 'text.png').write_text('no picture', encoding='utf-8')
    assert usual_size([tmp_path / 'text.png', tmp_path / 'gone.png']) is None
    assert usual_size([tmp_path / 'text.png', *paths]) == (4, 6)
    assert usual_size(paths * 50) == (4, 6)
