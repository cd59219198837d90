"""Matches against truth: pairs whose truth is exact, and files of every set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.match import SIFT, evaluate_set, surest, table
from depth_ros.evaluation.match_pairs import (
    MATCH_SETS,
    JudgedPair,
    epipolar,
    graf,
    hololens,
    homography_errors,
    scannet_neighbours,
    scannet_wide,
    symmetric_epipolar,
)
from depth_ros.frames import ImagePair
from depth_ros.pictures.panels import write_picture
from depth_ros.results import MatchResult
from depth_ros.tasks.matching.matcher import MatchOutput, open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from tests.kit.match_scenes import shifted_pair, texture
from tests.kit.shared_data import shared_path
from tests.kit.truth_folders import write_hololens

HOMOGRAPHY = np.array([[1.0, 0.05, -24.0], [-0.03, 1.0, -16.0], [1e-4, 0.0, 1.0]])
MATRIX = '<x><data>{}</data></x>'


def result_of(first: np.ndarray, second: np.ndarray) -> MatchResult:
    return MatchResult(
        points_first=first.astype(np.float32),
        points_second=second.astype(np.float32),
        confidence=np.linspace(1.0, 0.5, len(first), dtype=np.float32),
    )


def moved(points: np.ndarray) -> np.ndarray:
    lifted = np.column_stack([points, np.ones(len(points))]) @ HOMOGRAPHY.T
    return lifted[:, :2] / lifted[:, 2:]


class KnowsTheHomography:
    """Gives true matches, every second one 10 px off, however long the images are looked at."""

    def __init__(self, count: int) -> None:
        self.points = np.random.default_rng(0).uniform(20, 200, (count, 2))

    def match(self, pair: ImagePair) -> MatchOutput:
        second = moved(self.points)
        second[1::2, 0] += 10.0
        result = result_of(self.points, second)
        return MatchOutput(result=result, num_found=len(second), stages_s={})


def planar_pair() -> JudgedPair:
    return JudgedPair(
        name='plane',
        pair=shifted_pair(0, 120, 160),
        errors=lambda result: homography_errors(result, HOMOGRAPHY),
    )


def test_shares_and_counts_of_known_matches() -> None:
    matchers = {'LoFTR x': KnowsTheHomography(40), SIFT: KnowsTheHomography(11)}
    rows = {row.matcher: row for row in evaluate_set('planes', [planar_pair()] * 2, matchers)}
    assert list(rows) == [
        'LoFTR x', 'SIFT', 'LoFTR x, equal count', 'SIFT for LoFTR x, equal count',
    ]  # fmt: skip
    row = rows['LoFTR x']
    assert (row.num_pairs, row.num_matches) == (2, 40.0)
    assert row.within == (0.5, 0.5, 1.0) and np.isnan(row.epipolar)
    assert row.median_px == pytest.approx(5.0, abs=0.01)
    assert rows['LoFTR x, equal count'].num_matches == 11.0
    assert rows['SIFT'].within[0] == pytest.approx(6 / 11)
    assert '| planes | LoFTR x | 2 | 40 | 5.00 | 50.0 | 50.0 | 100.0 | - |' in table(rows.values())


def test_no_match_at_all_gives_dashes() -> None:
    (row,) = evaluate_set('none', [planar_pair()], {SIFT: KnowsTheHomography(0)})
    assert row.num_matches == 0.0 and np.isnan(row.median_px)
    assert table([row]).endswith('| none | SIFT | 1 | 0 | - | - | - | - | - |')


def test_without_sift_there_is_no_equal_count() -> None:
    rows = evaluate_set('plane', [planar_pair()], {'LoFTR x': KnowsTheHomography(4)})
    assert [row.matcher for row in rows] == ['LoFTR x']


def test_the_surest_come_first() -> None:
    result = result_of(np.arange(10.0).reshape(5, 2), np.arange(10.0).reshape(5, 2))
    assert surest(result, 2).confidence.tolist() == [1.0, 0.875]


def test_a_shift_is_a_motion_along_x() -> None:
    """Both epipolar distances see what lies across the line, and not what lies along it."""
    motion = np.eye(4)
    motion[0, 3] = -0.5
    k = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    first = np.array([[10.0, 20.0], [30.0, 40.0]])
    judged = JudgedPair(
        name='x',
        pair=shifted_pair(0, 64, 64),
        errors=epipolar(k, k, motion),
        second_from_first=motion,
        k=k,
    )
    along = result_of(first, first + np.array([7, 0]))
    across = result_of(first, first + np.array([7, 3]))
    np.testing.assert_allclose(judged.errors(along), 0.0, atol=1e-5)
    np.testing.assert_allclose(judged.errors(across), 3.0, atol=1e-5)
    np.testing.assert_allclose(symmetric_epipolar(judged, across), 2 * 0.03**2, rtol=1e-4)


def write_graf(folder: Path, matrix: str) -> None:
    folder.mkdir()
    image = np.repeat(texture(0, 240, 320)[:, :, None], 3, axis=2)
    write_picture(folder / 'graf1.png', image)
    write_picture(folder / 'graf3.png', cv2.warpPerspective(image, HOMOGRAPHY, (320, 240)))
    (folder / 'H1to3p.xml').write_text(MATRIX.format(matrix))


def test_an_image_warped_by_a_homography_is_matched(tmp_path: Path) -> None:
    write_graf(tmp_path / 'graf', ' '.join(map(str, HOMOGRAPHY.ravel())))
    (judged,) = graf(tmp_path / 'graf')
    matcher = open_matcher(MatchSettings(model='sift'))
    (row,) = evaluate_set('graf', [judged], {SIFT: matcher})
    assert row.num_matches > 50 and row.within[0] > 0.95 and row.median_px < 0.5


@pytest.mark.parametrize('matrix', ['', '1 2 3', '1 2 3 4 5 6 7 8 nan', 'a b c d e f g h i'])
def test_a_damaged_homography_is_named(tmp_path: Path, matrix: str) -> None:
    write_graf(tmp_path / 'graf', matrix)
    with pytest.raises(InputError, match=r'H1to3p\.xml: expected 9'):
        next(graf(tmp_path / 'graf'))


def test_a_missing_frame_of_scannet_is_named(tmp_path: Path) -> None:
    numbers = ' '.join(['1'] * 34)
    (tmp_path / 'scannet_sample_pairs_with_gt.txt').write_text(f'a/1.jpg b/2.jpg 0 0 {numbers}\n')
    with pytest.raises(InputError, match=r'\*1\.jpg, got none'):
        next(scannet_wide(tmp_path))
    (tmp_path / 'intrinsic_depth.txt').write_text('1 2')
    with pytest.raises(InputError, match=r'intrinsic_depth\.txt: expected 16'):
        next(scannet_neighbours(tmp_path))


def test_rendered_neighbours_are_judged_by_their_depth(tmp_path: Path) -> None:
    write_hololens(tmp_path, names=['00000', '00001'])
    (judged,) = hololens(tmp_path / 'hololens_mvs')
    matcher = open_matcher(MatchSettings(model='sift'))
    (row,) = evaluate_set('rendered', [judged], {SIFT: matcher})
    assert row.num_matches > 30 and row.within[0] > 0.9 and row.epipolar > 0.9


def test_every_shared_set_is_read() -> None:
    data = shared_path('data/hololens_mvs').parent
    counts = {
        name: len(list(item.load(shared_path(f'data/{item.folder}'))))
        for name, item in MATCH_SETS.items()
    }
    assert list(counts.values()) == [11, 3, 15, 1], data


def test_shared_pairs_have_the_accuracy_of_the_docs() -> None:
    """SIFT on HoloLens 91.7 % within 3 px, on graf 63.2 %."""
    matcher = open_matcher(MatchSettings(model='sift', max_matches=0))
    for name, share in (('hololens_mvs', 0.90), ('opencv_planar_pairs', 0.60)):
        (item,) = (item for item in MATCH_SETS.values() if item.folder == name)
        (row,) = evaluate_set(name, item.load(shared_path(f'data/{name}')), {SIFT: matcher})
        assert row.num_matches > 500 and row.within[0] > share
