"""Multi-view depth without ROS: what is refused and why, rectification, filters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.camera import camera_from_calibration, ideal_camera
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import CalibrationError, InputError, ParameterError, RecipeError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.models.registry import model_entry
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.multiview.checks import baselines_m, check_frame, view_overlaps
from depth_ros.tasks.multiview.processor import MultiViewProcessor, MultiViewWanted, open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Task

SIZE = {'height': 48, 'width': 64}


def camera_of(*, scale=1.0, d=(0.0,) * 5, size=SIZE):
    k = scale * np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1 / scale]])
    return camera_from_calibration(
        k=k, d=np.array(d), distortion_model='plumb_bob', r=np.eye(3), p=np.zeros(12), **size
    )


def view_of(*, camera=None, stamp_ns=5, is_rectified=False, value=100):
    camera = camera or camera_of()
    image = np.full((camera.height, camera.width, 3), value, np.uint8)
    return MonoFrame(image=image, camera=camera, stamp_ns=stamp_ns, is_rectified=is_rectified)


def pose_of(x=0.1, y=0.0, z=0.0, *, yaw=0.0):
    pose = np.eye(4)
    c, s = np.cos(yaw), np.sin(yaw)
    pose[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    pose[:3, 3] = (x, y, z)
    return pose


def frame_of(poses=None, **changes):
    poses = [pose_of(0.1), pose_of(-0.1)] if poses is None else poses
    fields = {
        'reference': view_of(stamp_ns=9),
        'sources': tuple(view_of() for _ in poses),
        'reference_from_source': np.array(poses).reshape(-1, 4, 4),
        'depth_min_m': 0.5,
        'depth_max_m': 5.0,
    }
    return MultiViewFrame(**{**fields, **changes})


class PlaneModel:
    """A model that sees a wall: depth 2 m, confidence rising to the right."""

    name = 'plane'
    graphs = ()

    def __init__(self):
        self.frames = []

    def preprocess(self, frame):
        self.frames.append(frame)

    def infer(self, engines, prepared):
        return {}

    def postprocess(self, outputs, prepared, frame):
        height, width = frame.reference.image.shape[:2]
        confidence = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
        return DepthResult(
            depth=np.full((height, width), 2.0, np.float32),
            camera=frame.reference.camera,
            stamp_ns=frame.reference.stamp_ns,
            scale=DepthScale.METRIC,
            confidence=confidence,
        )


def processor_of(**settings):
    model = PlaneModel()
    return MultiViewProcessor(Pipeline(model), MultiViewSettings(**settings)), model


def nan_pose():
    pose = pose_of()
    pose[1, 3] = np.nan
    return pose


def sheared_pose():
    pose = pose_of()
    pose[0, 1] = 0.2
    return pose


def mirrored_pose():
    pose = pose_of()
    pose[0, 0] = -1.0
    return pose


BAD_FRAMES = {
    'one view only': ({'poses': []}, 'views'),
    'a pose too few': ({'reference_from_source': np.eye(4)[None]}, 'pose_shape'),
    'no pose array': ({'reference_from_source': np.eye(4)}, 'pose_shape'),
    'range reversed': ({'depth_min_m': 5.0, 'depth_max_m': 0.5}, 'depth_range'),
    'range empty': ({'depth_min_m': 2.0, 'depth_max_m': 2.0}, 'depth_range'),
    'range from zero': ({'depth_min_m': 0.0}, 'depth_range'),
    'range negative': ({'depth_min_m': -1.0}, 'depth_range'),
    'range NaN': ({'depth_min_m': float('nan')}, 'depth_range'),
    'range endless': ({'depth_max_m': float('inf')}, 'depth_range'),
    'NaN pose': ({'poses': [pose_of(), nan_pose()]}, 'pose_values'),
    'sheared pose': ({'poses': [sheared_pose()]}, 'pose_rotation'),
    'mirrored pose': ({'poses': [mirrored_pose()]}, 'pose_rotation'),
    'zero pose': ({'poses': [np.zeros((4, 4))]}, 'pose_rotation'),
    'identical poses': ({'poses': [pose_of(), pose_of(0.0)]}, 'baseline'),
    'turned on the spot': ({'poses': [pose_of(0.0, yaw=0.1)]}, 'baseline'),
    'looking apart': ({'poses': [pose_of(), pose_of(yaw=3.0)]}, 'overlap'),
    'far aside': ({'poses': [pose_of(50.0)]}, 'overlap'),
}


@pytest.mark.parametrize(('change', 'reason'), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_frames_are_refused_by_name(change, reason):
    processor, model = processor_of()
    change = dict(change)
    frame = frame_of(change.pop('poses', None), **change)
    with pytest.raises(InputError) as caught:
        processor.process(frame)
    assert caught.value.reason == reason
    assert ';' in str(caught.value), 'no remedy'
    assert not model.frames
    processor.process(frame_of())
    assert len(model.frames) == 1


@pytest.mark.parametrize('scale', [0.5, 2.0, 3.0])
def test_intrinsics_of_another_resolution_are_refused(scale):
    with pytest.raises(CalibrationError, match='resolution') as caught:
        view_of(camera=camera_of(scale=scale))
    assert caught.value.reason == 'calibration_resolution'


def test_camera_info_of_another_size_is_refused():
    with pytest.raises(CalibrationError) as caught:
        view_of(camera=camera_of()).__class__(
            image=np.zeros((96, 128, 3), np.uint8), camera=camera_of(), stamp_ns=0
        )
    assert caught.value.reason == 'calibration_size'


def test_off_centre_cameras_are_not():
    shifted = ideal_camera(fx=60.0, fy=60.0, cx=50.0, cy=24.0, **SIZE)
    check_frame(frame_of(reference=view_of(camera=shifted)))


def test_overlaps_of_known_views():
    """At 2 m, one image is 64/60*2 m wide; a step of half of it leaves half."""
    frame = frame_of(
        [pose_of(0.01), pose_of(64 / 60), pose_of(yaw=np.pi), pose_of(0.0, 0.0, 9.0)],
        depth_min_m=1.999,
        depth_max_m=2.001,
    )
    np.testing.assert_allclose(view_overlaps(frame), [1.0, 0.5, 0.0, 0.0], atol=0.07)
    np.testing.assert_allclose(baselines_m(frame), [0.01, 64 / 60, 0.1, 9.0])
    with pytest.raises(InputError, match='source 2 sees 0%'):
        check_frame(frame)


def test_min_overlap_is_a_setting():
    frame = frame_of([pose_of(64 / 60)], depth_min_m=1.999, depth_max_m=2.001)
    processor_of(min_overlap=0.4)[0].process(frame)
    with pytest.raises(InputError, match='needed are 60%'):
        processor_of(min_overlap=0.6)[0].process(frame)


def test_output_belongs_to_the_reference():
    processor, _ = processor_of()
    frame = frame_of()
    output = processor.process(frame)
    assert output.depth.stamp_ns == 9
    assert output.valid_fraction == 1.0
    assert set(output.stages_s) == {'rectify', 'preprocess', 'infer', 'postprocess', 'filter'}
    unwanted = processor.process(frame, wanted=MultiViewWanted(confidence=False))
    assert unwanted.depth.confidence is None


def test_low_confidence_becomes_unknown():
    output = processor_of(min_confidence=0.5)[0].process(frame_of())
    depth, confidence = output.depth.depth, output.depth.confidence
    assert np.isnan(depth[:, :32]).all() and (depth[:, 32:] == 2.0).all()
    assert (confidence[:, :32] == 0).all() and (confidence[:, 32:] > 0.5).all()


def test_raw_images_are_rectified_and_their_black_rim_is_unknown():
    camera = camera_of(d=(0.4, 0.0, 0.0, 0.0, 0.0))
    frame = frame_of(
        reference=view_of(camera=camera), sources=tuple(view_of(camera=camera) for _ in range(2))
    )
    processor, model = processor_of()
    output = processor.process(frame)
    seen = model.frames[0]
    for view in (seen.reference, *seen.sources):
        assert view.is_rectified and not view.camera.d.any()
        assert view.image[0, 0].sum() == 0 and (view.image[24, 32] == 100).all()
    assert np.isnan(output.depth.depth[0, 0]) and output.depth.confidence[0, 0] == 0
    assert output.depth.depth[24, 32] == 2.0
    assert output.frame is seen


def test_rectified_images_are_left_alone():
    camera = camera_of(d=(0.4, 0.0, 0.0, 0.0, 0.0))
    reference = view_of(camera=camera, is_rectified=True)
    processor, model = processor_of()
    output = processor.process(frame_of(reference=reference))
    assert model.frames[0].reference.image is reference.image
    assert output.valid_fraction == 1.0


def test_settings_that_need_another_pipeline_are_refused():
    processor, _ = processor_of()
    processor.set_settings(replace(processor.settings, min_confidence=0.3))
    engine = EngineChoice(size=(64, 96))
    for change in ({'num_depths': 64}, {'sampling': 'inverse'}, {'engine': engine}):
        with pytest.raises(ParameterError, match='open_multiview'):
            processor.set_settings(replace(processor.settings, **change))
    for change in ({'min_overlap': 1.5}, {'min_confidence': float('nan')}):
        with pytest.raises(ParameterError, match=r'within 0\.\.1'):
            processor.set_settings(replace(processor.settings, **change))


def test_bad_settings_are_refused_before_anything_is_opened():
    with pytest.raises(ParameterError, match='no multi-view model'):
        open_multiview(MultiViewSettings(model='sgbm'))
    with pytest.raises(RecipeError, match='depths'):
        open_multiview(MultiViewSettings(num_depths=50))
    with pytest.raises(RecipeError, match='multiples of 32'):
        open_multiview(MultiViewSettings(engine=EngineChoice(size=(360, 540))))
    with pytest.raises(ParameterError, match='sampling'):
        open_multiview(MultiViewSettings(sampling='log'))
    assert model_entry('mvsnet', Task.MULTIVIEW).needs_weights
