"""bf16 of MVSNet: the U-net alone, judged by the depth of rendered views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')
ov = pytest.importorskip('openvino', reason='the runtime openvino is absent')

from depth_ros.engines.build import open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.checks.gate import feeds_maker
from depth_ros.engines.checks.gate_images import GATE_SCENES
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import ArtifactError
from depth_ros.models.mvsnet.gate_inputs import gate_feeds, rendered_views
from depth_ros.tensors import check_tensors
from tests.kit.engine_choice import asked
from tests.kit.shared_data import shared_path

HAS_BF16 = 'BF16' in ov.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
SMALL = {'size': (64, 96), 'options': {'depths': 16, 'sources': 3, 'slab': 8}, 'num_threads': 1}


def test_geometry_stays_in_float32() -> None:
    graphs = load_recipe('mvsnet').graphs
    found = {name: graph.precision('bf16') for name, graph in graphs.items()}
    assert found == {'features': 'f32', 'volume': 'f32', 'depth': 'bf16'}
    assert {graph.precision('f32') for graph in graphs.values()} == {'f32'}


def test_gate_inputs_are_volumes_of_the_scenes() -> None:
    engines = open_graphs('mvsnet', **asked(weights='synthetic:1', runtime='torch', **SMALL))
    make = feeds_maker(load_recipe('mvsnet').graph('depth'), engines)
    assert make is not None
    inputs = engines['depth'].inputs
    feeds = make(inputs)
    assert tuple(feeds) == GATE_SCENES
    for scene, tensors in feeds.items():
        check_tensors(tensors, inputs, what=scene)
        views = rendered_views(scene, 64, 96)
        assert tensors['values'][0] == pytest.approx(views.depth_min_m, rel=1e-5)
        assert tensors['values'][-1] == pytest.approx(views.depth_max_m, rel=1e-5)
    assert np.abs(feeds['room']['costs'] - feeds['slanted']['costs']).mean() > 1e-3


def test_gate_inputs_need_the_graphs_before() -> None:
    with pytest.raises(ArtifactError, match=r"\['features', 'volume'\].*open all graphs"):
        gate_feeds((), engines={}, scenes=GATE_SCENES)


def test_made_up_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"'mvsnet-depth.*undecidable.*made up"):
        open_graphs(
            'mvsnet',
            cache=EngineCache(tmp_path),
            **asked(weights='synthetic:1', runtime='openvino', precision='bf16', **SMALL),
        )
    assert not (tmp_path / 'exports').exists()


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_published_weights_pass_the_gate(tmp_path: Path) -> None:
    engines = open_graphs(
        'mvsnet',
        EngineChoice(
            size=(128, 160),
            num_threads=1,
            weights=str(shared_path('weights/mvsnet/model_000014.ckpt')),
            runtime='openvino',
            precision='bf16',
        ),
        options={'depths': 32},
        cache=EngineCache(tmp_path),
    )
    precisions = {name: engine.info.precision for name, engine in engines.items()}
    for engine in engines.values():
        engine.close()
    assert precisions == {'features': 'f32', 'volume': 'f32', 'depth': 'bf16'}
    (path,) = (tmp_path / 'engines').glob('mvsnet-depth-*bf16*/entry.json')
    (figure,) = json.loads(path.read_text())['check']['gate']['figures']
    assert figure['name'] == 'abs_rel_change'
    assert 0.0 < figure['value'] < figure['limit'] == 0.005
