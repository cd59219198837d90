"""The picture of matches: where lines run, and what their colours say."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.frames import ImagePair
from depth_ros.pictures.matches import MAX_TILE_PX, OUTLIER_COLOR, confidence_colors, match_picture
from depth_ros.results import MatchResult


def matches(*pairs: tuple[tuple[float, float], tuple[float, float], float]) -> MatchResult:
    return MatchResult(
        points_first=np.array([pair[0] for pair in pairs], np.float32).reshape(-1, 2),
        points_second=np.array([pair[1] for pair in pairs], np.float32).reshape(-1, 2),
        confidence=np.array([pair[2] for pair in pairs], np.float32),
    )


def grey(height: int, width: int, level: int = 40) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


PAIR = ImagePair(first=grey(80, 100), second=grey(60, 50, 90))


def test_images_stand_side_by_side_and_stay_as_they_are() -> None:
    before = PAIR.first.copy()
    picture = match_picture(PAIR, matches())
    assert picture.shape == (80, 150, 3)
    assert (picture[:50, :100] == 40).all()
    assert (picture[:50, 100:] == 90).all()
    assert (picture[62, 110:] == 0).all(), 'nothing is where the smaller image ends'
    assert np.array_equal(PAIR.first, before)


def test_a_line_joins_the_points_in_the_colour_of_its_confidence() -> None:
    result = matches(((90, 10), (20, 10), 0.9), ((90, 40), (20, 40), 0.1))
    picture = match_picture(PAIR, result)
    red, blue = picture[10, 105], picture[40, 105]
    assert red[0] > 100 > red[2]
    assert blue[2] > blue[0]


def test_outliers_are_grey() -> None:
    result = matches(((90, 10), (20, 10), 0.9), ((90, 40), (20, 40), 0.1))
    picture = match_picture(PAIR, result, is_inlier=np.array([True, False]))
    assert np.abs(picture[40, 105].astype(int) - OUTLIER_COLOR).max() <= 4


def test_only_the_surest_are_drawn() -> None:
    result = matches(((90, 10), (20, 10), 0.9), ((90, 40), (20, 40), 0.1))
    picture = match_picture(PAIR, result, max_lines=1)
    assert tuple(picture[40, 105]) == (90, 90, 90)


def test_large_images_are_drawn_smaller_with_lines_where_they_belong() -> None:
    pair = ImagePair(first=grey(2 * MAX_TILE_PX, 1000), second=grey(2 * MAX_TILE_PX, 1000))
    picture = match_picture(pair, matches(((999, 600), (0, 600), 1.0)))
    assert picture.shape == (MAX_TILE_PX, 1000, 3)
    assert picture[300, 499:501].max() > 100
    assert (picture[290, 495:505] == 40).all()


@pytest.mark.parametrize('size', [(1, 1), (1, 90), (3, 2)])
def test_tiny_images(size: tuple[int, int]) -> None:
    pair = ImagePair(first=grey(*size), second=grey(*size))
    picture = match_picture(pair, matches(((0, 0), (0, 0), 0.5)))
    assert picture.shape == (size[0], 2 * size[1], 3)


def test_colours_span_the_confidences() -> None:
    colors = confidence_colors(np.array([0.9, 0.5, 0.1])).astype(int)
    assert colors[0, 0] > colors[0, 2] and colors[2, 2] > colors[2, 0]
    assert confidence_colors(np.zeros(0)).shape == (0, 3)
    assert np.array_equal(confidence_colors(np.ones(3)), np.repeat(colors[:1], 3, axis=0))
