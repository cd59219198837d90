"""Calibration files that are wrong by content: refused or told in words of that very file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration import read_mono_calibration, read_stereo_calibration
from tests.files.test_calibration import KITTI, MIDDLEBURY
from tests.kit.calibration_files import (
    BROWN,
    K1,
    K2,
    REALSENSE,
    Written,
    camchain,
    depthai,
    euroc,
    file_storage,
    opencv_two_files,
    ros,
    save,
    zed,
)

SIZES = {'ZED': (720, 1280)}


def refusal(files: list[Path], size: tuple[int, int] = (480, 640)) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        read_stereo_calibration(files, image_size=size)
    return caught.value


def edited(path: Path, pattern: str, new: str) -> list[Path]:
    text, count = re.subn(pattern, new, path.read_text(), flags=re.M)
    assert count
    return [save(path, text)]


@pytest.mark.parametrize(
    'other',
    [
        REALSENSE.replace('381.8', '420.1'),
        REALSENSE.replace('-0.0499', '-0.095'),
        REALSENSE.replace('Name     ', 'Serial Number'),
    ],
)
def test_realsense_text_of_two_devices(tmp_path: Path, other: str) -> None:
    first = REALSENSE.replace('Name     ', 'Serial Number').replace('D435', '')
    first = first.replace('Intel RealSense', '17') if 'Serial' in other else REALSENSE
    error = refusal([save(tmp_path / 'rs.txt', first + other)])
    assert 'two devices' in str(error) and 'keep one' in str(error)


def test_realsense_text_of_one_device_twice_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / 'rs.txt', REALSENSE + REALSENSE)
    assert read_stereo_calibration([path], image_size=(480, 640)).left.fx == 381.8


def test_one_size_listed_twice(tmp_path: Path) -> None:
    text = REALSENSE.replace('1280x720', '640x480').replace('1280', '640').replace('720', '480')
    error = refusal([save(tmp_path / 'rs.txt', text)])
    assert "'Infrared 1' of 640x480 twice, with fx 381.8 and 636.4" in str(error)


@pytest.mark.parametrize(
    'lens', ['Inverse Brown Conrady', 'Modified_Brown_Conrady', 'F-Theta', 'Ftheta']
)
def test_other_lenses_of_realsense_are_refused_by_name(tmp_path: Path, lens: str) -> None:
    text = REALSENSE.replace('Brown Conrady', lens)
    path = save(tmp_path / 'rs.txt', text)
    assert not read_stereo_calibration([path], image_size=(480, 640)).left.d.any()
    save(path, text.replace('Coeffs:     \t0', 'Coeffs:     \t0.1'))
    error = refusal([path])
    assert error.reason == 'distortion_model' and lens.replace('_', ' ') in str(error)


def middlebury(folder: Path) -> Written:
    return Written([save(folder / 'calib.txt', MIDDLEBURY)])


@pytest.mark.parametrize(
    ('write', 'pattern', 'new', 'words'),
    [
        (middlebury, '^baseline=.*', 'baseline=0.12', ('baseline', 'must say 120 (mm)')),
        (middlebury, '^baseline=.*', 'baseline=0.00012', ('baseline', 'write it in mm')),
        (zed, '^(Baseline|TY|TZ)=(.*)', r'\1=\2e-3', ('Baseline', 'must say 120')),
        (depthai, '"([xyz])": ([-.0-9]+)', r'"\1": \2e-2', ('translation', 'must say 12')),
    ],
)
def test_other_units_are_told_by_the_files_own_key(
    tmp_path: Path,
    write: Callable[[Path], Written],
    pattern: str,
    new: str,
    words: tuple[str, ...],
) -> None:
    files = edited(write(tmp_path).files[0], pattern, new)
    error = refusal(files, (720, 1280) if write is zed else (480, 640))
    assert error.reason == 'baseline_units'
    assert [word for word in words if word not in str(error)] == [], str(error)
    assert 'P[0' not in str(error)


def inverted_camchain(folder: Path) -> list[Path]:
    path = camchain(folder).files[0]
    record = yaml.safe_load(path.read_text())
    for row in record['cam1']['T_cn_cnm1'][:3]:
        row[3] *= -1
    return [save(path, yaml.safe_dump(record))]


def inverted_euroc(folder: Path) -> list[Path]:
    left = euroc(folder).files[0]
    return [folder / 'mav0/cam1/sensor.yaml', left]


def inverted_opencv(folder: Path) -> list[Path]:
    files = opencv_two_files(folder).files
    edited(folder / 'extrinsics.yml', r'-(1\.2|0\.12)', r'\1')
    return files


@pytest.mark.parametrize(
    ('write', 'key'),
    [(inverted_camchain, 'T_cn_cnm1'), (inverted_euroc, 'T_BS'), (inverted_opencv, 'T')],
)
def test_inverted_extrinsics_are_told_by_the_files_own_key(
    tmp_path: Path, write: Callable[[Path], list[Path]], key: str
) -> None:
    error = refusal(write(tmp_path))
    assert error.reason == 'baseline_sign'
    assert f'{key} puts the right camera 0.12' in str(error) and 'P[0' not in str(error)


def test_missing_keys_are_named_without_words_of_python(tmp_path: Path) -> None:
    path = camchain(tmp_path).files[0]
    record = yaml.safe_load(path.read_text())
    record['cam1']['T_cn_cnm1'].pop()
    assert 'T_cn_cnm1 must be 4x4 numbers, got 12' in str(
        refusal([save(path, yaml.safe_dump(record))])
    )
    del record['cam1']['T_cn_cnm1']
    kitti = save(tmp_path / 'calib.txt', KITTI.replace('P1', 'Q1'))
    for file, key in ((save(path, yaml.safe_dump(record)), 'T_cn_cnm1'), (kitti, 'P1')):
        error = str(refusal([file]))
        assert f"('{key}' is missing)" in error and 'Error' not in error


def test_colmap_with_different_cameras_is_refused(tmp_path: Path) -> None:
    line = '{} PINHOLE 640 480 {} 501 320.5 240.5\n'
    path = save(tmp_path / 'cameras.txt', line.format(3, 500) + line.format(7, 510))
    with pytest.raises(CalibrationError, match='different cameras 3, 7; keep'):
        read_mono_calibration(path)
    save(path, line.format(3, 500) + line.format(7, 500))
    assert read_mono_calibration(path).camera.fx == 500


def test_missing_keys_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = ros(None)(tmp_path).files
    read_stereo_calibration(files)
    assert 'calibration_default' not in caplog.text
    edited(files[0], '^rectification_matrix', 'other')
    read_stereo_calibration(files)
    assert 'left.yaml has no rectification_matrix: R is taken as the identity' in caplog.text
    path = opencv_two_files(tmp_path).files
    edited(path[0], '^D2:', 'other:')
    read_stereo_calibration(path, image_size=(480, 640))
    assert 'no D2: lens 2' in caplog.text and 'column of 4' not in caplog.text
    file_storage(path[0], M1=K1, D1=BROWN[:4].reshape(4, 1), M2=K2, D2=BROWN)
    read_stereo_calibration(path, image_size=(480, 640))
    assert 'D1 is a column of 4' in caplog.text and 'D2 is a column' not in caplog.text


def test_doffs_against_the_cameras_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = middlebury(tmp_path).files
    read_stereo_calibration(files)
    assert 'doffs' not in caplog.text
    read_stereo_calibration(edited(files[0], '^doffs=.*', 'doffs=5'))
    assert 'doffs=5 is left aside' in caplog.text


def test_a_translation_against_its_design_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = depthai(tmp_path).files[0]
    whole = path.read_text()
    for x, is_told in ((4.1, False), (0.41, True)):
        caplog.clear()
        save(path, whole.replace('"specTranslation": {"x": 0.0', f'"specTranslation": {{"x": {x}'))
        read_stereo_calibration([path])
        assert ('translation of camera 1 is 4 cm long' in caplog.text) == is_told
