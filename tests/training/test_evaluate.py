"""The small network in torch as the card measures it, and the gallery."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the card runs the network in torch')

from depth_ros.errors import CalibrationError, InputError
from depth_ros.models.crestereo_tiny.network import CreStereoTiny
from depth_ros.training.evaluate import network_matcher, network_matchers
from depth_ros.training.gallery import draw_gallery, gallery_pairs
from tests.kit.shared_data import shared_path
from tests.kit.stereo_pairs import textured_pair


class DisparityOf(CreStereoTiny):
    """Pretends to find one disparity, in the pixels of what it is given."""

    def forward(self, left, right):
        self.seen = tuple(left.shape)
        return torch.full((1, 1, *left.shape[2:]), 8.0)


def test_network_matcher_gives_pixels_of_the_pair_whatever_the_size() -> None:
    pair = textured_pair(16)
    network = DisparityOf()
    found = network_matcher(network, (48, 80))(pair.left, pair.right)
    assert network.seen == (1, 3, 48, 80) and found.shape == pair.truth.shape
    np.testing.assert_allclose(found, 16.0)
    odd = pair.left[:90, :150]
    found = network_matcher(network, None)(odd, odd)
    assert network.seen == (1, 3, 96, 160) and found.shape == (90, 150)
    np.testing.assert_allclose(found, 8.0)


def test_methods_are_named_by_network_and_size() -> None:
    methods = network_matchers({'net': DisparityOf()}, [None, (48, 80)])
    assert list(methods) == ['net padded', 'net 48x80']


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='has no'):
        draw_gallery([tmp_path], {}, [], tmp_path / 'x.png')


def test_gallery_has_a_row_per_pair_and_a_tile_per_map(tmp_path: Path) -> None:
    pair = textured_pair(9)
    cv2.imwrite(str(tmp_path / 'a_left.png'), pair.left)
    cv2.imwrite(str(tmp_path / 'a_right.png'), pair.right)
    draw_gallery([tmp_path], {'net': DisparityOf()}, [None, (48, 80)], tmp_path / 'x.png')
    assert cv2.imread(str(tmp_path / 'x.png')).shape == (192, 4 * 320, 3)


def test_gallery_pairs_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ('a_left', 'a_right', 'left', 'right'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.zeros((8, 9, 3), np.uint8))
    assert [pair.name for pair in gallery_pairs(tmp_path)] == ['a', tmp_path.name]


def test_euroc_pairs_come_out_row_aligned() -> None:
    (pair,) = gallery_pairs(shared_path('data/euroc_v101_stereo'))
    corners = cv2.goodFeaturesToTrack(cv2.cvtColor(pair.left, cv2.COLOR_RGB2GRAY), 300, 0.02, 8)
    track = {'winSize': (21, 21), 'maxLevel': 4}
    there, _, _ = cv2.calcOpticalFlowPyrLK(pair.left, pair.right, corners, None, **track)
    back, _, _ = cv2.calcOpticalFlowPyrLK(pair.right, pair.left, there, None, **track)
    is_sure = np.abs(back - corners).max(axis=(1, 2)) < 0.5
    rows = (there - corners)[is_sure, 0, 1]
    assert len(rows) > 80
    assert float(np.percentile(np.abs(rows), 80)) < 0.6


def test_a_broken_euroc_calibration_is_named(tmp_path: Path) -> None:
    for camera in ('cam0', 'cam1'):
        data = tmp_path / 'mav0' / camera / 'data'
        data.mkdir(parents=True)
        cv2.imwrite(str(data / '1.png'), np.zeros((8, 9, 3), np.uint8))
        (tmp_path / 'mav0' / camera / 'sensor.yaml').write_text('intrinsics: [1, 2]\n')
    with pytest.raises(CalibrationError, match=r'sensor\.yaml'):
        gallery_pairs(tmp_path)
