"""The evaluation behind the card: masks, scales, SGBM's known figures on Motorcycle."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the evaluation runs the network in torch')

from shared_data import shared_path  # noqa: E402

from depth_ros.errors import CalibrationError, InputError  # noqa: E402
from depth_ros.models.crestereo.network_tiny import CreStereoTiny  # noqa: E402
from depth_ros.training.evaluate import (  # noqa: E402
    EvaluationPair,
    evaluate_pair,
    halved,
    load_pairs,
    network_matcher,
    sgbm_matcher,
    table,
    visible_mask,
)
from depth_ros.training.gallery import draw_gallery  # noqa: E402
from depth_ros.training.gallery_pairs import gallery_pairs  # noqa: E402


def textured_pair(shift: int, height: int = 96, width: int = 160) -> EvaluationPair:
    rng = np.random.default_rng(4)
    scene = cv2.GaussianBlur(
        rng.integers(0, 256, (height, width + shift, 3)).astype(np.uint8), (3, 3), 0.8
    )
    return EvaluationPair(
        name='shifted',
        left=np.ascontiguousarray(scene[:, :width]),
        right=np.ascontiguousarray(scene[:, shift:]),
        truth=np.full((height, width), float(shift), np.float32),
        num_disparities=32,
    )


def test_visible_mask_finds_the_strip_beside_a_box() -> None:
    truth = np.full((4, 60), 4.0)
    truth[:, 30:40] = 14.0
    truth[0, 55] = np.nan
    seen = visible_mask(truth)
    assert not seen[:, :4].any()
    assert seen[:, 4:20].all()
    assert not seen[:, 20:30].any()
    assert seen[1:, 30:].all() and not seen[0, 55]


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


def test_sgbm_on_a_shifted_pair_is_right_and_the_table_says_so() -> None:
    row = evaluate_pair(textured_pair(9), 'sgbm', sgbm_matcher(32, is_filled=True))
    assert row.everywhere.epe_px < 0.1 and row.everywhere.density == 1.0
    assert row.visible.num_pixels == 96 * (160 - 9)
    assert row.consistent > 0.9
    assert '| shifted | sgbm | 0.0' in table([row])
    assert json.loads(json.dumps(row.record()))['visible']['bad2'] == 0.0


def test_halving_halves_the_disparity() -> None:
    half = halved(textured_pair(16))
    assert half.name == 'shifted/2' and halved(half).name == 'shifted/4'
    assert half.left.shape == (48, 80, 3) and half.truth.shape == (48, 80)
    assert (half.truth == 8.0).all() and half.num_disparities == 16


def test_sgbm_on_motorcycle_has_its_known_accuracy() -> None:
    pairs = load_pairs(shared_path('data/middlebury_motorcycle').parent)
    assert [pair.name for pair in pairs] == ['motorcycle', 'motorcycle/2', 'aloe/2', 'aloe/4']
    assert pairs[0].truth.shape == (500, 741) and pairs[2].truth.shape == (555, 641)
    row = evaluate_pair(pairs[1], 'sgbm', sgbm_matcher(32, is_filled=True))
    # Plain OpenCV with the same settings and fill gives 1.07 px and 9.5 %.
    assert row.everywhere.epe_px < 1.07 and row.everywhere.bad2 < 0.095


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='motorcycle_left'):
        load_pairs(tmp_path)
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
