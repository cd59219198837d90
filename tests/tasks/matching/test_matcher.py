"""Matching end to end: the classical matchers, limits, hostile images and real pairs."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import ParameterError, WeightsError
from depth_ros.evaluation.match_pairs import (
    graf,
    hololens,
    homography_errors,
    scannet_neighbours,
)
from depth_ros.files.image import read_rgb
from depth_ros.frames import ImagePair
from depth_ros.geometry.two_view import TwoViewSettings, TwoViewStatus, estimate_two_view
from depth_ros.models.keypoints.model import mutual_nearest
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from tests.kit.match_scenes import rgb, shifted_pair, texture
from tests.kit.shared_data import shared_path

CLASSICAL = ('sift', 'orb')
SHIFT = (24, 16)


@pytest.fixture(scope='module', params=CLASSICAL)
def matcher(request):
    opened = open_matcher(MatchSettings(model=request.param))
    yield opened
    opened.close()


def shift_errors(result):
    return np.linalg.norm(result.points_first - SHIFT - result.points_second, axis=1)


def test_a_shift_is_found(matcher):
    output = matcher.match(shifted_pair(0, 240, 320, SHIFT), max_matches=0)
    assert len(output.result.confidence) == output.num_found > 100
    assert np.median(shift_errors(output.result)) < 0.5
    assert (shift_errors(output.result) < 3).mean() > 0.95
    assert set(output.stages_s) == {'preprocess', 'infer', 'postprocess'}


def test_confidence_is_the_ratio_test(matcher):
    result = matcher.match(shifted_pair(0, 240, 320, SHIFT)).result
    assert (np.diff(result.confidence) <= 0).all()
    assert result.confidence.min() > 0.2 and result.confidence.max() <= 1
    unsure = matcher.match(shifted_pair(0, 240, 320, SHIFT), min_confidence=0.0)
    assert unsure.num_found > len(result.confidence)
    for name in ('points_first', 'points_second', 'confidence'):
        assert getattr(result, name).dtype == np.float32


def test_limits_of_one_call(matcher):
    pair = shifted_pair(0, 240, 320, SHIFT)
    everything = matcher.match(pair, max_matches=0)
    few = matcher.match(pair, max_matches=7)
    assert few.num_found == everything.num_found
    np.testing.assert_array_equal(few.result.points_first, everything.result.points_first[:7])
    sure = matcher.match(pair, min_confidence=0.6)
    assert 0 < sure.num_found < everything.num_found
    assert sure.result.confidence.min() > 0.6
    assert matcher.match(pair, min_confidence=1.0).num_found == 0


@pytest.mark.parametrize('kind', [np.float32, np.uint8])
def test_nearest_neighbours_are_opencv_s(kind):
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, (n, 32)).astype(kind) for n in (150, 130))
    second[:60] = np.clip(first[20:80] + generator.integers(0, 2, (60, 32)), 0, 255)
    norm = cv2.NORM_HAMMING if kind is np.uint8 else cv2.NORM_L2
    indices, confidence = mutual_nearest(first, second)
    wanted = cv2.BFMatcher(norm, crossCheck=True).match(first, second)
    distance = {(match.queryIdx, match.trainIdx): match.distance for match in wanted}
    found = {tuple(pair) for pair in indices.tolist()}
    # Equal distances may be settled either way.
    assert len(found & set(distance)) > 0.95 * len(distance)
    ratios = cv2.BFMatcher(norm).knnMatch(first, second, k=2)
    for (row, _), value in zip(indices.tolist(), confidence, strict=True):
        best, runner_up = ratios[row]
        assert value == pytest.approx(1 - best.distance / runner_up.distance, abs=1e-4)


def test_masks_hold(matcher):
    pair = shifted_pair(0, 240, 320, SHIFT)
    left = np.zeros((240, 320), np.bool_)
    left[:, :160] = True
    one = matcher.match(pair, masks=(left, None)).result
    assert len(one.confidence) > 20 and one.points_first[:, 0].max() < 160
    both = matcher.match(pair, masks=(left, ~left)).result
    assert (both.points_first[:, 0] < 160).all() and (both.points_second[:, 0] > 159).all()
    nowhere = np.zeros((240, 320), np.uint8)
    assert matcher.match(pair, masks=(nowhere, None)).num_found == 0


BLANK = np.full((120, 160, 3), 90, np.uint8)
TEXTURED = rgb(texture(1, 120, 160))
HOSTILE = {
    'blank': (BLANK, BLANK),
    'blank and textured': (BLANK, TEXTURED),
    'one pixel': (BLANK[:1, :1], TEXTURED),
    'a row': (BLANK[:1], TEXTURED[:, :1]),
    'black and white': (0 * BLANK, BLANK | 255),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_images_without_texture_give_no_matches(matcher, name):
    first, second = HOSTILE[name]
    output = matcher.match(ImagePair(first=first, second=second))
    assert output.num_found == 0
    assert output.result.points_first.shape == (0, 2)
    assert estimate_two_view(output.result).status is TwoViewStatus.TOO_FEW


def test_identical_images_match_themselves(matcher):
    image = rgb(texture(2, 240, 320))
    result = matcher.match(ImagePair(first=image, second=image)).result
    assert len(result.confidence) > 100
    np.testing.assert_array_equal(result.points_first, result.points_second)


def test_images_of_different_size(matcher):
    large = rgb(texture(3, 360, 480))
    small = cv2.resize(large, (320, 240), interpolation=cv2.INTER_AREA)
    result = matcher.match(ImagePair(first=large, second=small)).result
    errors = np.linalg.norm((result.points_first + 0.5) / 1.5 - 0.5 - result.points_second, axis=1)
    assert len(errors) > 30 and (errors < 2).mean() > 0.9


def test_a_quarter_turn_is_found(matcher):
    image = rgb(texture(4, 240, 320))
    turned = np.ascontiguousarray(np.rot90(image))
    result = matcher.match(ImagePair(first=image, second=turned)).result
    x, y = result.points_first.T
    errors = np.linalg.norm(np.stack([y, 319 - x], axis=1) - result.points_second, axis=1)
    assert len(errors) > 100 and (errors < 2).mean() > 0.9


@pytest.mark.parametrize(
    'change, match',
    [
        ({'model': 'surf'}, 'sift, orb, loftr, loftr_tiny, loftr_coarse'),
        ({'max_matches': -1}, 'max_matches'),
        ({'min_confidence': 1.5}, 'min_confidence'),
        ({'min_confidence': float('nan')}, 'min_confidence'),
        ({'max_keypoints': -5}, 'max_keypoints'),
    ],
)
def test_wrong_settings_are_refused(change, match):
    with pytest.raises(ParameterError, match=match):
        open_matcher(replace(MatchSettings(), **change))


def test_settings_change_while_it_runs():
    matcher = open_matcher(MatchSettings(model='orb'))
    matcher.set_settings(MatchSettings(model='orb', max_matches=3))
    assert len(matcher.match(shifted_pair(0, 240, 320, SHIFT)).result.confidence) == 3
    with pytest.raises(ParameterError, match='open_matcher'):
        matcher.set_settings(MatchSettings(model='sift'))
    with pytest.raises(ParameterError, match='max_matches'):
        matcher.match(shifted_pair(0, 240, 320, SHIFT), max_matches=-2)


def test_loftr_without_weights_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    with pytest.raises(WeightsError, match='depth-ros build loftr'):
        open_matcher(
            MatchSettings(
                model='loftr',
                variant='outdoor_ds',
                engine=EngineChoice(weights=str(tmp_path / 'outdoor_ds.ckpt')),
            )
        )


def test_thresholds_belong_to_the_model():
    student = MatchSettings(model='loftr_coarse')
    assert student.default_min_confidence == 0.01 and student.inlier_threshold_px == 8.0
    assert replace(student, model='sift').default_min_confidence == 0.2
    assert MatchSettings(model='loftr').inlier_threshold_px == 1.5


@pytest.fixture(scope='module')
def student(tmp_path_factory):
    """The real distilled network at a quarter of its size in area."""
    pytest.importorskip('torch', reason='torch is not installed')
    weights = shared_path('weights/loftr_coarse/LoFTR_teacher.pt')
    settings = MatchSettings(
        model='loftr_coarse',
        max_matches=0,
        engine=EngineChoice(weights=str(weights), runtime='torch', num_threads=1),
    )
    opened = open_matcher(settings)
    yield opened
    opened.close()


def matchers(student):
    yield 'student', student
    for name in CLASSICAL:
        yield name, open_matcher(MatchSettings(model=name, max_matches=0))


def test_graf_follows_its_homography(student):
    """Oxford's graffiti from two sides; the truth is given to the pixel."""
    (judged,) = graf(shared_path('data/opencv_planar_pairs'))
    for name, matcher in matchers(student):
        result = matcher.match(judged.pair).result
        precision = (judged.errors(result) < (16 if name == 'student' else 3)).mean()
        assert len(result.confidence) > 100, name
        assert precision > (0.3 if name == 'student' else 0.55), name
        if name != 'student':
            found = estimate_two_view(result)
            errors = homography_errors(result, found.homography)
            assert np.median(errors[found.inliers]) < 1.5


def camera_of(judged):
    k, (height, width) = judged.k, judged.pair.first.shape[:2]
    return ideal_camera(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2], height=height, width=width)


def pose_errors(judged, found):
    """Angles in degrees of rotation and direction of the translation."""
    turn = found.second_from_first[:3, :3] @ judged.second_from_first[:3, :3].T
    direction = judged.second_from_first[:3, 3]
    cosine = found.second_from_first[:3, 3] @ direction / np.linalg.norm(direction)
    rotation = np.linalg.norm(cv2.Rodrigues(turn)[0])
    return np.degrees([rotation, np.arccos(np.clip(cosine, -1, 1))])


LIMITS = {'student': (300, 8.0), 'sift': (30, 4.0), 'orb': (100, 4.0)}
"""At least so many matches, of at most this median error in px."""


@pytest.mark.parametrize(
    ('load', 'folder'), [(hololens, 'hololens_mvs'), (scannet_neighbours, 'scannet_posed_mini')]
)
def test_real_neighbours_match(student, load, folder):
    judged = list(load(shared_path(f'data/{folder}')))[2]
    for name, matcher in matchers(student):
        at_least, median_px = LIMITS[name]
        result = matcher.match(judged.pair).result
        errors = judged.errors(result)
        errors = errors[np.isfinite(errors)]
        assert len(result.confidence) > at_least, name
        assert np.median(errors) < median_px, name
        assert (errors < 16).mean() > 0.8, name
        settings = TwoViewSettings(threshold_px=matcher.settings.inlier_threshold_px)
        found = estimate_two_view(
            result, first_camera=camera_of(judged), are_rectified=True, settings=settings
        )
        if load is hololens:
            assert found.status in (TwoViewStatus.OK, TwoViewStatus.AMBIGUOUS), name
            rotation, direction = pose_errors(judged, found)
            assert rotation < 5, name
            assert name == 'student' or direction < 20, name


def test_the_student_takes_what_is_hostile(student):
    for name, (first, second) in HOSTILE.items():
        output = student.match(ImagePair(first=first, second=second))
        points = output.result.points_second
        assert np.isfinite(points).all(), name
        assert (points < second.shape[1::-1]).all() and (points >= -0.5).all(), name
    image = read_rgb(shared_path('data/hololens_mvs/images/00071.png'))
    same = student.match(ImagePair(first=image, second=image)).result
    assert len(same.confidence) > 500
    assert (same.points_first == same.points_second).all(axis=1).mean() > 0.95
    turned = student.match(
        ImagePair(first=image, second=np.ascontiguousarray(np.rot90(image)))
    ).result
    assert (turned.points_second < (360, 540)).all()


@pytest.mark.parametrize(
    ('variant', 'name'), [('tiny', 'loftr_tiny'), ('coarse_student', 'loftr_coarse')]
)
def test_networks_that_were_variants_are_named(variant: str, name: str) -> None:
    with pytest.raises(ParameterError, match=f'set model to {name} and leave variant out'):
        open_matcher(MatchSettings(model='loftr', variant=variant))
    with pytest.raises(ParameterError, match=f'set model to {name}'):
        open_matcher(MatchSettings(model=f'loftr/{variant}'))


def test_a_variant_of_what_has_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="'loftr_tiny' has no variants, got variant 'huge'"):
        open_matcher(MatchSettings(model='loftr_tiny', variant='huge'))
