"""The matching service on the live node: known answers, and an answer to everything bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import numpy as np
import pytest

pytest.importorskip('tests.kit.built_interfaces')

import cv2
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.errors import ImageError
from depth_ros.geometry.two_view import TwoViewStatus
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.ros.matcher.client import MatchClient, MatchOptions, SideToMatch
from depth_ros.ros.matcher.messages import GEOMETRY_STATUS, MatchStatus
from depth_ros_interfaces.msg import TwoViewGeometry
from depth_ros_interfaces.srv import MatchImages
from tests.kit.live_node import SECOND_NS, image, stamp_of
from tests.kit.matcher_kit import (
    HEIGHT,
    SHIFT,
    WIDTH,
    Stage,
    assert_shifted,
    eye_info,
    scene,
    shifted,
    staged,
    windows,
)

pytestmark = pytest.mark.ros
FIRST, SECOND = windows()
NUM_ASKED = 30
ALL = MatchOptions(fundamental=True, essential=True, homography=True, pose=True)


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One SIFT node with frames of a camera, for all cases."""
    folder = tmp_path_factory.mktemp('matcher')
    outputs = ('matches', 'matches/image')
    with staged(folder, 'recent_frames:=4', 'input_depth:=10', outputs=outputs) as made:
        made.robot.connect(num_images=1)
        yield made


def test_statuses_are_those_of_the_generated_service() -> None:
    for status in MatchStatus:
        assert getattr(MatchImages.Response, status.name) == status
    for kind, number in GEOMETRY_STATUS.items():
        assert getattr(TwoViewGeometry, kind.name) == number
    assert TwoViewGeometry.NOT_ASKED not in GEOMETRY_STATUS.values()
    assert set(GEOMETRY_STATUS) == set(TwoViewStatus)


def ask_often(client: MatchClient) -> None:
    for _ in range(NUM_ASKED):
        assert_shifted(client.ask(*shifted(), timeout_s=20.0))


def spin_until_shut_down(executor: SingleThreadedExecutor) -> None:
    with suppress(ExternalShutdownException):
        executor.spin()


@pytest.mark.parametrize('spinning', ['nobody', 'the caller', 'another thread'])
def test_asking_and_waiting_goes_on_answering(stage: Stage, spinning: str) -> None:
    """Whoever spins the caller's node, or nobody, or the callback itself asks."""
    context = stage.robot.node.context
    caller = Node('caller', context=context)
    client = MatchClient(caller)
    executor = SingleThreadedExecutor(context=context)
    if spinning == 'nobody':
        ask_often(client)
    elif spinning == 'the caller':
        executor.add_node(caller)
        done = executor.create_task(ask_often, client)
        executor.spin_until_future_complete(done, 60.0)
        assert done.done() and done.exception() is None, done.exception()
    else:
        executor.add_node(caller)
        thread = Thread(target=spin_until_shut_down, args=(executor,), daemon=True)
        thread.start()
        ask_often(client)
        executor.shutdown()
        thread.join(5.0)
    client.close()
    caller.destroy_node()


def test_shifted_images_match_in_another_process(stage: Stage) -> None:
    reply = stage.ask(*shifted(), MatchOptions(homography=True))
    assert_shifted(reply)
    expected = [[1, 0, -SHIFT[0]], [0, 1, -SHIFT[1]], [0, 0, 1]]
    found = np.reshape(reply.geometry.homography, (3, 3))
    assert reply.geometry.has_homography and reply.geometry.is_homography
    corner = found @ (WIDTH, HEIGHT, 1)
    assert np.abs(corner / corner[2] - np.array(expected) @ (WIDTH, HEIGHT, 1)).max() < 0.5
    assert not reply.geometry.has_fundamental and not reply.geometry.has_pose


def test_limits_of_the_request_are_kept(stage: Stage) -> None:
    everything = stage.ask(*shifted()).result.confidence
    few = stage.ask(*shifted(), MatchOptions(max_matches=7))
    assert (few.status, few.text) == (MatchStatus.OK, '')
    assert np.allclose(few.result.confidence, everything[:7])
    limit = float(np.median(everything))
    sure = stage.ask(*shifted(), MatchOptions(min_confidence=limit)).result.confidence
    assert len(sure) == (everything > limit).sum()


def test_masks_say_where_matches_may_lie(stage: Stage) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, : WIDTH // 2] = True
    first, second = shifted()
    reply = stage.ask(SideToMatch(image=first.image, mask=mask), second)
    assert_shifted(reply, at_least=10)
    assert (reply.result.points_first[:, 0] < WIDTH // 2 + 0.5).all()


def test_pose_of_a_moved_camera_is_a_direction_of_length_one(stage: Stage) -> None:
    """Two planes at different depths, seen from a camera that moved to its right."""
    far, near = scene(seed=1), scene(seed=2)
    before, after = far.copy(), np.roll(far, -4, axis=1)
    before[30:90, 40:110] = near[30:90, 40:110]
    after[30:90, 25:95] = near[30:90, 40:110]
    camera = camera_from_info(eye_info())
    sides = [SideToMatch(image=view, camera=camera) for view in (before, after)]
    reply = stage.ask(*sides, ALL)
    assert reply.status is MatchStatus.OK
    geometry = reply.geometry
    assert geometry.status == TwoViewGeometry.OK, geometry.text
    pose = geometry.second_from_first.pose
    direction = np.array([pose.position.x, pose.position.y, pose.position.z])
    assert np.linalg.norm(direction) == pytest.approx(1.0, abs=1e-6)
    assert direction[0] < -0.95, 'points move to the left as the camera moves to the right'
    assert abs(pose.orientation.w) > 0.999
    covariance = np.reshape(geometry.second_from_first.covariance, (6, 6))
    assert np.isfinite(covariance).all() and (np.linalg.eigvalsh(covariance) > -1e-9).all()
    assert geometry.has_essential and geometry.has_fundamental
    f = np.reshape(geometry.fundamental, (3, 3))
    points = [
        np.c_[p, np.ones(len(p))] for p in (reply.result.points_first, reply.result.points_second)
    ]
    lines = points[0] @ f.T
    distances = np.abs((lines * points[1]).sum(axis=1)) / np.hypot(lines[:, 0], lines[:, 1])
    assert np.median(distances[reply.inliers]) < 1.0


def test_identical_images_match_themselves_and_have_no_direction(stage: Stage) -> None:
    camera = camera_from_info(eye_info())
    side = SideToMatch(image=FIRST, camera=camera)
    reply = stage.ask(side, side, ALL)
    assert reply.status is MatchStatus.OK
    assert len(reply.result.confidence) > 30
    assert np.allclose(reply.result.points_first, reply.result.points_second)
    assert reply.inliers.all()
    assert reply.geometry.status == TwoViewGeometry.PURE_ROTATION
    position = reply.geometry.second_from_first.pose.position
    assert (position.x, position.y, position.z) == (0.0, 0.0, 0.0)
    assert np.isinf(reply.geometry.second_from_first.covariance[0])


@pytest.mark.parametrize('level', [0, 127, 255])
def test_blank_images_have_no_matches_and_that_is_an_answer(stage: Stage, level: int) -> None:
    blank = SideToMatch(image=np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    reply = stage.ask(blank, shifted()[1], MatchOptions(fundamental=True))
    assert (reply.status, len(reply.result.confidence)) == (MatchStatus.OK, 0)
    assert reply.geometry.status == TwoViewGeometry.TOO_FEW
    assert not reply.geometry.has_fundamental
    assert reply.result.points_first.shape == (0, 2)


def test_images_of_different_size_and_encoding(stage: Stage) -> None:
    double = cv2.resize(SECOND, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_CUBIC)
    grey = cv2.cvtColor(double, cv2.COLOR_RGB2GRAY)
    bgr = np.ascontiguousarray(FIRST[:, :, ::-1])
    request = stage.request(first_image=image(bgr, 'bgr8'), second_image=image(grey, 'mono8'))
    reply = stage.send(request)
    assert reply.status is MatchStatus.OK
    back = (reply.result.points_second[reply.inliers] + 0.5) / 2.0 - 0.5
    moved = back - reply.result.points_first[reply.inliers]
    assert len(moved) >= 15
    assert np.abs(np.median(moved, axis=0) + SHIFT).max() < 0.5


def test_image_turned_by_a_right_angle(stage: Stage) -> None:
    turned = np.ascontiguousarray(np.rot90(FIRST))
    reply = stage.ask(SideToMatch(image=FIRST), SideToMatch(image=turned))
    assert reply.status is MatchStatus.OK
    first, second = reply.result.points_first, reply.result.points_second
    expected = np.stack([first[:, 1], WIDTH - 1 - first[:, 0]], axis=1)
    is_right = np.abs(second - expected).max(axis=1) < 1.0
    assert is_right.sum() >= 20 and is_right.mean() > 0.8


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (3, 2)])
def test_tiny_images_have_no_matches(stage: Stage, size: tuple[int, int]) -> None:
    tiny = SideToMatch(image=np.full((*size, 3), 9, np.uint8))
    reply = stage.ask(tiny, tiny, MatchOptions(homography=True))
    assert (reply.status, len(reply.result.confidence)) == (MatchStatus.OK, 0), reply.text


def test_images_above_4k_are_refused_before_they_are_sent(stage: Stage) -> None:
    huge = SideToMatch(image=np.zeros((2500, 4096, 3), np.uint8))
    with pytest.raises(ImageError, match='4096x2500, the service takes') as raised:
        stage.client.request(huge, huge)
    assert raised.value.reason == 'too_large'


def broken(changes: dict[str, object]) -> Image:
    message = image(FIRST, 'rgb8')
    for name, value in changes.items():
        setattr(message, name, value)
    return message


BAD_IMAGE, BAD_REQUEST = MatchStatus.INVALID_IMAGE, MatchStatus.INVALID_REQUEST
BAD_REQUESTS: list[tuple[str, dict[str, object], MatchStatus, str]] = [
    (
        'encoding',
        {'first_image': broken({'encoding': 'mono7'})},
        BAD_IMAGE,
        'mono7',
    ),
    ('step', {'second_image': broken({'step': 3})}, BAD_IMAGE, 'second image'),
    (
        'truncated',
        {'first_image': broken({'height': 500})},
        BAD_IMAGE,
        'truncated',
    ),
    (
        'no data',
        {'first_image': Image(height=9, width=9)},
        BAD_IMAGE,
        'first image',
    ),
    ('too large', {'first_image': broken({'height': 90_000})}, MatchStatus.TOO_LARGE, '4096x2160'),
    ('nothing', {'first_image': Image()}, BAD_REQUEST, 'neither a first image'),
    ('nan', {'min_confidence': float('nan')}, BAD_REQUEST, 'min_confidence'),
    ('above one', {'min_confidence': 1.5}, BAD_REQUEST, 'min_confidence'),
    ('wait', {'max_wait_s': -1.0}, BAD_REQUEST, 'max_wait_s'),
    (
        'mask size',
        {'first_mask': image(np.ones((HEIGHT, 5), np.uint8), 'mono8')},
        MatchStatus.INVALID_MASK,
        'first mask',
    ),
    (
        'mask encoding',
        {'second_mask': image(FIRST, 'rgb8')},
        MatchStatus.INVALID_MASK,
        'second mask',
    ),
    (
        'mask data',
        {'second_mask': broken({'encoding': 'mono8', 'step': WIDTH, 'height': 9000})},
        MatchStatus.INVALID_MASK,
        'second mask',
    ),
    ('no camera', {'pose': True}, MatchStatus.INVALID_CAMERA_INFO, 'calibration'),
    (
        'k of zero',
        {'pose': True, 'first_camera_info': eye_info(k=[0.0] * 9, p=[0.0] * 12)},
        MatchStatus.INVALID_CAMERA_INFO,
        'first camera_info',
    ),
    (
        'k of zero, unused',
        {'second_camera_info': CameraInfo(height=HEIGHT, width=WIDTH)},
        MatchStatus.INVALID_CAMERA_INFO,
        'second camera_info',
    ),
    (
        'calibration size',
        {'first_camera_info': eye_info(width=WIDTH * 2)},
        MatchStatus.INVALID_CAMERA_INFO,
        'image is 160x120',
    ),
]


@pytest.mark.parametrize(
    ('changes', 'status', 'word'),
    [case[1:] for case in BAD_REQUESTS],
    ids=[case[0] for case in BAD_REQUESTS],
)
def test_bad_requests_get_their_status_and_a_reason(
    stage: Stage, changes: dict[str, object], status: MatchStatus, word: str
) -> None:
    reply = stage.send(stage.request(**changes))
    assert reply.status is status, reply.text
    assert word in reply.text
    assert len(reply.result.confidence) == 0
    assert stage.node.process.poll() is None


def test_frames_are_named_by_their_stamp(stage: Stage) -> None:
    stage.robot.send('camera_info', eye_info())
    stamps = [stage.send_frame(FIRST), stage.send_frame(SECOND)]
    assert stage.robot.wait_count('recent_frames', 2)
    named = [SideToMatch(stamp_ns=stamp) for stamp in stamps]
    both = stage.ask(*named, MatchOptions(pose=True))
    assert_shifted(both)
    assert both.geometry.has_pose, 'the calibration is that of camera_info'
    assert_shifted(stage.ask(named[0], shifted()[1]))
    back = stage.ask(named[1], named[0]).result
    moved = back.points_second - back.points_first
    assert np.abs(np.median(moved, axis=0) - SHIFT).max() < 0.5


def test_unknown_stamps_are_named_with_those_that_are_known(stage: Stage) -> None:
    stamps = [stage.send_frame(FIRST) for _ in range(6)]
    assert stage.robot.wait_count('recent_frames', 4)
    assert stage.robot.spin_until(
        lambda: stage.ask(SideToMatch(stamp_ns=stamps[-1]), shifted()[1]).status is MatchStatus.OK
    )
    for stamp in (stamps[0], stamps[-1] + 1, 5 * SECOND_NS):
        reply = stage.ask(shifted()[0], SideToMatch(stamp_ns=stamp))
        assert reply.status is MatchStatus.UNKNOWN_STAMP
        assert f'{stamps[-1] // SECOND_NS}.' in reply.text


def test_latest_pair_goes_to_the_topic_with_a_picture(stage: Stage) -> None:
    earlier = stage.send_frame(FIRST)
    later = stage.send_frame(SECOND)
    received = stage.robot.received
    assert stage.robot.spin_until(
        lambda: any(stamp_of(item) == later for item in received['matches'])
    )
    message = next(item for item in received['matches'] if stamp_of(item) == later)
    assert (
        message.first_header.stamp.sec * SECOND_NS + message.first_header.stamp.nanosec == earlier
    )
    assert (message.first_header.frame_id, message.model) == ('eye', 'sift')
    assert (message.second_height, message.second_width) == (HEIGHT, WIDTH)
    moved = np.reshape(message.second_points, (-1, 2)) - np.reshape(message.first_points, (-1, 2))
    assert np.abs(np.median(moved, axis=0) + SHIFT).max() < 0.5
    assert stage.robot.spin_until(lambda: stage.robot.output('matches/image', later))
    picture = stage.robot.output('matches/image', later)
    assert (picture.height, picture.width, picture.encoding) == (HEIGHT, 2 * WIDTH, 'rgb8')
    drawn = np.frombuffer(picture.data, np.uint8).reshape(HEIGHT, 2 * WIDTH, 3)
    plain = np.hstack([FIRST, SECOND])
    assert (drawn != plain).any(axis=2).mean() > 0.05, 'lines are drawn'


def test_time_that_falls_makes_no_pair(stage: Stage) -> None:
    stage.send_frame(FIRST)
    count = len(stage.robot.received['matches'])
    early = stage.send_frame(SECOND, stamp_ns=7 * SECOND_NS)
    stage.send_frame(SECOND, stamp_ns=0)
    assert stage.robot.wait_count('dropped_zero_stamp', 1)
    stage.robot.spin(0.3)
    assert all(stamp_of(m) != early for m in stage.robot.received['matches'][count:])
    assert stage.ask(SideToMatch(stamp_ns=early), shifted()[1]).status is MatchStatus.OK


def test_matcher_is_changed_between_two_requests(stage: Stage) -> None:
    assert not stage.robot.set_parameters(model='sit').successful
    assert stage.robot.set_parameters(model='orb', max_matches=20).successful
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['model'] == 'orb')
    reply = stage.ask(*shifted())
    assert reply.status is MatchStatus.OK and 0 < len(reply.result.confidence) <= 20
    assert_4k_is_matched(stage)
    assert stage.robot.set_parameters(model='sift', max_matches=1024).successful
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['model'] == 'sift')
    assert_shifted(stage.ask(*shifted()))


def assert_4k_is_matched(stage: Stage) -> None:
    """Two images of 25 MB each in one request; by ORB, as SIFT takes seconds for them."""
    large = np.zeros((2160, 3840, 3), np.uint8)
    places = ((2000, 900), (1900, 1000))
    sides = []
    for values, (x, y) in zip((FIRST, SECOND), places, strict=True):
        view = large.copy()
        view[y : y + HEIGHT, x : x + WIDTH] = values
        sides.append(SideToMatch(image=view))
    reply = stage.ask(*sides)
    assert reply.status is MatchStatus.OK, reply.text
    moved = reply.result.points_second - reply.result.points_first
    expected = np.subtract(places[1], places[0]) - SHIFT
    assert np.abs(np.median(moved, axis=0) - expected).max() < 1.5


def test_stream_that_stops_is_named_and_its_frames_stay(stage: Stage) -> None:
    stamp = stage.send_frame(FIRST)
    assert stage.robot.spin_until(lambda: 'no image on /image_raw' in stage.robot.status.message)
    assert_shifted(stage.ask(SideToMatch(stamp_ns=stamp), shifted()[1]))
    stage.send_frame(FIRST)
    assert stage.robot.spin_until(
        lambda: 'no image on /image_raw' not in stage.robot.status.message
    )


def test_books_balance_and_the_node_ends_well(stage: Stage) -> None:
    assert stage.node.stop() == 0
    report = stage.node.report()
    assert report['requests'] == report['answers'] == sum(report['answered'].values())
    assert report['in_flight'] == 0
    assert report['answered']['ok'] >= 10
    assert 'defect' not in stage.node.log()
