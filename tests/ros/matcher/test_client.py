"""Parts of the matcher without a node process: views, their calibrations, and a lonely client."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip('tests.kit.built_interfaces')

import rclpy
from rclpy.node import Node

from depth_ros.camera import scaled_camera
from depth_ros.errors import CalibrationError, EngineError, ImageError, InputError
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.ros.matcher import views as matcher_views
from depth_ros.ros.matcher.client import MatchClient, MatchOptions, SideToMatch
from depth_ros.ros.matcher.messages import LARGEST_PIXELS, decode_mask
from depth_ros.ros.matcher.views import MatchView
from tests.kit.live_node import HEIGHT, WIDTH, camera_info, jpeg, mono8, pixels

pytestmark = pytest.mark.ros
CAMERA = camera_from_info(camera_info('left'))
RGB = pixels('left')[..., None].repeat(3, axis=2)


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init()
    made = Node('lonely')
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def test_compressed_frames_are_decoded_and_their_size_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = MatchView(message=jpeg('left'), stamp_ns=1, camera=None)
    view.check_size(what='first image')
    decoded = view.decode(what='first image')
    assert np.abs(decoded.astype(int) - RGB).mean() < 4.0
    assert view.num_bytes < HEIGHT * WIDTH * 2
    with pytest.raises(ImageError, match='first image'):
        MatchView(message=jpeg('left', keep=0.5), stamp_ns=1, camera=None).decode(
            what='first image'
        )

    def refuse(height: int, width: int, *, what: str) -> None:
        assert (height, width, what) == (HEIGHT, WIDTH, 'first image')
        raise ImageError('too_large', 'as if')

    monkeypatch.setattr(matcher_views, 'check_pixels', refuse)
    with pytest.raises(ImageError, match='as if'):
        view.decode(what='first image')


def test_calibration_counts_where_it_is_needed() -> None:
    half = scaled_camera(CAMERA, height=HEIGHT // 2, width=WIDTH // 2)
    broken = CalibrationError('calibration_values', 'K is zero')

    def checked(*, is_needed: bool, **fields: object) -> object:
        view = MatchView(message=mono8('left'), stamp_ns=1, **fields)  # type: ignore[arg-type]
        return view.checked_camera(RGB, is_needed=is_needed, what='first image')

    assert checked(camera=CAMERA, is_needed=False) is CAMERA
    assert checked(camera=None, is_needed=False, no_camera=broken) is None
    assert checked(camera=half, is_needed=False, is_recent=True) is None
    with pytest.raises(CalibrationError, match='calibration is for 80x60'):
        checked(camera=half, is_needed=False)
    with pytest.raises(CalibrationError, match='first image'):
        checked(camera=half, is_needed=True, is_recent=True)
    with pytest.raises(InputError, match='K is zero'):
        checked(camera=None, is_needed=True, no_camera=broken)


def test_request_says_what_was_given(node: Node) -> None:
    client = MatchClient(node, caller='me')
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:10] = True
    stamped = SideToMatch(stamp_ns=3_000_000_004)
    request = client.request(
        SideToMatch(image=RGB, mask=mask, camera=CAMERA),
        stamped,
        MatchOptions(max_matches=9, min_confidence=0.5, pose=True),
    )
    assert (request.caller, request.max_matches, request.min_confidence) == ('me', 9, 0.5)
    assert request.pose and not request.essential
    assert np.array_equal(decode_mask(request.first_mask, what='mask'), mask)
    assert camera_from_info(request.first_camera_info).fingerprint() == CAMERA.fingerprint()
    assert (request.second_stamp.sec, request.second_stamp.nanosec) == (3, 4)
    assert not request.second_image.data and not request.second_camera_info.width


def test_two_clients_of_a_node_have_names_of_their_own(node: Node) -> None:
    first, second = MatchClient(node), MatchClient(node)
    assert first.caller.startswith('/lonely') and first.caller != second.caller


def test_images_that_cannot_be_sent_are_refused(node: Node) -> None:
    client = MatchClient(node)
    side = SideToMatch(image=RGB)
    wide = np.broadcast_to(np.uint8(0), (1, LARGEST_PIXELS + 1, 3))
    for image in (RGB[..., 0], RGB.astype(np.float32), wide):
        with pytest.raises(ImageError, match='second image'):
            client.request(side, SideToMatch(image=image))


def test_no_answer_is_an_error_and_leaves_nothing_behind(node: Node) -> None:
    client = MatchClient(node)
    assert not client.wait(0.05)
    with pytest.raises(EngineError, match='nobody offers /match_images within'):
        client.ask(SideToMatch(image=RGB), SideToMatch(image=RGB), timeout_s=0.05)
    client.close()
