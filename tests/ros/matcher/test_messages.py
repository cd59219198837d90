"""Messages of the matching service without ROS: what is read, refused and filled in."""

from __future__ import annotations

import math
from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import (
    CalibrationError,
    EngineError,
    ImageError,
    InputError,
    ParameterError,
)
from depth_ros.frames import ImagePair
from depth_ros.geometry.two_view import TwoViewGeometry, TwoViewStatus
from depth_ros.messages.matches import fill_matches, points_of
from depth_ros.results import MatchResult
from depth_ros.ros.matcher.messages import (
    GEOMETRY_NOT_ASKED,
    GEOMETRY_STATUS,
    MatchStatus,
    check_limits,
    check_pixels,
    decode_mask,
    fill_geometry,
    request_camera,
    status_of,
)
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.question import MatchQuestion
from depth_ros.tasks.matching.settings import MatchSettings
from tests.kit.message_doubles import image, image_of


def request(**fields: Any) -> Any:
    names = ('fundamental', 'essential', 'homography', 'pose')
    values = {'min_confidence': -1.0, 'max_wait_s': 0.0, **dict.fromkeys(names, False), **fields}
    return SimpleNamespace(**values)


def geometry_message() -> Any:
    position = SimpleNamespace(x=0.0, y=0.0, z=0.0)
    orientation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    pose = SimpleNamespace(position=position, orientation=orientation)
    flags = {f'has_{name}': False for name in ('fundamental', 'essential', 'homography', 'pose')}
    second_from_first = SimpleNamespace(pose=pose, covariance=np.zeros(36))
    return SimpleNamespace(**flags, second_from_first=second_from_first)


def geometry(**fields: Any) -> TwoViewGeometry:
    values = {'status': TwoViewStatus.OK, 'text': 'fine', 'inliers': np.array([True, False])}
    return TwoViewGeometry(**{**values, **fields})


def test_mask_is_read_without_its_padding() -> None:
    values = np.array([[0, 1, 255], [7, 0, 0]], np.uint8)
    read = decode_mask(image_of(values, 'mono8', padding=2), what='first mask')
    assert read is not None and read.dtype == np.bool_
    assert np.array_equal(read, values != 0)


def test_no_data_is_no_mask() -> None:
    assert decode_mask(image(), what='first mask') is None


@pytest.mark.parametrize(
    'changes',
    [{'encoding': 'rgb8'}, {'step': 1}, {'height': 9}, {'width': 0}],
    ids=lambda changes: next(iter(changes)),
)
def test_broken_masks_are_refused(changes: dict[str, Any]) -> None:
    message = image_of(np.ones((2, 3), np.uint8), 'mono8')
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ImageError, match='second mask') as raised:
        decode_mask(message, what='second mask')
    assert status_of(raised.value) is MatchStatus.INVALID_MASK


def test_up_to_4k_is_taken() -> None:
    check_pixels(2160, 3840, what='image')
    check_pixels(3840, 2160, what='image')
    check_pixels(2160, 4096, what='image')
    with pytest.raises(ImageError, match='4097x2160') as raised:
        check_pixels(2160, 4097, what='image')
    assert status_of(raised.value) is MatchStatus.TOO_LARGE


@pytest.mark.parametrize(
    'fields',
    [
        {'min_confidence': math.nan},
        {'min_confidence': 1.01},
        {'max_wait_s': -1.0},
        {'max_wait_s': math.nan},
        {'max_wait_s': math.inf},
    ],
    ids=str,
)
def test_limits_out_of_range_are_refused(fields: dict[str, float]) -> None:
    check_limits(request(min_confidence=-math.inf))
    with pytest.raises(InputError, match=next(iter(fields))):
        check_limits(request(**fields))


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (ImageError('step', 'x'), MatchStatus.INVALID_IMAGE),
        (ImageError('mask', 'x'), MatchStatus.INVALID_MASK),
        (CalibrationError('calibration_size', 'x'), MatchStatus.INVALID_CAMERA_INFO),
        (InputError('no_camera_info', 'x'), MatchStatus.INVALID_CAMERA_INFO),
        (InputError('unknown_stamp', 'x'), MatchStatus.UNKNOWN_STAMP),
        (InputError('expired', 'x'), MatchStatus.BUSY),
        (InputError('request', 'x'), MatchStatus.INVALID_REQUEST),
        (ParameterError('x'), MatchStatus.INVALID_REQUEST),
        (EngineError('x'), MatchStatus.FAILED),
    ],
    ids=lambda value: getattr(value, 'reason', None) or type(value).__name__,
)
def test_errors_have_a_status(error: Any, status: MatchStatus) -> None:
    assert status_of(error) is status


def test_calibration_that_was_not_sent_is_none() -> None:
    assert request_camera(SimpleNamespace(width=0, height=0), what='first camera_info') is None


def test_points_survive_the_message() -> None:
    rng = np.random.default_rng(1)
    result = MatchResult(
        points_first=rng.uniform(0, 640, (5, 2)).astype(np.float32),
        points_second=rng.uniform(0, 640, (5, 2)).astype(np.float32)[::1],
        confidence=np.linspace(1, 0, 5, dtype=np.float32),
    )
    message = SimpleNamespace(
        first_points=array('f', [9.0]), second_points=array('f'), confidences=array('f')
    )
    answer = SimpleNamespace(
        result=result,
        geometry=geometry(inliers=np.array([True] * 4 + [False])),
        num_found=77,
        model='sift',
    )
    fill_matches(message, answer)
    assert np.array_equal(points_of(message.first_points), result.points_first)
    assert np.array_equal(points_of(message.second_points), result.points_second)
    assert np.array_equal(np.array(message.confidences, np.float32), result.confidence)
    assert message.inliers == [True, True, True, True, False]
    assert (message.num_found, message.model) == (77, 'sift')


def test_geometry_holds_what_was_asked_for_only() -> None:
    f, h = np.arange(9.0).reshape(3, 3), np.eye(3)
    found = geometry(fundamental=f, homography=h, parallax_px=3.0)
    message = geometry_message()
    fill_geometry(message, found, request(fundamental=True, essential=True))
    assert message.has_fundamental and list(message.fundamental) == list(range(9))
    assert not message.has_homography and not message.has_essential and not message.has_pose
    assert (message.status, message.text, message.parallax_px) == (0, 'fine', 3.0)


def test_nothing_asked_is_said_so() -> None:
    message = geometry_message()
    fill_geometry(message, geometry(fundamental=np.eye(3)), request())
    assert message.status == GEOMETRY_NOT_ASKED and math.isnan(message.parallax_px)
    assert not message.has_fundamental


def test_pose_becomes_position_quaternion_and_covariance() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (0, 0, 1)
    covariance = np.diag([1.0, 2, 3, 4, 5, 6])
    message = geometry_message()
    found = geometry(second_from_first=matrix, covariance=covariance)
    fill_geometry(message, found, request(pose=True))
    pose = message.second_from_first.pose
    assert (pose.position.x, pose.position.y, pose.position.z) == (0.0, 0.0, 1.0)
    assert pose.orientation.z == pytest.approx(math.sqrt(0.5))
    assert pose.orientation.w == pytest.approx(math.sqrt(0.5))
    assert np.array_equal(np.diag(message.second_from_first.covariance.reshape(6, 6)), range(1, 7))


def test_every_outcome_of_two_views_has_a_number() -> None:
    assert set(GEOMETRY_STATUS) == set(TwoViewStatus)
    assert len({*GEOMETRY_STATUS.values(), GEOMETRY_NOT_ASKED}) == len(TwoViewStatus) + 1


def test_one_calibration_alone_is_not_used() -> None:
    """The second camera may be another one; a guess would be wrong in silence."""
    noise = np.random.default_rng(0).integers(0, 255, (15, 20, 3), np.uint8)
    blocks = noise.repeat(8, axis=0).repeat(8, axis=1)
    camera = ideal_camera(fx=100.0, fy=100.0, cx=80.0, cy=60.0, height=120, width=160)
    processor = open_matcher(MatchSettings(model='orb'))
    pair = ImagePair(first=blocks, second=blocks)
    one = processor.process(MatchQuestion(pair=pair, first_camera=camera, ticket='t'))
    both = processor.process(
        MatchQuestion(pair=pair, first_camera=camera, second_camera=camera, ticket='t')
    )
    assert one.geometry.second_from_first is None
    assert both.geometry.second_from_first is not None
    assert one.question.ticket == 't' and one.model == 'orb'
    assert one.valid_fraction == pytest.approx(
        one.geometry.num_inliers / len(one.result.confidence)
    )
    assert {'infer', 'geometry'} <= set(one.stages_s)
    processor.close()
