"""Triples of frames: KITTI raw and folders of images, changes of colour and side, order."""

from __future__ import annotations

import pickle
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import CalibrationError, ImageError, RecipeError
from depth_ros.files.calibration import read_mono_calibration
from depth_ros.geometry.rectify import MonoRectifier
from depth_ros.training.colour_jitter import Jitter, draw_jitter, shake_colours
from depth_ros.training.datasets.frame_files import held_out
from depth_ros.training.datasets.kitti_raw import find_clips, find_listed, read_rig
from depth_ros.training.datasets.triples import Augmentation, Triple, TripleSource, augmented
from depth_ros.training.datasets.video_folder import find_video

HEIGHT, WIDTH = 12, 40
DATE = '2011_09_26'
CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 4.000000e+01 1.200000e+01
P_rect_02: 20 0 18.5 1.2 0 20 5.5 0.2 0 0 1 0.003
S_rect_03: 4.000000e+01 1.200000e+01
P_rect_03: 20 0 18.5 -9.6 0 20 5.5 0.2 0 0 1 0.003
"""
BASELINE_M = (1.2 + 9.6) / 20
CAMERA_YAML = """image_width: 40
image_height: 12
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [20, 0, 19.5, 0, 20, 5.5, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [{distortion}, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [20, 0, 19.5, 0, 0, 20, 5.5, 0, 0, 0, 1, 0]}}
"""


def write(path: Path, value: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def drive(root: Path, number: int, frames: range, ending: str = '.png') -> Path:
    folder = root / DATE / f'{DATE}_drive_{number:04d}_sync'
    for frame in frames:
        write(folder / 'image_02' / 'data' / f'{frame:010d}{ending}', 10 * frame)
        write(folder / 'image_03' / 'data' / f'{frame:010d}{ending}', 10 * frame + 5)
    return folder


@pytest.fixture
def kitti(tmp_path):
    drive(tmp_path, 1, range(5))
    drive(tmp_path, 2, range(3), '.jpg')
    (tmp_path / DATE / 'calib_cam_to_cam.txt').write_text(CALIBRATION, encoding='utf-8')
    return tmp_path


def values(triple: Triple) -> list[int]:
    return [int(view[0, 0, 0]) for view in triple.views]


def test_kitti_gives_neighbours_and_cameras(kitti):
    clips = find_clips(kitti)
    assert [len(clip) for clip in clips] == [3, 3, 1, 1]
    triple = clips[0][1].read((24, 20))
    assert triple.views.shape == (3, 24, 20, 3) and triple.views.dtype == np.uint8
    assert values(triple) == [20, 10, 30]
    assert values(clips[1][1].read((24, 20))) == [25, 15, 35]
    # Half as wide, twice as high; pixel centres at integers.
    expected = [[10, 0, (18.5 + 0.5) / 2 - 0.5], [0, 40, (5.5 + 0.5) * 2 - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(triple.intrinsics, expected)
    assert triple.partner_x_m == 0.0


def test_kitti_partner_is_the_other_camera_at_the_same_time(kitti):
    left, right = (
        clip[0].read((HEIGHT, WIDTH)) for clip in find_clips(kitti, with_partner=True)[:2]
    )
    assert values(left) == [10, 0, 20, 15] and values(right) == [15, 5, 25, 10]
    # A point lies farther left in the right camera's axes.
    assert left.partner_x_m == pytest.approx(-BASELINE_M)
    assert right.partner_x_m == pytest.approx(BASELINE_M)


def test_kitti_split_list_names_frames_and_sides(kitti):
    split = kitti / 'train_files.txt'
    split.write_text(
        f'{DATE}/{DATE}_drive_0001_sync 3 r\n{DATE}/{DATE}_drive_0002_sync 0000000001 l\n', 'utf-8'
    )
    samples = find_listed(kitti, split)
    assert [values(sample.read((HEIGHT, WIDTH))) for sample in samples] == [
        [35, 25, 45],
        [10, 0, 20],
    ]
    assert samples[0].camera is not samples[1].camera


def test_kitti_leaves_out_what_has_no_neighbour_or_partner(kitti):
    folder = kitti / DATE / f'{DATE}_drive_0001_sync'
    (folder / 'image_02' / 'data' / '0000000002.png').unlink()
    assert [len(clip) for clip in find_clips(kitti)] == [3, 1, 1]
    (folder / 'image_02' / 'data' / '0000000003.png').unlink()
    partners = find_clips(kitti, with_partner=True)
    assert [len(clip) for clip in partners] == [1, 1, 1]
    assert partners[0][0].target.parent.parent.name == 'image_03'


@pytest.mark.parametrize(
    ('lines', 'text'),
    [
        ('2011_09_26 5 l', r'line 1: expected "DATE/DRIVE NUMBER l\|r"'),
        ('a/b 5 x', 'line 1'),
        ('../../etc/passwd 1 l', 'line 1'),
        (f'{DATE}/{DATE}_drive_0001_sync 4 l', 'frame 4 of .* is not there; download'),
        (f'{DATE}/{DATE}_drive_0009_sync 1 l', 'drive_0009_sync'),
        ('\n\n', 'names no sample'),
    ],
)
def test_kitti_split_lists_that_do_not_fit_are_named(kitti, lines, text):
    split = kitti / 'train_files.txt'
    split.write_text(lines, encoding='utf-8')
    with pytest.raises(RecipeError, match=text):
        find_listed(kitti, split)


def test_kitti_without_data_says_what_is_expected(tmp_path):
    with pytest.raises(
        RecipeError, match=r'image_02/data/0000000000\.png.*no such folder.*--data'
    ):
        find_clips(tmp_path / 'none')
    (tmp_path / 'other').mkdir()
    with pytest.raises(RecipeError, match='found other;'):
        find_clips(tmp_path)
    drive(tmp_path, 1, range(5))
    with pytest.raises(CalibrationError, match=r'calib_cam_to_cam\.txt; unpack'):
        find_clips(tmp_path)


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        ('P_rect_03', 'P_gone_03', "KeyError: 'P_rect_03'"),
        ('P_rect_02: 20', 'P_rect_02: twenty', 'ValueError'),
        ('-9.6', 'nan', '12 finite numbers'),
        (' 5.5 0.2 0 0 1 0.003\nS_rect_03', '\nS_rect_03', '12 finite numbers'),
        ('-9.6', '9.6', 'baseline of -0.4200 m'),
        ('P_rect_02: 20 0', 'P_rect_02: -20 0', 'baseline|focal length'),
    ],
)
def test_kitti_calibration_that_cannot_be_is_refused(kitti, old, new, text):
    path = kitti / DATE / 'calib_cam_to_cam.txt'
    path.write_text(CALIBRATION.replace(old, new), encoding='utf-8')
    with pytest.raises(CalibrationError, match=text):
        read_rig(path)


def test_images_that_do_not_fit_are_named_when_read(kitti):
    sample = find_clips(kitti)[0][1]
    write(sample.before, 0, size=(HEIGHT, WIDTH + 2))
    with pytest.raises(CalibrationError, match=r'0000000001\.png: .*40x12 but the image is 42x12'):
        sample.read((HEIGHT, WIDTH))
    sample.before.write_bytes(b'\x89PNG cut')
    with pytest.raises(ImageError, match=r'0000000001\.png is not a whole image'):
        sample.read((HEIGHT, WIDTH))
    sample.before.unlink()
    with pytest.raises(ImageError, match=r'no file .*0000000001\.png'):
        sample.read((HEIGHT, WIDTH))


@pytest.fixture
def video(tmp_path):
    def make(names, *, distortion=0.0, folder=tmp_path):
        for value, name in enumerate(names):
            write(folder / name, 10 * value)
        text = CAMERA_YAML.format(distortion=distortion)
        (tmp_path / 'camera.yaml').write_text(text, encoding='utf-8')
        return tmp_path

    return make


def test_folder_orders_by_number_not_by_letter(video):
    (clip,) = find_video(video(['f_8.png', 'f_9.png', 'f_10.png', 'f_11.png']))
    assert [values(item.read((HEIGHT, WIDTH))) for item in clip] == [[10, 0, 20], [20, 10, 30]]


def test_folder_splits_at_a_pause(video):
    names = [f'{stamp:.3f}.png' for stamp in (1.0, 1.1, 1.2, 1.3, 9.0, 9.1, 9.2)]
    folder = video(names)
    assert [len(clip) for clip in find_video(folder)] == [2, 1]


def test_folder_with_steps_skips_images(video):
    (clip,) = find_video(video([f'{n}.png' for n in range(6)]), step=2)
    assert [values(item.read((HEIGHT, WIDTH))) for item in clip] == [[20, 0, 40], [30, 10, 50]]


def test_folder_of_folders_is_clips_with_one_calibration(video, tmp_path):
    video(['1.png', '2.png', '3.png'], folder=tmp_path / 'a')
    video(['1.png', '2.png', '3.png', '4.png'], folder=tmp_path / 'b')
    assert [len(clip) for clip in find_video(tmp_path)] == [1, 2]


def test_folder_rectifies_raw_images(video, tmp_path):
    folder = video(['1.png', '2.png', '3.png'], distortion=-0.2)
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert cv2.imwrite(str(folder / '2.png'), image[..., ::-1])
    ((sample,),) = find_video(folder)
    found = sample.read((HEIGHT, WIDTH)).views[0]
    camera = read_mono_calibration(folder / 'camera.yaml').camera
    maps = cv2.initUndistortRectifyMap(camera.k, camera.d, None, camera.k, (WIDTH, HEIGHT), 5)
    expected = cv2.remap(image, *maps, cv2.INTER_LINEAR).astype(int)
    assert np.abs(found.astype(int) - expected).max() <= 5
    assert np.abs(found.astype(int) - image).max() > 50
    assert not MonoRectifier(camera).is_identity


def test_folder_errors_say_what_to_do(video, tmp_path):
    with pytest.raises(RecipeError, match=r'no data folder .*--data'):
        find_video(tmp_path / 'none')
    write(tmp_path / '1.png', 0)
    with pytest.raises(RecipeError, match=r'no calibration .*camera\.yaml'):
        find_video(tmp_path)
    video(['1.png', '2.png', 'unnumbered.png'])
    with pytest.raises(RecipeError, match=r'expected 3 or more numbered images .*found 2'):
        find_video(tmp_path)
    with pytest.raises(RecipeError, match='step must be 1 or more'):
        find_video(tmp_path, step=0)
    with pytest.raises(CalibrationError, match=r'no\.yaml'):
        find_video(tmp_path, calibration=tmp_path / 'no.yaml')


def test_what_is_held_out_is_the_end_with_a_gap():
    train, validation = held_out(range(100), share=0.1, gap=5)
    assert validation == list(range(90, 100)) and train == list(range(85))
    assert held_out(range(4), share=0.1, gap=5) == ([], [3])
    assert held_out(range(4), share=0.0) == ([0, 1, 2, 3], [])


def random_triple(views: int = 3) -> Triple:
    rng = np.random.default_rng(1)
    return Triple(
        views=rng.integers(0, 256, (views, 6, 8, 3)).astype(np.uint8),
        intrinsics=np.array([[5.0, 0.0, 2.5], [0.0, 5.0, 3.0], [0.0, 0.0, 1.0]]),
        partner_x_m=-0.5,
        depth=rng.random((6, 8)).astype(np.float32),
    )


def test_flipping_mirrors_world_and_camera():
    triple = random_triple()
    flipped = triple.flipped()
    np.testing.assert_array_equal(flipped.views[1, 2, 0], triple.views[1, 2, 7])
    assert flipped.depth[3, 1] == triple.depth[3, 6]
    # The point (x, y, z) is at column fx x / z + cx; mirrored, (-x, y, z) at 7 minus that.
    x, z = 0.3, 2.0
    column = 5.0 * x / z + triple.intrinsics[0, 2]
    assert 5.0 * -x / z + flipped.intrinsics[0, 2] == pytest.approx(7 - column)
    assert flipped.partner_x_m == 0.5
    np.testing.assert_array_equal(flipped.flipped().views, triple.views)
    assert triple.intrinsics[0, 2] == 2.5


def test_colours_are_shaken_as_asked():
    image = np.random.default_rng(2).integers(40, 160, (5, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(shake_colours(image, Jitter()), image)
    brighter = shake_colours(image, Jitter(brightness=1.2))
    np.testing.assert_allclose(brighter, image * 1.2, atol=1.0)
    grey = shake_colours(image, Jitter(saturation=0.0))
    assert int((grey.max(-1) - grey.min(-1)).max()) == 0
    flat = shake_colours(image, Jitter(contrast=0.0))
    assert int(flat.max() - flat.min()) == 0
    red = np.full((1, 1, 3), (200, 0, 0), np.uint8)
    assert shake_colours(red, Jitter(hue=1 / 3)).tolist() == [[[0, 200, 0]]]


def test_frames_are_shaken_alike_and_the_loss_sees_them_plain():
    triple = random_triple(4)
    same = Triple(views=np.repeat(triple.views[:1], 4, 0), intrinsics=triple.intrinsics)
    sample = augmented(np.random.default_rng(0), same, Augmentation(flip=0.0, jitter=1.0))
    assert sample.seen.shape == (3, 6, 8, 3) and sample.views.shape == (4, 6, 8, 3)
    np.testing.assert_array_equal(sample.seen[0], sample.seen[1])
    np.testing.assert_array_equal(sample.views, same.views)
    assert np.abs(sample.seen[0].astype(int) - same.views[0]).max() > 5
    drawn = [draw_jitter(np.random.default_rng(n)) for n in range(50)]
    assert max(abs(jitter.hue) for jitter in drawn) <= 0.1
    assert 1.1 < max(jitter.brightness for jitter in drawn) <= 1.2


class Numbered:
    """A sample that shows its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, size: tuple[int, int]) -> Triple:
        return Triple(views=np.full((3, *size, 3), self.number, np.uint8), intrinsics=np.eye(3))


def test_source_gives_each_sample_once_a_round_and_goes_on_anywhere():
    source = TripleSource(readers=[Numbered(n) for n in range(6)], height=2, width=3)
    seen = [
        batch.views[:, 0, 0, 0, 0].tolist() for batch in islice(source.batches(batch_size=2), 9)
    ]
    rounds = [list(chain(*seen[3 * n : 3 * n + 3])) for n in range(3)]
    assert all(sorted(numbers) == list(range(6)) for numbers in rounds)
    assert rounds[0] != rounds[1]
    again = pickle.loads(pickle.dumps(source))
    later = next(again.batches(batch_size=2, first=5))
    assert later.views[:, 0, 0, 0, 0].tolist() == seen[5]
    other = next(source.batches(batch_size=6, stream=1)).views[:, 0, 0, 0, 0].tolist()
    assert other != rounds[0] and sorted(other) == list(range(6))
