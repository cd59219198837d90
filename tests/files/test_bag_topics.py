"""Choosing topics of a bag: clear choices are made, others named with what there is."""

from __future__ import annotations

import pytest

from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.bag_topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    BagTopic,
    mono_topics,
    stereo_topics,
)


def topic(name: str, kind: str, count: int = 5) -> BagTopic:
    return BagTopic(name=name, type=kind, count=count)


IMU = topic('/imu', 'sensor_msgs/msg/Imu', 900)
CAMERA = [topic('/cam/image_raw', IMAGE), topic('/cam/camera_info', CAMERA_INFO), IMU]
RIG = [
    topic('/left/image_rect', IMAGE),
    topic('/right/image_rect', IMAGE),
    topic('/left/camera_info', CAMERA_INFO),
    topic('/right/camera_info', CAMERA_INFO),
]


def test_takes_the_only_camera() -> None:
    chosen = mono_topics(CAMERA)
    assert (chosen.image.name, chosen.info.name) == ('/cam/image_raw', '/cam/camera_info')
    assert not chosen.is_rectified


def test_prefers_raw_images_to_their_compressed_twin_and_ignores_depth_transport() -> None:
    twins = [
        topic('/cam/image_raw/compressed', COMPRESSED_IMAGE),
        topic('/cam/image_raw/compressedDepth', COMPRESSED_IMAGE),
    ]
    assert mono_topics([*CAMERA, *twins]).image.name == '/cam/image_raw'
    chosen = mono_topics([*CAMERA[1:], *twins])
    assert chosen.image.name == '/cam/image_raw/compressed'
    assert chosen.info.name == '/cam/camera_info'


def test_passes_over_empty_topics() -> None:
    assert mono_topics([*CAMERA, topic('/b/image', IMAGE, 0)]).image.name == '/cam/image_raw'


def test_takes_a_calibration_elsewhere_only_if_there_is_one() -> None:
    image = topic('/front/image_color', IMAGE)
    far = topic('/other/camera_info', CAMERA_INFO)
    assert mono_topics([image, far]).info == far
    with pytest.raises(InputError, match=r'exactly one camera_info.*info_topic'):
        mono_topics([image, far, topic('/third/camera_info', CAMERA_INFO)])
    chosen = mono_topics([image, far, IMU], info_topic='/other/camera_info')
    assert chosen.info == far


def test_several_cameras_need_a_name_and_the_error_lists_all_topics() -> None:
    with pytest.raises(InputError) as caught:
        mono_topics([*RIG, IMU])
    assert caught.value.reason == 'bag_topic'
    for part in ('image_topic', *(entry.name for entry in RIG), '/imu (sensor_msgs/msg/Imu, 900)'):
        assert part in str(caught.value)
    chosen = mono_topics(RIG, image_topic='/right/image_rect')
    assert chosen.info.name == '/right/camera_info'
    assert chosen.is_rectified


@pytest.mark.parametrize(
    ('name', 'part'), [('/nowhere', 'there is none'), ('/imu', 'it is sensor_msgs/msg/Imu')]
)
def test_a_wrong_name_is_told_with_the_topics(name: str, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        mono_topics(CAMERA, image_topic=name)
    assert '/cam/image_raw' in str(caught.value)


def test_empty_bags_and_topics_have_their_own_reason() -> None:
    for topics in ([], [IMU], [topic('/cam/image_raw', IMAGE, 0)]):
        with pytest.raises(InputError, match='found none') as caught:
            mono_topics(topics)
        assert caught.value.reason == 'bag_empty'
    with pytest.raises(InputError, match='no messages') as caught:
        mono_topics([topic('/a', IMAGE, 0)], image_topic='/a')
    assert caught.value.reason == 'bag_empty'


def test_images_without_calibration_are_refused() -> None:
    for infos in ([], [topic('/cam/camera_info', CAMERA_INFO, 0)]):
        with pytest.raises(CalibrationError, match='no camera_info for /cam/image_raw') as caught:
            mono_topics([CAMERA[0], *infos])
        assert caught.value.reason == 'bag_no_info'


def test_finds_the_one_rig() -> None:
    left, right = stereo_topics([*RIG, topic('/rear/image_raw', IMAGE), IMU])
    assert (left.image.name, right.image.name) == ('/left/image_rect', '/right/image_rect')
    assert (left.info.name, right.info.name) == ('/left/camera_info', '/right/camera_info')
    assert left.is_rectified


def test_rigs_that_are_not_clear_are_refused() -> None:
    second = [topic('/rear_left/image', IMAGE), topic('/rear_right/image', IMAGE)]
    for topics, part in ((CAMERA, 'found none'), ([*RIG, *second], 'rear_left/image with')):
        with pytest.raises(InputError, match=part):
            stereo_topics(topics)
    with pytest.raises(InputError, match='name both'):
        stereo_topics(RIG, left_topic='/left/image_rect')
    left, right = stereo_topics(
        [*RIG, *second], left_topic='/left/image_rect', right_topic='/right/image_rect'
    )
    assert (left.info.name, right.info.name) == ('/left/camera_info', '/right/camera_info')


def test_one_camera_is_not_both_sides_of_a_rig() -> None:
    packed = topic('/left/image_rect/compressed', COMPRESSED_IMAGE)
    for right in ('/left/image_rect', packed.name):
        with pytest.raises(InputError, match='are the same topic, /left/image_rect; name'):
            stereo_topics([*RIG, packed], left_topic='/left/image_rect', right_topic=right)


LAYOUTS = {
    'RealSense': (
        '/camera/camera/color /camera/camera/infra1 /camera/camera/infra2 /camera/camera/depth',
        {'/camera/camera/color': 'image_raw'},
        'image_rect_raw',
        '/camera/camera/infra1/image_rect_raw',
        '/camera/camera/color/image_raw',
    ),
    'ZED': (
        (
            '/zed/zed_node/left /zed/zed_node/right /zed/zed_node/left_raw '
            '/zed/zed_node/right_raw /zed/zed_node/left_gray /zed/zed_node/right_gray'
        ),
        {
            **dict.fromkeys(
                ('/zed/zed_node/left_raw', '/zed/zed_node/right_raw'), 'image_raw_color'
            ),
            **dict.fromkeys(
                ('/zed/zed_node/left_gray', '/zed/zed_node/right_gray'), 'image_rect_gray'
            ),
        },
        'image_rect_color',
        '/zed/zed_node/left/image_rect_color',
        '/zed/zed_node/left/image_rect_color',
    ),
    'OAK': (
        '/oak/rgb /oak/left /oak/right /oak/stereo',
        {},
        'image_raw',
        '/oak/left/image_raw',
        '/oak/rgb/image_raw',
    ),
    'Orbbec': (
        '/camera/color /camera/depth /camera/left_ir /camera/right_ir',
        {},
        'image_raw',
        '/camera/left_ir/image_raw',
        '/camera/color/image_raw',
    ),
}
"""Device: cameras, images with another name, name of images, left and single image expected."""


@pytest.mark.parametrize('device', LAYOUTS)
def test_layouts_of_devices_are_guessed_with_a_note(device, caplog) -> None:
    cameras, others, usual, left, single = LAYOUTS[device]
    topics = [topic(f'{name}/{others.get(name, usual)}', IMAGE) for name in cameras.split()]
    topics += [topic(f'{name}/camera_info', CAMERA_INFO) for name in cameras.split()]
    chosen = stereo_topics(topics)
    assert chosen[0].image.name == left
    assert chosen[0].info.name == left.rpartition('/')[0] + '/camera_info'
    assert chosen[1].image.name != left
    assert mono_topics(topics).image.name == single
    assert 'image_topic chooses another' in caplog.text


def test_two_devices_are_not_guessed() -> None:
    topics = [topic(f'/{name}/color/image_raw', IMAGE) for name in ('front', 'rear')]
    with pytest.raises(InputError, match=r'exactly one image topic.*image_topic'):
        mono_topics(topics)
