"""Pairs that cannot be: swapped, one image twice, rows apart; and good ones, which are let be."""

from __future__ import annotations

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest

from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.pair_check import MIN_MATCHES, PairFault, PairWatch, examine_pair
from depth_ros.scenes.solids import (
    Scene,
    fronto_parallel,
    ideal_stereo_camera,
    render_stereo,
    room,
    slanted,
    thin_bars,
)
from tests.kit.shared_data import shared_path
from tests.kit.stereo_sets import half_aloe, motorcycle

RIG = ideal_stereo_camera(height=240, width=320)
SCENES = {'room': room, 'wall': fronto_parallel, 'slanted': slanted, 'bars': thin_bars}


def pair_of(scene: Scene) -> RectifiedStereo:
    return render_stereo(scene, RIG).frame()


def swapped(pair: RectifiedStereo) -> RectifiedStereo:
    return replace(pair, left=pair.right, right=pair.left)


def shifted_rows(pair: RectifiedStereo, rows: int) -> RectifiedStereo:
    return replace(pair, right=np.roll(pair.right, rows, axis=0))


@pytest.mark.parametrize('name', SCENES)
def test_rendered_pairs_and_what_can_be_wrong_with_them(name: str) -> None:
    pair = pair_of(SCENES[name]())
    good = examine_pair(pair)
    assert good.fault is None and good.num_matches >= MIN_MATCHES and not good.sentence()
    assert examine_pair(swapped(pair)).fault is PairFault.SWAPPED
    assert examine_pair(replace(pair, right=pair.left)).fault is PairFault.SAME_IMAGE
    apart = examine_pair(shifted_rows(pair, 4))
    assert apart.fault is PairFault.ROWS
    assert apart.row_offset_px == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize('make', [motorcycle, half_aloe], ids=['cx differs', 'cx equal'])
def test_real_pairs(make) -> None:
    pair = make(shared_path('data')).frame
    assert examine_pair(pair).fault is None
    assert examine_pair(swapped(pair)).fault is PairFault.SWAPPED
    assert examine_pair(replace(pair, right=pair.left)).fault is PairFault.SAME_IMAGE
    height, width = pair.right.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.0)
    turned = cv2.warpAffine(pair.right, turn, (width, height))
    assert examine_pair(replace(pair, right=turned)).fault is PairFault.ROWS


def test_an_image_that_shows_nothing_is_blank() -> None:
    grey, pair = np.full((240, 320, 3), 90, np.uint8), pair_of(room())
    for blank in (replace(pair, left=grey), replace(pair, right=grey)):
        evidence = examine_pair(blank)
        assert evidence.fault is PairFault.BLANK and 'lens cap' in evidence.sentence()


def test_too_little_texture_is_not_judged() -> None:
    ramp = np.repeat(np.arange(0, 240, dtype=np.uint8)[:, None, None], 320, axis=1)
    ramp = np.repeat(ramp, 3, axis=2)
    evidence = examine_pair(RectifiedStereo(left=ramp, right=ramp, camera=RIG, stamp_ns=0))
    assert evidence.num_matches < MIN_MATCHES and evidence.fault is None


def test_images_of_two_scenes_are_unlike() -> None:
    first, second = (half_aloe(shared_path('data')).frame, motorcycle(shared_path('data')).frame)
    height, width = first.right.shape[:2]
    evidence = examine_pair(replace(first, right=cv2.resize(second.right, (width, height))))
    assert evidence.fault is PairFault.UNLIKE and 'one scene' in evidence.sentence()


def test_the_smallest_images_are_examined() -> None:
    rig = ideal_stereo_camera(height=1, width=1)
    dot = np.zeros((1, 1, 3), np.uint8)
    pair = RectifiedStereo(left=dot, right=dot, camera=rig, stamp_ns=0)
    assert examine_pair(pair).fault is PairFault.BLANK


def test_each_pair_of_files_is_judged_by_itself() -> None:
    watch, pair = PairWatch(), pair_of(room())
    same = replace(pair, right=pair.left)
    found = [watch.look(one)[:14] for one in (*[pair] * 5, swapped(pair), same, pair)]
    assert found == [''] * 5 + ['left and right', 'left and right', '']
    assert 'swapped' in watch.look(swapped(pair)) and 'same image' in watch.look(same)


def test_rig_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    watch, pair = PairWatch(), pair_of(room())
    with caplog.at_level(logging.WARNING, 'depth_ros'):
        for _ in range(5):
            watch.look(swapped(pair))
    assert [record.getMessage()[:14] for record in caplog.records] == ['[pair_swapped]']
    assert 'exchange the two images' in caplog.text


def test_good_pairs_cost_three_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def counted(pair: RectifiedStereo) -> object:
        looks.append(pair)
        return examine_pair(pair)

    monkeypatch.setattr('depth_ros.geometry.pair_check.examine_pair', counted)
    watch, pair = PairWatch(is_live=True), pair_of(room())
    for _ in range(10):
        watch.look(pair)
    assert len(looks) == 3
