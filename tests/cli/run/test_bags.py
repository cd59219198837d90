"""``depth-ros run stereo BAG`` gives what the same images in files give."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.main import main
from tests.kit.bag_writer import info, raw, stamp, write_bag


@pytest.fixture
def rig_bag(pair, tmp_path: Path) -> Path:
    """Two pairs and one left image without partner."""
    view, rig = pair.view, pair.view.camera
    recorded = [
        ('/left/camera_info', info(rig.left, stamp_ns=stamp(0))),
        ('/right/camera_info', info(rig.right, stamp_ns=stamp(0))),
    ]
    for index in range(3):
        left = raw(view.left.image, stamp_ns=stamp(index))
        right = raw(view.right.image, stamp_ns=stamp(index))
        recorded.append(('/left/image_rect', left))
        if index != 1:
            recorded.append(('/right/image_rect', right))
    return write_bag(tmp_path / 'rig', recorded, storage='mcap')


def run(*words: object) -> int:
    return main(['run', 'stereo', *map(str, words)])


def test_pairs_of_a_bag_give_what_files_give(pair, rig_bag: Path, tmp_path: Path, capsys) -> None:
    files, out = tmp_path / 'files', tmp_path / 'out'
    calibration = ('--calibration', pair.calibration)
    assert run(pair.left, pair.right, *calibration, '-o', files, '--write', 'depth') == 0
    assert run(rig_bag, '-o', out, '--write', 'depth') == 0
    expected = np.load(files / 'room_left_depth.npy')
    assert np.isfinite(expected).mean() > 0.5
    for index in (0, 2):
        np.testing.assert_array_equal(np.load(out / f'{stamp(index):019d}_depth.npy'), expected)
    assert len(list(out.glob('*_depth.npy'))) == 2
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['calibration'].startswith('/left/camera_info and /right/camera_info of the bag')
    assert summary['calibration'].endswith('taken as rectified')
    assert (summary['outputs'], summary['received'], summary['unpaired_left']) == (2, 2, 1)
    assert '1 left images have no partner' in capsys.readouterr().err
    assert run(rig_bag, '-o', out, '--write', 'depth') == 0
    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['outputs'], summary['skipped']) == (0, 2)


def test_what_does_not_go_together_is_one_sentence(
    pair, rig_bag: Path, tmp_path: Path, capsys
) -> None:
    cases = [
        ((rig_bag, '--calibration', pair.calibration), 'brings its own camera_info'),
        ((pair.left,), 'is no bag: give LEFT and RIGHT'),
        (
            (rig_bag, '--left-topic', '/left/image_rect'),
            'name both --left-topic and --right-topic',
        ),
        (
            (rig_bag, '--left-topic', '/x', '--right-topic', '/right/image_rect'),
            "a topic '/x'",
        ),
    ]
    for words, part in cases:
        assert run(*words, '-o', tmp_path / 'out') == 2
        err = capsys.readouterr().err
        assert part in err
        assert len(err.splitlines()) == 1


def sides_apart_bag(pair, folder: Path, late_ns: int) -> Path:
    rig = pair.view.camera
    recorded = [
        ('/left/camera_info', info(rig.left, stamp_ns=stamp(0))),
        ('/right/camera_info', info(rig.right, stamp_ns=stamp(0))),
    ]
    for index in range(3):
        for side, late in (('left', 0), ('right', late_ns)):
            image = getattr(pair.view, side).image
            at = stamp(index) + late if late_ns else 0
            recorded.append((f'/{side}/image_rect', raw(image, stamp_ns=at)))
    return write_bag(folder / 'apart', recorded)


def test_a_bag_without_a_pair_fails_with_the_option_to_type(pair, tmp_path: Path, capsys) -> None:
    bag, out = sides_apart_bag(pair, tmp_path, 20_000_000), tmp_path / 'out'
    assert run(bag, '-o', out, '--write', 'depth') == 2
    err = capsys.readouterr().err
    assert 'the nearest are 20.000 ms apart' in err
    words = re.search(r'(--max-stamp-difference-s) (\S+)', err).groups()
    assert run(bag, '-o', out, '--write', 'depth', *words) == 0
    assert len(list(out.glob('*_depth.npy'))) == 3


def test_a_repeated_report_is_told_with_its_count(pair, tmp_path: Path, capsys) -> None:
    bag = sides_apart_bag(pair, tmp_path, 0)
    assert run(bag, '-o', tmp_path / 'out') == 2
    err = capsys.readouterr().err
    assert err.count('must stamp every image') == 2
    assert '3 times in all: the left image has stamp 0 ns' in err
