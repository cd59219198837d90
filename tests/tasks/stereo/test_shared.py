"""One stereo processor for two users: each pair is rectified and matched once, whoever asks."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import EngineError
from depth_ros.frames import StereoFrame
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.odometry.keyframe_depth import KeyframeDepth
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.stereo.processor import Wanted, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tasks.stereo.shared import SHARED, SharedStereoProcessor, StereoLender
from tests.tasks.stereo.test_processor import as_received

SETTINGS = StereoSettings(model='sgbm', sgbm=SgbmSettings(num_disparities=32), speckle_size_px=20)
VIEW = render_stereo(SCENES['room'](), ideal_stereo_camera(height=120, width=160))


class CountingModel(SgbmModel):
    """SGBM that counts the pairs it matches."""

    count = 0

    def infer(self, engines, prepared):  # type: ignore[no-untyped-def]
        self.count += 1
        return super().infer(engines, prepared)


def received(stamp_ns: int = 1, *, change: int = 0) -> StereoFrame:
    """Return a pair in arrays of its own, as every subscriber decodes it."""
    frame = as_received(VIEW)
    images = [np.clip(side.image + np.uint8(change), 0, 255) for side in (frame.left, frame.right)]
    left, right = (
        replace(side, image=image.astype(np.uint8), stamp_ns=stamp_ns)
        for side, image in zip((frame.left, frame.right), images, strict=True)
    )
    return StereoFrame(left=left, right=right)


@pytest.fixture
def lender() -> StereoLender:
    return StereoLender()


@pytest.fixture
def model() -> CountingModel:
    return CountingModel(SETTINGS.sgbm)


@pytest.fixture
def shared(lender: StereoLender, model: CountingModel) -> SharedStereoProcessor:
    return SharedStereoProcessor(Pipeline(model), SETTINGS, lender=lender)


def test_the_same_pair_is_matched_once_and_gives_what_one_alone_gives(
    shared: SharedStereoProcessor, lender: StereoLender, model: CountingModel
) -> None:
    first = shared.process(received())
    depth = KeyframeDepth(open_stereo(SETTINGS), lender).prepared(received()).depth()
    assert model.count == 1
    alone = open_stereo(SETTINGS).process(received()).depth
    assert depth is first.depth and alone is not None and depth is not None
    np.testing.assert_array_equal(depth.depth, alone.depth)
    again = shared.process(received())
    assert model.count == 1 and set(again.stages_s) == {SHARED}


def test_whoever_comes_first_computes_and_the_owner_lacks_nothing(
    shared: SharedStereoProcessor, lender: StereoLender, model: CountingModel
) -> None:
    shared.process(received(1), wanted=Wanted(depth=False, confidence=True, sigma=True))
    num_before = model.count
    prepared = KeyframeDepth(open_stereo(SETTINGS), lender).prepared(received(2))
    prepared.depth()
    output = shared.process(received(2), wanted=Wanted(confidence=True, sigma=True))
    assert model.count == 2 * num_before, 'as much as one pair with confidence'
    assert output.depth is not None and output.depth.sigma is not None
    assert output.disparity.confidence is not None
    assert (
        output.rectified.left is not None and prepared.image.shape == output.rectified.left.shape
    )


@pytest.mark.parametrize('other', [received(2), received(1, change=3)])
def test_other_pairs_are_not_mistaken_for_it(
    shared: SharedStereoProcessor, model: CountingModel, other: StereoFrame
) -> None:
    """Cameras of one simulation may have equal stamps and calibrations."""
    shared.process(received(1))
    shared.process(other)
    assert model.count == 2


def test_a_rig_that_the_owner_does_not_see_is_not_served(
    shared: SharedStereoProcessor, lender: StereoLender, model: CountingModel
) -> None:
    assert lender.lent_for(received()) is shared, 'the owner has seen none yet'
    shared.process(received())
    frame = received(5)
    camera = replace(frame.left.camera, frame_id='rear')
    rear = StereoFrame(left=replace(frame.left, camera=camera), right=frame.right)
    assert lender.lent_for(rear) is None
    assert KeyframeDepth(open_stereo(SETTINGS), lender).prepared(rear).depth() is not None
    assert model.count == 1


def test_results_that_depend_on_more_than_the_pair_are_not_lent(lender: StereoLender) -> None:
    settings = replace(SETTINGS, model='crestereo_tiny_hinted', hints='previous sgbm')
    shared = SharedStereoProcessor(Pipeline(SgbmModel(SETTINGS.sgbm)), settings, lender=lender)
    assert lender.lent_for(received()) is None
    shared.set_settings(replace(settings, hints='sgbm'))
    assert lender.lent_for(received()) is shared


def test_what_was_computed_with_other_settings_is_forgotten(
    shared: SharedStereoProcessor, model: CountingModel
) -> None:
    far = shared.process(received())
    shared.set_settings(replace(SETTINGS, max_depth_m=0.5))
    near = shared.process(received())
    assert model.count == 2 and far.depth is not None and near.depth is not None
    assert not np.isfinite(near.depth.depth).any() and np.isfinite(far.depth.depth).any()


def test_one_that_was_closed_is_lent_no_more_and_the_borrower_goes_on(
    shared: SharedStereoProcessor, lender: StereoLender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level('INFO', logger='depth_ros')
    depth = KeyframeDepth(open_stereo(SETTINGS), lender)
    borrowed = depth.prepared(received(1))
    shared.close()
    assert borrowed.depth() is not None, 'it was closed between rectifying and matching'
    assert lender.lent_for(received(2)) is None
    with pytest.raises(EngineError, match='closed'):
        shared.output_of(received(2))
    assert [line for line in caplog.messages if 'its own sgbm' in line]


def test_a_newer_processor_takes_the_place_of_an_older_one(
    shared: SharedStereoProcessor, lender: StereoLender
) -> None:
    newer = lender.open(SETTINGS)
    shared.close()
    assert lender.lent_for(received()) is newer


def test_many_threads_that_ask_for_one_pair_wait_for_one_result(
    shared: SharedStereoProcessor, model: CountingModel
) -> None:
    found: list[object] = []
    ask = lambda: found.append(shared.output_of(received()).depth)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.count == 1 and len(found) == 6 and len(set(map(id, found))) == 1
