"""MVSNet's NumPy side: geometry, slabs, fitting and upsampling, without any runtime."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.geometry.preprocess import Fit, fit_size
from depth_ros.models.mvsnet.model import MvsnetModel, seen_by_any
from depth_ros.models.mvsnet.projection import relative_projections, relative_transforms
from depth_ros.models.mvsnet.slabs import Sampling, cut_slabs, depth_hypotheses
from depth_ros.models.mvsnet.upsample import Upsampler, Upsampling
from depth_ros.results import DepthScale
from depth_ros.tasks.pipeline import Pipeline

SIZE = {'engine_height': 64, 'engine_width': 96}


def view_of(height, width, *, fx=90.0, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    camera = ideal_camera(
        fx=fx, fy=fx, cx=(width - 1) / 2, cy=(height - 1) / 2, height=height, width=width
    )
    return MonoFrame(image=image, camera=camera, stamp_ns=12 + seed, is_rectified=True)


def frame_of(*sizes, shift_m=0.1):
    views = [view_of(*size, seed=index) for index, size in enumerate(sizes)]
    poses = np.stack([np.eye(4)] * (len(views) - 1))
    poses[:, 0, 3] = shift_m * np.arange(1, len(views))
    return MultiViewFrame(
        reference=views[0],
        sources=tuple(views[1:]),
        reference_from_source=poses,
        depth_min_m=1.0,
        depth_max_m=4.0,
    )


class StubEngine:
    """Gives prepared outputs and keeps what it was fed."""

    def __init__(self, compute):
        self.compute, self.fed = compute, []

    def infer(self, tensors):
        self.fed.append({name: np.array(value) for name, value in tensors.items()})
        return self.compute(tensors)

    def close(self):
        pass


def stub_engines(value, confidence=None):
    """Features are numbered, costs are the plane depths, the depth map is given."""
    value = np.asarray(value, np.float32)
    count = iter(range(1, 100))
    rows, columns = value.shape

    def features(tensors):
        return {'features': np.full((1, 32, rows, columns), next(count), np.float32)}

    def volume(tensors):
        depths = tensors['depths'][1:-1]
        costs = np.broadcast_to(depths[:, None, None], (1, 8, len(depths), rows, columns))
        return {'costs': costs.astype(np.float32)}

    def depth(tensors):
        sure = np.ones_like(value) if confidence is None else confidence
        return {'value': value[None], 'confidence': sure[None].astype(np.float32)}

    return {
        'features': StubEngine(features),
        'volume': StubEngine(volume),
        'depth': StubEngine(depth),
    }


def run_model(frame, engines, **settings):
    numbers = {**SIZE, 'num_depths': 24, 'num_sources': 3, 'num_slab_depths': 10}
    return Pipeline(MvsnetModel(**{**numbers, **settings}), engines).run(frame).result


def test_engines_are_fed_what_they_expect():
    engines = stub_engines(np.full((16, 24), 2.0))
    frame = frame_of((64, 96), (64, 96), (64, 96))
    result = run_model(frame, engines)
    fed = [feed['image'] for feed in engines['features'].fed]
    assert len(fed) == 3
    for image, view in zip(fed, (frame.reference, *frame.sources), strict=True):
        assert image.dtype == np.uint8 and np.array_equal(image[0], view.image)
    slabs = engines['volume'].fed
    assert len(slabs) == 3
    for slab in slabs:
        assert slab['num_views'] == [3.0]
        assert (slab['reference'] == 1).all()
        assert (slab['sources'][0] == 2).all() and (slab['sources'][1] == 3).all()
        assert (slab['sources'][2] == 0).all()
        assert slab['depths'].shape == slab['inside'].shape == (12,)
    costs = engines['depth'].fed[0]['costs']
    np.testing.assert_allclose(costs[0, 3, :, 2, 5], np.linspace(1, 4, 24), rtol=1e-6)
    np.testing.assert_allclose(engines['depth'].fed[0]['values'], np.linspace(1, 4, 24))
    assert result.scale is DepthScale.METRIC
    assert result.stamp_ns == frame.reference.stamp_ns
    assert result.camera is frame.reference.camera
    np.testing.assert_allclose(result.depth, 2.0, rtol=1e-6)


def test_more_sources_than_the_engine_has_are_left_out():
    engines = stub_engines(np.full((16, 24), 2.0))
    run_model(frame_of(*[(64, 96)] * 6), engines, num_sources=2)
    assert len(engines['features'].fed) == 3
    assert engines['volume'].fed[0]['num_views'] == [3.0]


def test_inverse_sampling_asks_and_answers_in_inverse_depth():
    engines = stub_engines(np.full((16, 24), 0.4))
    result = run_model(frame_of((64, 96), (64, 96)), engines, sampling='inverse')
    values = engines['depth'].fed[0]['values']
    np.testing.assert_allclose(values, np.linspace(1.0, 0.25, 24), rtol=1e-6)
    planes = engines['volume'].fed[0]['depths'][1:-1]
    np.testing.assert_allclose(planes, 1.0 / values[:10], rtol=1e-6)
    np.testing.assert_allclose(result.depth, 2.5, rtol=1e-6)


@pytest.mark.parametrize('size', [(61, 90), (130, 200), (64, 96)])
def test_padded_frames_keep_their_pixels(size):
    """Where the frame fits, every fourth pixel has the network's own value."""
    depth = 2.0 + np.random.default_rng(1).random((16, 24))
    frame = frame_of(size, size)
    result = run_model(frame, stub_engines(depth), fit='pad', upsampling='nearest')
    assert result.depth.shape == result.confidence.shape == size
    assert result.depth.dtype == result.confidence.dtype == np.float32
    if size[0] <= 64:
        own = result.depth[::4, ::4]
        assert np.array_equal(own, depth.astype(np.float32)[: own.shape[0], : own.shape[1]])


def test_the_camera_follows_the_resize():
    """A source of twice the size with twice the focal length is the same view."""
    small, large = frame_of((64, 96), (64, 96)), frame_of((64, 96), (128, 192))
    doubled = view_of(128, 192, fx=180.0)
    large = MultiViewFrame(
        reference=large.reference,
        sources=(doubled,),
        reference_from_source=large.reference_from_source,
        depth_min_m=1.0,
        depth_max_m=4.0,
    )
    transforms = []
    for frame in (small, large):
        engines = stub_engines(np.full((16, 24), 2.0))
        run_model(frame, engines)
        transforms.append(engines['volume'].fed[0]['transforms'][0])
    np.testing.assert_allclose(transforms[0], transforms[1], atol=1e-6)


def test_a_point_lands_on_its_pixel():
    """Project a point by hand into two cameras; the transform must connect its pixels."""
    reference, source = (
        ideal_camera(fx=fx, fy=fx + 5, cx=40.0, cy=30.0 + fx / 10, height=64, width=96)
        for fx in (80.0, 95.0)
    )
    angle = 0.2
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), 0, np.sin(angle)],
        [0, 1, 0],
        [-np.sin(angle), 0, np.cos(angle)],
    ]
    pose[:3, 3] = (-0.4, 0.1, 0.05)
    point = np.array([0.1, -0.2, 2.5])
    matrix = relative_transforms(reference, [source], pose[None])[0]
    there = np.linalg.inv(pose) @ [*point, 1.0]
    pixel = [
        np.array([c.fx * p[0] / p[2] + c.cx, c.fy * p[1] / p[2] + c.cy]) / 4
        for c, p in ((reference, point), (source, there))
    ]
    found = matrix[:, :3] @ [*pixel[0], 1.0] * point[2] + matrix[:, 3]
    np.testing.assert_allclose(found[:2] / found[2], pixel[1], atol=1e-10)
    np.testing.assert_allclose(found[2], there[2], atol=1e-12)


def test_both_ways_to_the_transforms_agree():
    frame = frame_of((64, 96), (64, 96), (64, 96))
    cameras = [view.camera for view in (frame.reference, *frame.sources)]
    poses = [np.eye(4), *frame.reference_from_source]
    projections = []
    for camera, pose in zip(cameras, poses, strict=True):
        k = camera.p[:, :3].copy()
        k[:2] /= 4
        projection = np.linalg.inv(pose)
        projection[:3] = k @ projection[:3]
        projections.append(projection)
    np.testing.assert_allclose(
        relative_projections(projections[0], np.stack(projections[1:])),
        relative_transforms(cameras[0], cameras[1:], frame.reference_from_source),
        atol=1e-10,
    )


@pytest.mark.parametrize(('count', 'size'), [(16, 8), (24, 10), (8, 64), (9, 1)])
def test_slabs_cover_every_plane_with_its_neighbours(count, size):
    depths = np.linspace(1.0, 5.0, count)
    covered = np.zeros(count, int)
    for slab in cut_slabs(depths, size):
        covered[slab.start : slab.stop] += 1
        assert slab.stop - slab.start == min(size, count)
        np.testing.assert_allclose(slab.depths[1:-1], depths[slab.start : slab.stop], rtol=1e-6)
        assert slab.inside[0] == (slab.start > 0) and slab.inside[-1] == (slab.stop < count)
        assert slab.inside[1:-1].all()
        if slab.start > 0:
            assert slab.depths[0] == np.float32(depths[slab.start - 1])
    assert covered.min() == 1


def test_hypotheses():
    linear = depth_hypotheses(0.5, 8.0, 16, Sampling.LINEAR)
    inverse = depth_hypotheses(0.5, 8.0, 16, Sampling.INVERSE)
    for depths in (linear, inverse):
        assert depths.shape == (16,) and (np.diff(depths) > 0).all()
        np.testing.assert_allclose(depths[[0, -1]], [0.5, 8.0])
    np.testing.assert_allclose(np.diff(1.0 / inverse), -(2.0 - 0.125) / 15)


def plane_inverse_depth(x, y):
    return 0.3 + 0.002 * x + 0.001 * y


def test_upsampling_is_exact_on_planes():
    """Also through a resize: frame pixel centres lie at (x + 0.5) * s - 0.5."""
    for frame, fit in (((64, 96), Fit.RESIZE), ((120, 170), Fit.RESIZE), ((60, 90), Fit.PAD)):
        placement = fit_size(frame, (64, 96), fit=fit)
        y, x = np.mgrid[:16, :24] * 4.0
        depth = (1.0 / plane_inverse_depth(x, y)).astype(np.float32)
        full = Upsampler(placement, Upsampling.GUARDED).depth(depth)
        rows = (np.arange(frame[0]) + 0.5) * placement.placed_height / frame[0] - 0.5
        columns = (np.arange(frame[1]) + 0.5) * placement.placed_width / frame[1] - 0.5
        x, y = np.meshgrid(columns.clip(0, 92), rows.clip(0, 60))
        np.testing.assert_allclose(full, 1.0 / plane_inverse_depth(x, y), rtol=1e-5)


def test_upsampling_puts_nothing_between_two_surfaces():
    depth = np.full((16, 24), 1.0, np.float32)
    depth[:, 12:] = 3.0
    placement = fit_size((64, 96), (64, 96), fit=Fit.RESIZE)
    guarded = Upsampler(placement, Upsampling.GUARDED).depth(depth)
    assert set(np.unique(guarded)) == {1.0, 3.0}
    smooth = Upsampler(placement, Upsampling.BILINEAR).depth(depth)
    assert ((smooth > 1.1) & (smooth < 2.9)).any()


@pytest.mark.parametrize('upsampling', list(Upsampling))
def test_upsampling_keeps_unknown_unknown(upsampling):
    depth = np.full((16, 24), 2.0, np.float32)
    depth[5, 7] = np.nan
    placement = fit_size((64, 96), (64, 96), fit=Fit.RESIZE)
    full = Upsampler(placement, upsampling).depth(depth)
    unknown = np.isnan(full)
    assert unknown[20, 28] and unknown[19:22, 27:30].all()
    assert not unknown[:18].any() and not unknown[23:].any()
    np.testing.assert_allclose(full[~unknown], 2.0)


def test_confidence_is_zero_where_no_source_looks():
    frame = frame_of((64, 96), (64, 96), shift_m=0.6)
    result = run_model(frame, stub_engines(np.full((16, 24), 1.0)))
    shift_px = 90.0 * 0.6
    assert (result.confidence[:, : int(shift_px) - 6] == 0).all()
    assert (result.confidence[:, int(shift_px) + 6 :] == 1).all()
    assert np.isfinite(result.depth).all()


def test_points_behind_a_source_are_not_seen():
    behind = np.eye(4)[None, :3]
    behind[0, 2, 3] = -5.0
    assert not seen_by_any(np.full((4, 5), 2.0, np.float32), behind).any()
    assert seen_by_any(np.full((4, 5), 2.0, np.float32), np.eye(4)[None, :3]).all()


BAD_SETTINGS = [
    {'engine_height': 60},
    {'num_depths': 12},
    {'num_sources': 0},
    {'sampling': 'log'},
    {'upsampling': 'cubic'},
    {'fit': 'crop'},
]


@pytest.mark.parametrize('change', BAD_SETTINGS, ids=str)
def test_bad_settings_are_refused(change):
    numbers = {**SIZE, 'num_depths': 16, 'num_sources': 2}
    with pytest.raises(ParameterError, match='correct'):
        MvsnetModel(**{**numbers, **change})


def test_outputs_of_another_size_are_refused():
    frame = frame_of((64, 96), (64, 96))
    model = MvsnetModel(**SIZE, num_depths=16, num_sources=1)
    prepared = model.preprocess(frame)
    outputs = {name: np.ones((16, 25), np.float32) for name in ('depth', 'confidence')}
    with pytest.raises(ShapeError, match='depth'):
        model.postprocess(outputs, prepared, frame)
