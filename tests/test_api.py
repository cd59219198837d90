"""The public API: README's lines run as written, known answers of every opener, bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import depth_ros
from depth_ros.cli.kit.outputs import run_facts
from depth_ros.errors import DepthRosError
from depth_ros.files.cloud import read_ply
from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.paths import scene_path
from depth_ros.scenes.solids import (
    SCENES,
    StereoView,
    View,
    ideal_stereo_camera,
    render,
    render_stereo,
)
from depth_ros.tasks.mono import opening as mono_opening
from depth_ros.tasks.networks import OpenedModel
from tests.kit import bag_writer, mono_doubles
from tests.kit.child_environment import child_environment
from tests.kit.match_scenes import shifted_pair
from tests.kit.shared_data import REPOSITORY
from tests.kit.truth_folders import write_hololens

HEAVY = ('cv2', 'torch', 'yaml', 'openvino', 'onnxruntime', 'rclpy', 'tensorrt', 'rich')
NUM_FRAMES = 4
FENCED_PYTHON = r'```python\n(.*?)```'


@pytest.fixture(scope='module')
def pair() -> StereoView:
    return render_stereo(SCENES['room'](), ideal_stereo_camera(height=240, width=320))


@pytest.fixture(scope='module', autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory):
    """One cache for the module: each engine is built once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DEPTH_ROS_CACHE', str(tmp_path_factory.mktemp('cache')))
        yield


def relative_error(depth: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Give the share of pixels with depth, and their median error over the true depth."""
    known = np.isfinite(depth) & np.isfinite(truth)
    return known.mean(), float(np.median(np.abs(depth - truth)[known] / truth[known]))


def blocks_of(page: str) -> list[str]:
    text = (REPOSITORY / page).read_text(encoding='utf-8')
    return re.findall(FENCED_PYTHON, text, re.DOTALL)


def test_importing_costs_numpy_at_most() -> None:
    program = (
        'import sys, depth_ros\n'
        f'print([name for name in {HEAVY!r} if name in sys.modules], "depth_ros.camera" in '
        'sys.modules)'
    )
    environment = child_environment()
    output = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert output.stdout.strip() == '[] False'


def test_every_name_is_there_and_listed_in_order() -> None:
    assert depth_ros.__all__ == sorted(depth_ros.__all__)
    assert set(depth_ros.__all__) <= set(dir(depth_ros))
    for name in depth_ros.__all__:
        assert getattr(depth_ros, name) is not None
    with pytest.raises(AttributeError, match='open_stereoo'):
        depth_ros.open_stereoo  # noqa: B018


def test_type_checkers_see_the_names_that_there_are(tmp_path: Path) -> None:
    pytest.importorskip('mypy', reason='mypy is not installed')
    program = tmp_path / 'program.py'
    names = [name for name in depth_ros.__all__ if name != '__version__']
    lines = ['import depth_ros', *(f'reveal_type(depth_ros.{name})' for name in names)]
    program.write_text('\n'.join(lines))
    # Strictness is for the program; an installed package is taken as it is, as from site-packages.
    strict = ['--strict', '--follow-imports', 'silent', '--cache-dir', os.devnull]
    command = [sys.executable, '-m', 'mypy', *strict, str(program)]
    output = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    told = output.stdout.splitlines()
    assert output.returncode == 0, output.stdout
    assert sum('Revealed type' in line for line in told) == len(names)
    assert not any('"Any"' in line or '"object"' in line for line in told), output.stdout


def test_the_lines_of_readme(
    pair: StereoView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / 'left.png', pair.left.image)
    write_picture(tmp_path / 'right.png', pair.right.image)
    left, right = pair.camera.left, pair.camera.right
    numbers = {'fx': left.fx, 'fy': left.fy, 'cx0': left.cx, 'cx1': right.cx, 'cy': left.cy}
    numbers |= {'baseline_meters': pair.camera.baseline_m, 'width': 320, 'height': 240}
    (tmp_path / 'calibration.json').write_text(json.dumps(numbers))
    monkeypatch.chdir(tmp_path)
    [lines] = blocks_of('README.md')
    found: dict[str, depth_ros.DepthMap] = {}
    exec(lines, found)
    result = found['result']
    assert result.depth.shape == (240, 320) and result.depth.dtype == np.float32
    assert result.disparity is not None and result.is_metric and result.confidence is not None
    known, error = relative_error(result.depth, pair.left.depth)
    assert known > 0.95 and error < 0.02, '8 mm a metre when written'
    points, colors = read_ply(tmp_path / 'cloud.ply')
    assert len(points) == len(colors) == np.isfinite(result.depth).sum()
    assert np.median(points[:, 2]) == pytest.approx(np.nanmedian(pair.left.depth), rel=0.02)


def test_the_loop_over_a_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    recorded = bag_writer.rig_messages(scene_path('room'), NUM_FRAMES)
    bag_writer.write_bag(tmp_path / 'rig_drive', recorded)
    monkeypatch.chdir(tmp_path)
    [lines] = [lines for lines in blocks_of('docs/python.md') if 'read_bag' in lines]
    exec(lines, {})
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith('initialising waiting')
    assert len(told) == NUM_FRAMES and all('tracking  [' in line for line in told[1:]), told
    frames = depth_ros.read_bag(tmp_path / 'rig_drive', image_topic='/left/image_rect')
    assert [type(frame) for frame in frames] == [depth_ros.MonoFrame] * NUM_FRAMES


def test_the_lines_for_posed_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They suit the sample room, 5.6 m deep; a shorter range moves its back wall forward."""
    names = [f'{number:05d}' for number in range(3)]
    truth = write_hololens(tmp_path, names=names, size=(240, 320))[1].depth
    (tmp_path / 'hololens_mvs').rename(tmp_path / 'room')
    monkeypatch.chdir(tmp_path)
    [lines] = [lines for lines in blocks_of('docs/python.md') if 'read_posed_folder' in lines]
    found: dict[str, depth_ros.DepthMap] = {}
    exec(lines, found)
    known, error = relative_error(found['result'].depth, truth)
    assert known > 0.9 and error < 0.02, '0.6 % when written'
    exec(lines.replace('6.0', '4.8'), found)
    wall_m = found['result'].depth[truth > 5.5]
    assert np.isfinite(wall_m).all() and np.median(wall_m) == pytest.approx(4.7, abs=0.05)


def test_stereo_rectifies_what_the_rig_says_is_raw(pair: StereoView) -> None:
    """A lens that bends: the same rig called rectified gives other depth."""
    left = _bent(pair.camera.left)
    right = _bent(pair.camera.right)
    raw = depth_ros.StereoCalibration(left=left, right=right, is_rectified=False)
    taken_as_rectified = depth_ros.StereoCalibration(left=left, right=right, is_rectified=True)
    with depth_ros.open_stereo(model='sgbm', sgbm_num_disparities=64) as stereo:
        plain = stereo(pair.left.image, pair.right.image, pair.camera)
        rectified = stereo(pair.left.image, pair.right.image, raw)
        untouched = stereo(pair.left.image, pair.right.image, taken_as_rectified)
    assert np.array_equal(untouched.image, pair.left.image)
    assert not np.array_equal(rectified.image, pair.left.image)
    assert rectified.camera is not None and not rectified.camera.d.any()
    known, error = relative_error(plain.depth, pair.left.depth)
    assert known > 0.7 and error < 0.025


def test_a_depth_map_says_in_a_line_what_it_is() -> None:
    depth = np.full((2, 4), 2.0, np.float32)
    depth[0] = np.nan
    made = depth_ros.DepthMap(
        depth=depth,
        image=np.zeros((2, 4, 3), np.uint8),
        camera=None,
        scale=depth_ros.DepthScale.METRIC,
    )
    assert repr(made) == 'DepthMap(4x2, 50.0 % known, 2.00 / 2.00 / 2.00 m)'


def test_known_means_the_same_to_a_command_and_to_a_call() -> None:
    depth = np.array([[1.0, np.inf], [-np.inf, np.nan]], np.float32)
    result = depth_ros.DepthMap(
        depth=depth, image=IMAGE[:2, :2], camera=None, scale=depth_ros.DepthScale.METRIC
    )
    facts = run_facts(valid_fraction=1.0, depth=depth, stages_s={}, ran_by={})
    assert '25.0 % known' in repr(result) and facts['valid_fraction'] == 0.25


def test_settings_by_name_reach_the_processor(pair: StereoView) -> None:
    with depth_ros.open_stereo(
        model='sgbm', max_depth_m=2.0, left_right_check=True, sgbm_num_disparities=64
    ) as stereo:
        result = stereo(pair.left.image, pair.right.image, pair.camera)
    assert (
        np.isposinf(result.depth).any() and not (result.depth[np.isfinite(result.depth)] > 2).any()
    )
    assert result.confidence is not None and result.confidence.shape == result.depth.shape


@pytest.fixture
def mono_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mono weights ship: the network's place is taken by one that knows the rendered room."""

    def opened(*arguments: object, **options: object) -> OpenedModel:
        return OpenedModel(pipeline=mono_doubles.truth_pipeline(), training_rig=mono_doubles.RIG)

    monkeypatch.setattr(mono_opening, 'open_model', opened)


@pytest.mark.usefixtures('mono_network')
def test_mono_is_relative_until_a_scale_is_set(tmp_path: Path) -> None:
    image, camera = mono_doubles.room_image(), mono_doubles.CAMERA
    truth = mono_doubles.room_depth()
    with depth_ros.open_mono() as mono:
        for result in (mono(image), mono(image, camera)):
            assert not result.is_metric and 'scale' in result.reason
            np.testing.assert_allclose(result.depth, truth / mono_doubles.UNIT_M, rtol=1e-4)
            with pytest.raises(depth_ros.InputError, match='scale_mode'):
                depth_ros.save_cloud(tmp_path / 'cloud.ply', result)
            with pytest.raises(depth_ros.InputError, match='relative'):
                depth_ros.save_depth(tmp_path / 'depth.png', result)
            depth_ros.save_depth(tmp_path / 'depth.npy', result)
    np.testing.assert_array_equal(np.load(tmp_path / 'depth.npy'), result.depth)
    assert [path.name for path in tmp_path.iterdir()] == ['depth.npy']


@pytest.mark.usefixtures('mono_network')
@pytest.mark.parametrize(
    'settings',
    [
        {'scale_mode': 'fixed', 'scale_factor': mono_doubles.UNIT_M},
        {'scale_mode': 'training_rig'},
        {'scale_mode': 'camera_height', 'scale_camera_height_m': mono_doubles.FLOOR_M},
        {'scale_mode': 'reference_depth'},
    ],
)
def test_mono_gives_metres_by_every_scale(settings: dict[str, object], tmp_path: Path) -> None:
    image, truth = mono_doubles.room_image(), mono_doubles.room_depth()
    with depth_ros.open_mono(**settings) as mono:
        result = mono(image, mono_doubles.CAMERA, reference=truth[::2, ::2])
        with pytest.raises(depth_ros.CalibrationError, match='read_camera'):
            mono(image)
    assert result.is_metric and result.reason == ''
    known, error = relative_error(result.depth, truth)
    assert known > 0.99 and error < 0.03
    depth_ros.save_cloud(tmp_path / 'cloud.ply', result)
    depth_ros.save_depth(tmp_path / 'depth.png', result)


def test_multiview_depth_of_a_rendered_room() -> None:
    camera = depth_ros.ideal_camera(fx=400.0, fy=400.0, cx=255.5, cy=175.5, height=352, width=512)
    views: list[View] = []
    for x in (0.0, 0.1, -0.1):
        pose = np.eye(4)
        pose[0, 3] = x
        views.append(render(SCENES['room'](), camera, world_from_camera=pose))
    reference, *sources = (
        depth_ros.posed_view(view.image, camera, view.world_from_camera) for view in views
    )
    with depth_ros.open_multiview() as multiview:
        result = multiview(reference, sources, depth_range_m=(0.5, 8.0))
        with pytest.raises(depth_ros.InputError):
            multiview(reference, [], depth_range_m=(0.5, 8.0))
        with pytest.raises(depth_ros.InputError):
            multiview(reference, sources, depth_range_m=(8.0, 0.5))
    known, error = relative_error(result.depth, views[0].depth)
    assert known > 0.9 and error < 0.03, '1.4 % when written'
    assert result.confidence is not None and result.camera is not None


def test_matcher_finds_a_known_shift_and_with_cameras_a_pose() -> None:
    pair = shifted_pair(3, 240, 320, (24, 16))
    with depth_ros.open_matcher(max_matches=100) as matcher:
        answer = matcher(pair.first, pair.second)
        camera = depth_ros.ideal_camera(
            fx=300.0, fy=300.0, cx=160.0, cy=120.0, height=240, width=320
        )
        posed = matcher(pair.first, pair.second, first_camera=camera, second_camera=camera)
        nothing = np.zeros((240, 320), np.bool_)
        masked = matcher(pair.first, pair.second, first_mask=nothing)
        with pytest.raises(depth_ros.ImageError, match='mask'):
            matcher(pair.first, pair.second, first_mask=nothing[:10])
    assert 20 < len(answer.confidence) <= 100 == len(posed.confidence)
    assert (np.diff(answer.confidence) <= 0).all()
    moved = (answer.points_first - answer.points_second)[answer.geometry.inliers]
    np.testing.assert_allclose(moved, np.tile([24.0, 16.0], (len(moved), 1)), atol=0.5)
    assert answer.geometry.essential is None and answer.geometry.homography is not None
    assert posed.geometry.second_from_first is not None
    assert len(masked.confidence) == 0


@pytest.mark.parametrize('source', ['stereo', 'rgbd', 'mono'])
def test_odometry_follows_a_rendered_path(source: str) -> None:
    path, outputs = scene_path('room'), []
    with depth_ros.open_odometry(source=source, model='orb') as odometry:
        for index in range(NUM_FRAMES):
            outputs.append(odometry(_frame(path, index, source)))
        with pytest.raises(depth_ros.InputError, match='source'):
            odometry(_frame(path, 0, 'rgbd' if source != 'rgbd' else 'mono'))
    last = outputs[-1]
    truth = np.linalg.inv(path.world_from_camera[0]) @ path.world_from_camera[NUM_FRAMES - 1]
    if source == 'mono':
        assert last.pose is None and last.direction is not None
        return
    assert last.state is depth_ros.OdometryState.TRACKING and last.pose is not None
    np.testing.assert_allclose(last.pose.world_from_camera[:3, 3], truth[:3, 3], atol=0.05)


def _frame(path, index: int, source: str):
    pair, stamp_ns = path.stereo(index), path.stamp_ns(index)
    if source == 'stereo':
        return depth_ros.stereo_frame(pair.left, pair.right, path.camera, stamp_ns=stamp_ns)
    if source == 'rgbd':
        depth = path.view(index).depth
        return depth_ros.rgbd_frame(pair.left, depth, path.left, stamp_ns=stamp_ns)
    return depth_ros.mono_frame(pair.left, path.left, stamp_ns=stamp_ns)


def _bent(camera: depth_ros.PinholeCamera) -> depth_ros.PinholeCamera:
    return depth_ros.camera_from_calibration(
        k=camera.k,
        d=np.array([-0.2, 0.05, 0.0, 0.0, 0.0]),
        distortion_model='plumb_bob',
        r=np.eye(3),
        p=camera.p,
        height=camera.height,
        width=camera.width,
    )


RIG = ideal_stereo_camera(height=48, width=64)
GREY = np.zeros((48, 64), np.uint8)
IMAGE = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ('left', 'right', 'rig', 'words'),
    [
        (IMAGE / 255.0, IMAGE, RIG, r'left image.*float64\(48, 64, 3\).*255 \* image'),
        (IMAGE, IMAGE.astype(bool), RIG, 'right image.*bool'),
        (IMAGE.astype(np.uint16), IMAGE, RIG, 'uint16.*>> 8'),
        (GREY, IMAGE, RIG, 'grey; repeat it'),
        (GREY[..., np.newaxis], IMAGE, RIG, 'grey; repeat it'),
        (np.zeros((48, 64, 4), np.uint8), IMAGE, RIG, 'fourth channel'),
        (IMAGE.transpose(2, 0, 1), IMAGE, RIG, 'channels come first'),
        (IMAGE[np.newaxis], IMAGE, RIG, r'image\[0\]'),
        (IMAGE[:0], IMAGE, RIG, 'empty'),
        (np.zeros(7, np.uint8), IMAGE, RIG, 'convert it to RGB'),
        (IMAGE.tolist(), IMAGE, RIG, 'NumPy array.*got a list'),
        ('left.png', IMAGE, RIG, 'read_image'),
        (None, IMAGE, RIG, 'NoneType'),
        (IMAGE[:40], IMAGE, RIG, '64x40 and 64x48'),
        (IMAGE[:40], IMAGE[:40], RIG, 'left image is 64x40.*for 64x48.*scaled_camera'),
        (IMAGE, IMAGE, None, 'read_rig'),
        (IMAGE, IMAGE, RIG.left, 'read_rig.*PinholeCamera'),
    ],
)
def test_bad_pairs_are_refused_with_a_remedy(left, right, rig, words: str) -> None:
    with (
        depth_ros.open_stereo(model='sgbm') as stereo,
        pytest.raises(depth_ros.InputError, match=words),
    ):
        stereo(left, right, rig)


@pytest.mark.parametrize(
    ('call', 'words'),
    [
        (lambda: depth_ros.mono_frame(IMAGE, RIG), 'read_camera.*StereoCamera'),
        (lambda: depth_ros.mono_frame(GREY, RIG.left), 'grey'),
        (lambda: depth_ros.posed_view(IMAGE, RIG.left, np.eye(3)), '4x4'),
        (lambda: depth_ros.posed_view(IMAGE, RIG.left, 2 * np.eye(4)), 'rotation'),
        (lambda: depth_ros.rgbd_frame(IMAGE, None, RIG.left, stamp_ns=1), 'NoneType'),
        (
            lambda: depth_ros.rgbd_frame(IMAGE, GREY.astype(np.uint16), RIG.left, stamp_ns=1),
            'uint16.*mm / 1000',
        ),
        (lambda: depth_ros.read_image('no.png'), 'no.png'),
        (lambda: depth_ros.read_rig('no.json'), 'no.json'),
        (lambda: depth_ros.read_camera('no.yaml'), 'no.yaml'),
        (lambda: depth_ros.read_bag('no.mcap'), 'no.mcap'),
        (lambda: depth_ros.read_image(None), 'an image must be text .*NoneType'),
        (lambda: depth_ros.read_rig(None), 'a calibration must be text .*NoneType'),
        (lambda: depth_ros.read_camera(None), 'a calibration must be text .*NoneType'),
        (lambda: depth_ros.read_bag(None), 'a bag must be text .*NoneType'),
        (lambda: depth_ros.read_posed_folder(None), 'posed images must be text .*NoneType'),
        (lambda: depth_ros.stereo_camera(1, 2), 'left camera .*got a int; .*read_camera'),
        (lambda: depth_ros.stereo_camera(RIG.left, None), 'right camera .*NoneType'),
    ],
)
def test_bad_values_and_absent_files_are_refused(call, words: str) -> None:
    with pytest.raises(depth_ros.InputError, match=words):
        call()


@pytest.mark.parametrize('stamp_ns', [1.5, -1, '1', None, True])
def test_a_stamp_is_a_whole_number_of_nanoseconds(stamp_ns: object) -> None:
    with pytest.raises(depth_ros.InputError, match=r'whole number of nano.*round\(seconds'):
        depth_ros.stereo_frame(IMAGE, IMAGE, RIG, stamp_ns=stamp_ns)
    frame = depth_ros.stereo_frame(IMAGE, IMAGE, RIG, stamp_ns=np.int64(7))
    assert type(frame.stamp_ns) is int and frame.stamp_ns == 7


def test_a_rig_is_read_from_a_list_too(tmp_path: Path) -> None:
    with pytest.raises(depth_ros.CalibrationError, match=r'no calibration file .*no\.json'):
        depth_ros.read_rig([tmp_path / 'no.json'])
    with pytest.raises(depth_ros.CalibrationError, match='got a list'):
        depth_ros.read_rig('a.yaml', ['b.yaml'])


def test_what_are_no_views_and_no_range_is_told(tmp_path: Path) -> None:
    write_hololens(tmp_path, names=['00000', '00001'])
    files = depth_ros.read_posed_folder(tmp_path / 'hololens_mvs').views
    first, second = (file.read() for file in files)
    refusals: list[tuple[str, object, object, object]] = [
        (r'give \[source\]', first, second, (1, 6)),
        (r'source 0 .*ViewFile; .*\.read\(\)', first, [files[1]], (1, 6)),
        (r'reference .*ViewFile; .*\.read\(\)', files[0], [second], (1, 6)),
        ('reference .*ndarray; .*posed_view', first.frame.image, [second], (1, 6)),
        ('list of views, got a ndarray', first, second.frame.image, (1, 6)),
        ('two numbers', first, [second], 5),
        ('two numbers', first, [second], '1 6'),
        ('two numbers', first, [second], '16'),
        ('two numbers', first, [second], (1, 2, 6)),
    ]
    with depth_ros.open_multiview() as multiview:
        for words, reference, sources, depth_range_m in refusals:
            with pytest.raises(depth_ros.InputError, match=words):
                multiview(reference, sources, depth_range_m=depth_range_m)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('opener', 'settings', 'words'),
    [
        (depth_ros.open_stereo, {'modle': 'sgbm'}, "no setting 'modle'; did you mean 'model'"),
        (depth_ros.open_stereo, {'zzz': 1}, 'zzz'),
        (depth_ros.open_stereo, {'model': 'loftr'}, 'loftr'),
        (depth_ros.open_mono, {'scale_mode': 'guess'}, 'camera_height'),
        (depth_ros.open_mono, {'scale_mode': 'fixed'}, 'scale.factor'),
        (depth_ros.open_multiview, {'min_overlap': 2.0}, 'min_overlap'),
        (depth_ros.open_matcher, {'max_matches': -1}, 'max_matches'),
        (depth_ros.open_odometry, {'source': 'sonar'}, 'stereo'),
        (depth_ros.open_odometry, {'frontend': 'x'}, "'frontend' is called 'model' now"),
        (depth_ros.open_odometry, {'stereo_model': 'x'}, "called 'depth_model' now"),
    ],
)
def test_bad_settings_are_refused(opener, settings: dict[str, object], words: str) -> None:
    with pytest.raises(depth_ros.ParameterError, match=words):
        opener(**settings)


def test_files_of_another_kind_are_refused(pair: StereoView, tmp_path: Path) -> None:
    with depth_ros.open_stereo(model='sgbm', sgbm_num_disparities=64) as stereo:
        result = stereo(pair.left.image, pair.right.image, pair.camera)
    with pytest.raises(depth_ros.InputError, match=r'\.npy or \.png'):
        depth_ros.save_depth(tmp_path / 'depth.jpg', result)
    with pytest.raises(depth_ros.DepthRosError):
        depth_ros.save_cloud(tmp_path / 'none' / 'cloud.ply', result)
    assert not list(tmp_path.iterdir())


def test_posed_folders_are_read_by_name_and_their_views_serve(tmp_path: Path) -> None:
    write_hololens(tmp_path, names=['00000', '00001', '00002'])
    folder = depth_ros.read_posed_folder(str(tmp_path / 'hololens_mvs'))
    view = folder.views[1].read()
    assert view.frame.image.shape == (120, 180, 3)
    assert view.world_from_camera.shape == (4, 4)


def test_what_is_no_depth_map_and_no_setting_is_told(tmp_path: Path) -> None:
    with pytest.raises(DepthRosError, match='the file comes first, then the result'):
        depth_ros.save_cloud('c.ply', np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(DepthRosError, match='the file comes first'):
        depth_ros.save_depth('c.npy', 'c.npy')  # type: ignore[arg-type]
    with pytest.raises(DepthRosError, match="as in model='sgbm'"):
        depth_ros.open_stereo('sgbm')  # type: ignore[arg-type]


def test_shipped_weights_are_not_sent_for() -> None:
    ship = "leave weights out: those of 'crestereo_tiny_hinted' ship"
    with pytest.raises(DepthRosError, match=ship):
        depth_ros.open_stereo(weights='nope.pth')
