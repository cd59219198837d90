"""Black borders are found, dark things within an image are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.frames import ImagePair
from depth_ros.geometry.content import MARGIN_PX, content_mask, within_content
from depth_ros.tasks.matching.matcher import open_matcher


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(60, 255, (120, 160, 3), np.uint8)


def test_an_image_that_is_full_has_no_border(image):
    image[50:60, 50:60] = 0
    image[0, 0] = 0
    assert content_mask(image) is None
    assert within_content(image, None) is None


def test_a_letterbox_is_no_content_and_neither_is_its_edge(image):
    image[:20] = 3
    mask = content_mask(image)
    assert mask is not None
    assert not mask[: 20 + MARGIN_PX].any() and mask[20 + MARGIN_PX :].all()


def test_both_masks_count(image):
    image[:20] = 0
    wanted = np.zeros((120, 160), bool)
    wanted[:, :80] = True
    mask = within_content(image, wanted)
    assert mask is not None and mask[60, 10] and not mask[60, 100] and not mask[5, 10]


def test_nothing_is_matched_at_the_edge_of_a_border(image):
    """A tilted border has corners of its own, which move with the camera and not the scene."""
    rows, columns = np.mgrid[:120, :160]
    image[columns < 30 + rows // 10] = 0
    with open_matcher(model='orb') as match:
        result = match.match(ImagePair(first=image, second=image)).result
    x, y = result.points_first.T
    assert len(x) > 20
    assert (x >= 30 + y // 10 + MARGIN_PX - 1).all()
