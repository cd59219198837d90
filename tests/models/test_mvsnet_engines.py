"""MVSNet end to end: every CPU runtime against torch, and the published weights on real views."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

from depth_ros.engines.build import available_runtimes, open_graphs
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe
from depth_ros.evaluation.multiview import grid_errors
from depth_ros.evaluation.posed_views import hololens, rendered
from depth_ros.frames import MultiViewFrame
from depth_ros.models.mvsnet.model import MvsnetModel
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.shared_data import shared_path

OPTIONS = {'depths': 16, 'sources': 3, 'slab': 8}
SYNTHETIC = 'synthetic:1'


@pytest.fixture(scope='module')
def cache_folder(tmp_path_factory):
    """One cache for the module: the graphs are exported once."""
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


@pytest.fixture(scope='module')
def views():
    return rendered('room', size=(64, 96), num_sources=2)


def run_small(runtime, frame):
    engines = open_graphs(
        'mvsnet',
        EngineChoice(size=(64, 96), weights=SYNTHETIC, runtime=runtime, num_threads=1),
        options=OPTIONS,
    )
    model = MvsnetModel(
        engine_height=64, engine_width=96, num_depths=16, num_sources=3, num_slab_depths=8
    )
    with closing(Pipeline(model, engines)) as pipeline:
        return pipeline.run(frame).result


@pytest.mark.parametrize('runtime', ['openvino', 'onnxruntime'])
def test_runtimes_agree_with_torch(runtime, views, cache_folder):
    """With one source fewer than the graph has, and slabs."""
    reasons = {status.name: status.reason for status in available_runtimes()}
    if reasons[runtime]:
        pytest.skip(f'{runtime}: {reasons[runtime]}')
    expected = run_small('torch', views.frame)
    result = run_small(runtime, views.frame)
    assert np.std(expected.depth) > 0.01
    np.testing.assert_allclose(result.depth, expected.depth, atol=5e-4)
    assert np.mean(np.abs(result.confidence - expected.confidence)) < 1e-3


def test_recipe_serves_its_presets():
    recipe = load_recipe('mvsnet')
    assert set(recipe.graphs) == set(MvsnetModel.graphs)
    for preset in recipe.presets:
        variant = recipe.variant(preset=preset)
        MvsnetModel(
            engine_height=variant.size[0],
            engine_width=variant.size[1],
            num_depths=variant.options['depths'],
            num_sources=variant.options['sources'],
            num_slab_depths=variant.options['slab'],
        )


def open_published(**changes):
    weights = shared_path('weights/mvsnet/model_000014.ckpt')
    settings = {'num_depths': 192, 'num_sources': 4, **changes}
    size = settings.pop('size', (352, 512))
    engine = EngineChoice(runtime='torch', size=size, weights=str(weights))
    return open_multiview(MultiViewSettings(engine=engine, **settings))


ACCURACY = [
    pytest.param('top_left', 'linear', id='crop-of-the-notes'),
    pytest.param('center', 'inverse', id='centre-crop'),
]


@pytest.mark.parametrize(('crop', 'sampling'), ACCURACY)
def test_real_views_are_as_accurate_as_published_weights_allow(crop, sampling):
    """192 planes, 5 views. ``depth-ros evaluate multiview`` has more splits and both crops."""
    views = hololens(shared_path('data/hololens_mvs'), crop=crop)
    with closing(open_published(sampling=sampling)) as processor:
        result = processor.process(views.frame).depth
    everywhere = grid_errors(result.depth, views.truth)
    confident = grid_errors(result.depth, views.truth, result.confidence >= 0.8)
    assert everywhere.density == 1.0
    assert confident.num_compared > 0.5 * everywhere.num_pixels
    assert everywhere.abs_rel <= 0.085
    assert confident.abs_rel <= 0.035


def test_a_rendered_plane_has_its_exact_depth():
    views = rendered('slanted', size=(128, 192), num_sources=2)
    settings = {'size': (128, 192), 'num_depths': 64, 'num_sources': 2, 'sampling': 'inverse'}
    with closing(open_published(**settings)) as processor:
        result = processor.process(views.frame).depth
        far = processor.process(scaled(views.frame, 3.0)).depth
    errors = grid_errors(result.depth, views.truth, result.confidence >= 0.8)
    assert errors.num_compared > 0.8 * np.isfinite(views.truth[::4, ::4]).sum()
    assert errors.abs_rel < 0.015
    # The network sees no metres: three times the scene gives three times the depth.
    np.testing.assert_allclose(far.depth, 3.0 * result.depth, rtol=1e-3)


def scaled(frame: MultiViewFrame, factor: float) -> MultiViewFrame:
    poses = frame.reference_from_source.copy()
    poses[:, :3, 3] *= factor
    return MultiViewFrame(
        reference=frame.reference,
        sources=frame.sources,
        reference_from_source=poses,
        depth_min_m=factor * frame.depth_min_m,
        depth_max_m=factor * frame.depth_max_m,
    )
