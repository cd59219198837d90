"""Stereo against truth: masks, scales, SGBM's known figures on Motorcycle."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import find_sets
from depth_ros.evaluation.stereo import (
    evaluate,
    evaluate_pair,
    processor_matcher,
    sgbm_matcher,
    table,
)
from depth_ros.evaluation.stereo_pairs import (
    STEREO_SETS,
    EvaluationPair,
    halved,
    motorcycle,
    visible_mask,
)
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.shared_data import shared_path
from tests.kit.stereo_pairs import textured_pair, write_motorcycle


def shared_pairs() -> list[EvaluationPair]:
    found = find_sets(shared_path('data/middlebury_motorcycle').parent, STEREO_SETS)
    return [pair for name in found.present for pair in found.load(name)]


def test_visible_mask_finds_the_strip_beside_a_box() -> None:
    truth = np.full((4, 60), 4.0)
    truth[:, 30:40] = 14.0
    truth[0, 55] = np.nan
    seen = visible_mask(truth)
    assert not seen[:, :4].any()
    assert seen[:, 4:20].all()
    assert not seen[:, 20:30].any()
    assert seen[1:, 30:].all() and not seen[0, 55]


def test_sgbm_on_a_shifted_pair_is_right_and_the_table_says_so() -> None:
    row = evaluate_pair(textured_pair(9), 'sgbm', sgbm_matcher(32, is_filled=True))
    assert row.everywhere.epe_px < 0.1 and row.everywhere.density == 1.0
    assert row.visible.num_pixels == 96 * (160 - 9)
    assert row.consistent > 0.9
    assert '| shifted | sgbm | 0.0' in table([row])
    assert json.loads(json.dumps(asdict(row)))['visible']['bad2'] == 0.0


def test_what_nodes_run_is_judged_like_any_matcher() -> None:
    pair = textured_pair(9)
    settings = StereoSettings(model='sgbm', sgbm=SgbmSettings(num_disparities=32))
    with closing(open_stereo(settings)) as processor:
        rows = list(evaluate([pair], {'node': processor_matcher(processor)}))
    assert [row.method for row in rows] == ['sgbm raw', 'sgbm filled', 'node']
    assert rows[2].everywhere.epe_px < 0.1 and rows[2].visible.density > 0.99


def test_a_matcher_that_knows_the_truth_has_no_error() -> None:
    pair = textured_pair(9)
    row = evaluate_pair(pair, 'truth', lambda left, right: pair.truth)
    assert row.everywhere.epe_px == row.visible.bad3 == 0.0
    assert row.consistent == pytest.approx(1.0 - 9 / 160)


def test_halving_halves_the_disparity() -> None:
    half = halved(textured_pair(16))
    assert half.name == 'shifted/2' and halved(half).name == 'shifted/4'
    assert half.left.shape == (48, 80, 3) and half.truth.shape == (48, 80)
    assert (half.truth == 8.0).all() and half.num_disparities == 16


def test_what_was_written_is_read(tmp_path: Path) -> None:
    pair = textured_pair(9)
    pair.truth[0, :5] = np.nan
    write_motorcycle(tmp_path, pair)
    whole, half = motorcycle(tmp_path / 'middlebury_motorcycle')
    np.testing.assert_array_equal(whole.left, pair.left)
    np.testing.assert_array_equal(whole.truth, pair.truth)
    assert half.name == 'motorcycle/2'


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='motorcycle_left'):
        next(motorcycle(tmp_path))
    write_motorcycle(tmp_path, textured_pair(9))
    folder = tmp_path / 'middlebury_motorcycle'
    for content in (b'', b'no archive', b'PK\x03\x04'):
        (folder / 'motorcycle_disp.npz').write_bytes(content)
        with pytest.raises(InputError, match=r'motorcycle_disp\.npz'):
            next(motorcycle(folder))


def test_sgbm_on_motorcycle_has_its_known_accuracy() -> None:
    pairs = shared_pairs()
    assert [pair.name for pair in pairs] == ['motorcycle', 'motorcycle/2', 'aloe/2', 'aloe/4']
    assert pairs[0].truth.shape == (500, 741) and pairs[2].truth.shape == (555, 641)
    row = evaluate_pair(pairs[1], 'sgbm', sgbm_matcher(32, is_filled=True))
    # Plain OpenCV with the same settings and fill gives 1.07 px and 9.5 %.
    assert row.everywhere.epe_px < 1.07 and row.everywhere.bad2 < 0.095
