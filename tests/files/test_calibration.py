from __future__ import annotations

import json

import numpy as np
import pytest

from depth_ros.camera import stereo_camera
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration import FORMATS, read_stereo_calibration
from depth_ros.files.calibration_formats.document import open_document
from tests.kit.shared_data import shared_path

STEREODEMO = {
    'width': 640,
    'height': 480,
    'baseline_meters': 0.075,
    'fx': 451.0,
    'fy': 452.0,
    'cx0': 299.0,
    'cx1': 301.5,
    'cy': 255.0,
}
MIDDLEBURY = """cam0=[3979.911 0 1244.772; 0 3979.911 1019.507; 0 0 1]
cam1=[3979.911 0 1369.115; 0 3979.911 1019.507; 0 0 1]
doffs=124.343
baseline=193.001
width=2964
height=1988
ndisp=280
"""
KITTI = """P0: 7.188560e+02 0 6.071928e+02 0 0 7.188560e+02 1.852157e+02 0 0 0 1 0
P1: 7.188560e+02 0 6.071928e+02 -3.861448e+02 0 7.188560e+02 1.852157e+02 0 0 0 1 0
P2: 7.188560e+02 0 6.071928e+02 4.538225e+01 0 7.188560e+02 1.852157e+02 0 0 0 1 0
P3: 7.188560e+02 0 6.071928e+02 -3.372877e+02 0 7.188560e+02 1.852157e+02 0 0 0 1 0
"""
KITTI_RAW = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_rect_00: 1.242000e+03 3.750000e+02
P_rect_00: 7.215377e+02 0 6.095593e+02 0 0 7.215377e+02 1.728540e+02 0 0 0 1 0
P_rect_01: 7.215377e+02 0 6.095593e+02 -3.875744e+02 0 7.215377e+02 1.728540e+02 0 0 0 1 0
"""
ROS = """image_width: 752
image_height: 480
camera_name: {name}
camera_matrix:
  rows: 3
  cols: 3
  data: [458.654, 0, 367.215, 0, 457.296, 248.375, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.283, 0.0739, 0.00019, 1.76e-05, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [436.2, 0, 364.4, {tx}, 0, 436.2, 256.9, 0, 0, 0, 1, 0]
"""


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return path


def ros_pair(folder, left='left.yaml', right='right.yaml'):
    return (
        write(folder / left, ROS.format(name='narrow/left', tx=0)),
        write(folder / right, ROS.format(name='narrow/right', tx=-48.0)),
    )


def test_stereodemo(tmp_path):
    path = write(tmp_path / 'rig.json', json.dumps(STEREODEMO))
    calibration = read_stereo_calibration([path])
    rig = stereo_camera(calibration.left, calibration.right)
    assert calibration.is_rectified
    assert (rig.left.fx, rig.left.fy, rig.left.cx, rig.left.cy) == (451.0, 452.0, 299.0, 255.0)
    assert (rig.left.height, rig.left.width) == (480, 640)
    assert rig.baseline_m == pytest.approx(0.075)
    assert rig.cx_offset_px == pytest.approx(-2.5)


def test_the_real_oak_d_file():
    path = shared_path('data/oakd_stereo/stereodemo_calibration.json')
    calibration = read_stereo_calibration([path])
    assert calibration.left.fx == pytest.approx(451.0344)
    assert stereo_camera(calibration.left, calibration.right).baseline_m == pytest.approx(0.075)


def test_middlebury_baseline_is_mm_and_doffs_is_the_offset(tmp_path):
    calibration = read_stereo_calibration([write(tmp_path / 'calib.txt', MIDDLEBURY)])
    rig = stereo_camera(calibration.left, calibration.right)
    assert rig.baseline_m == pytest.approx(0.193001)
    assert rig.cx_offset_px == pytest.approx(-124.343)
    assert (rig.left.height, rig.left.width, rig.left.fx) == (1988, 2964, 3979.911)


def test_kitti_takes_its_size_from_the_images(tmp_path):
    path = write(tmp_path / 'calib.txt', KITTI)
    calibration = read_stereo_calibration([path], image_size=(376, 1241))
    rig = stereo_camera(calibration.left, calibration.right)
    assert rig.baseline_m == pytest.approx(386.1448 / 718.856)
    assert (rig.left.height, rig.left.width) == (376, 1241)
    with pytest.raises(CalibrationError, match='does not state the image size'):
        read_stereo_calibration([path])


def test_kitti_raw_states_its_size(tmp_path):
    calibration = read_stereo_calibration([write(tmp_path / 'c.txt', KITTI_RAW)])
    assert (calibration.left.height, calibration.left.width) == (375, 1242)
    rig = stereo_camera(calibration.left, calibration.right)
    assert rig.baseline_m == pytest.approx(387.5744 / 721.5377)


@pytest.mark.parametrize('how', ['folder', 'left', 'both', 'other names'])
def test_ros_pair_is_found_and_is_raw(tmp_path, how):
    if how == 'other names':
        paths = [ros_pair(tmp_path, 'my_left_cam.yml', 'my_right_cam.yml')[0]]
    else:
        left, right = ros_pair(tmp_path)
        paths = {'folder': [tmp_path], 'left': [left], 'both': [left, right]}[how]
    calibration = read_stereo_calibration(paths)
    assert not calibration.is_rectified
    assert calibration.left.frame_id == 'narrow/left'
    np.testing.assert_allclose(calibration.left.d, [-0.283, 0.0739, 0.00019, 1.76e-05, 0])
    assert calibration.left.k[0, 0] == 458.654
    assert stereo_camera(calibration.left, calibration.right).baseline_m == pytest.approx(
        48.0 / 436.2
    )


def test_one_ros_camera_is_not_a_rig(tmp_path):
    left, right = ros_pair(tmp_path)
    right.unlink()
    with pytest.raises(CalibrationError, match='give the right camera too'):
        read_stereo_calibration([left])
    with pytest.raises(CalibrationError, match=r'no calibration file .*right\.yaml'):
        read_stereo_calibration([tmp_path])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('hello', 'no calibration this reads; give one of'),
        ('', 'no calibration this reads'),
        ('{"baseline_meters": 0.075, "fx": 4', 'looks like a stereodemo JSON'),
        ('{"baseline_meters": 0.075}', "[(]'fx' is missing"),
        (json.dumps(STEREODEMO | {'fx': 'wide'}), 'looks like a stereodemo JSON'),
        (
            json.dumps(STEREODEMO | {'fx': 0}),
            'K.0,0. of the calibration must be a focal length in pixels, above 0',
        ),
        (MIDDLEBURY.replace('baseline', 'b'), "[(]'baseline' is missing"),
        (MIDDLEBURY.replace('cam1=[3979.911 0', 'cam1=[0'), 'looks like a Middlebury'),
        (KITTI.replace('P1', 'Q1'), "[(]'P1' is missing"),
        (KITTI.replace('-3.861448e+02', 'x'), 'looks like a KITTI'),
        ('camera_matrix: [1, 2', 'looks like a ROS camera_info YAML'),
        (ROS.format(name='a', tx=0).replace('plumb_bob', 'thin_prism'), 'not known'),
        (ROS.format(name='a', tx=0).replace('[458.654, 0,', '[458.654,'), 'must be 9 finite'),
        (
            ROS.format(name='a', tx=0).replace('image_width: 752', ''),
            "[(]'image_width' is missing",
        ),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path, text, message):
    left = write(tmp_path / 'left.yaml', text)
    write(tmp_path / 'right.yaml', text)
    with pytest.raises(CalibrationError, match=message) as caught:
        read_stereo_calibration([left], image_size=(376, 1241))
    assert '\n' not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(CalibrationError, match='there is no calibration file'):
        read_stereo_calibration([tmp_path / 'none.json'])
    (tmp_path / 'image.png').write_bytes(b'\x89PNG\xff\xfe\x00')
    with pytest.raises(CalibrationError, match='no text'):
        read_stereo_calibration([tmp_path / 'image.png'])
    with pytest.raises(CalibrationError, match='got 3'):
        read_stereo_calibration([tmp_path] * 3)


def test_no_two_formats_claim_one_file(tmp_path):
    texts = [ROS.format(name='a', tx=0), json.dumps(STEREODEMO), MIDDLEBURY, KITTI]
    for index, text in enumerate(texts):
        document = open_document(write(tmp_path / f'{index}.txt', text))
        claims = [entry.name for entry in FORMATS if entry.matches(document)]
        assert len(claims) == 1, claims
