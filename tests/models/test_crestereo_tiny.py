"""The small variant: the large one's contract, sizes it takes, weights it refuses, the export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the network needs torch')

from depth_ros.engines.artifact import WeightsRecord
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import ParameterError, WeightsError
from depth_ros.models.crestereo_tiny.network import (
    CreStereoTiny,
    exportable,
    synthetic_state,
    tiny_network,
)
from depth_ros.models.crestereo_tiny.network_fine import RADIUS, FineLevel

STATE = synthetic_state(3)


def module(height: int, width: int, **options: int):
    return exportable(
        graph='crestereo', height=height, width=width, options=options, state=STATE
    ).module


def pair(height: int, width: int) -> list:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 1, height, width, 3), dtype=np.uint8)
    return [torch.from_numpy(image) for image in images]


def test_graph_takes_and_gives_what_the_large_network_does() -> None:
    from depth_ros.models.crestereo import network

    small = exportable(graph='crestereo', height=64, width=128, options={}, state=STATE)
    options = {'iterations': 2, 'stages': 1}
    state = network.synthetic_state(0)
    large = network.exportable(
        graph='crestereo', height=64, width=128, options=options, state=state
    )
    assert small.inputs == large.inputs
    assert small.outputs == large.outputs


@pytest.mark.parametrize('size', [(64, 64), (48, 112), (80, 176)])
def test_every_multiple_of_16_works(size: tuple[int, int]) -> None:
    disparity = module(*size)(*pair(*size))
    assert disparity.shape == (1, *size) and disparity.dtype == torch.float32
    assert torch.isfinite(disparity).all() and (disparity >= 0).all()


def test_more_iterations_change_the_result() -> None:
    images = pair(64, 64)
    assert not torch.equal(module(64, 64)(*images), module(64, 64, iterations=5)(*images))


def test_weights_of_an_older_shape_are_refused() -> None:
    older = {key: value for key, value in STATE.items() if 'squeeze_there' not in key}
    assert len(older) == len(STATE) - 1
    with pytest.raises(WeightsError, match='squeeze_there'):
        tiny_network(older, iterations=3)
    wide = torch.zeros(144)
    with pytest.raises(WeightsError, match='shape'):
        tiny_network({**STATE, 'mask.weights.bias': wide}, iterations=3)


def test_the_comparison_at_the_second_hypothesis_counts() -> None:
    images = pair(64, 64)
    build = {'graph': 'crestereo', 'height': 64, 'width': 64, 'options': {}}
    before = exportable(**build, state=STATE).module(*images)
    other = {**STATE, 'update.squeeze_there.weight': torch.ones(64, 36, 1, 1)}
    assert not torch.equal(before, exportable(**build, state=other).module(*images))


def test_fine_level_sees_a_shift_of_two_cells_and_no_more() -> None:
    torch.manual_seed(0)
    fine = FineLevel(8, 16, 4).eval()
    half, quarter = torch.randn(2, 8, 12, 40), torch.zeros(2, 64, 6, 20)
    state = torch.zeros(1, 16, 6, 20)
    fine.match.weight.data = torch.eye(32)[:, :, None, None]
    seen = []
    fine.enter.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for shift in range(5):
        both = torch.cat((half[:1], torch.roll(half[:1], -shift, 3)), 0)
        with torch.no_grad():
            fine(both, quarter, state, torch.full((1, 1, 12, 40), float(2)))
        window = seen[-1][0, : 4 * (2 * RADIUS + 1)].reshape(2 * RADIUS + 1, 4, 12, 40)
        best = window.sum(1)[:, 3:-3, 8:-8].mean((1, 2)).argmax()
        assert int(best) == RADIUS + 2 - shift, f'{shift} cells of disparity, 2 expected'


def test_fine_level_begins_as_the_nearest_cell() -> None:
    torch.manual_seed(0)
    network = CreStereoTiny().eval()
    with torch.no_grad():
        found = network.predict(torch.rand(1, 3, 64, 64) * 255, torch.rand(1, 3, 64, 64) * 255)
    (_, before), (_, after) = found.coarse[-2:]
    torch.testing.assert_close(after, before, atol=0.05, rtol=0.01)
    nearest = after.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (found.full - nearest).abs().mean() < 0.3 * nearest.std()


def test_batch_gives_what_single_pairs_give() -> None:
    network = CreStereoTiny().eval()
    left, right = (torch.rand(2, 3, 64, 64) * 255 for _ in range(2))
    with torch.no_grad():
        both = network(left, right)
        single = torch.cat([network(left[n : n + 1], right[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(both, single, atol=1e-3, rtol=1e-4)


def test_cost_stays_within_the_budget() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = CreStereoTiny().eval()
    image = torch.zeros(1, 3, 240, 320)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image, image)
    assert counter.get_total_flops() < 25e9


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'height': 70}, 'multiples of 16'),
        ({'graph': 'other'}, "'crestereo'"),
        ({'options': {'iterations': 0}}, 'from 1 to'),
        ({'options': {'iterations': 'many'}}, 'whole number'),
        ({'options': {'stages': 2}}, 'iterations'),
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict, words: str) -> None:
    good = {'graph': 'crestereo', 'height': 64, 'width': 64, 'options': {}, 'state': STATE}
    with pytest.raises(ParameterError, match=words):
        exportable(**{**good, **changes})


def test_other_weights_are_refused() -> None:
    def attempt(state: dict) -> None:
        exportable(graph='crestereo', height=64, width=64, options={}, state=state)

    with pytest.raises(WeightsError, match='absent'):
        attempt({'x': torch.zeros(1)})
    with pytest.raises(WeightsError, match='do not fit'):
        attempt({key: value for key, value in STATE.items() if key != 'mask.mix.bias'})
    with pytest.raises(WeightsError, match='shape'):
        attempt({**STATE, 'mask.mix.bias': torch.zeros(3)})
    without_counters = {k: v for k, v in STATE.items() if 'num_batches' not in k}
    attempt(without_counters)


def test_export_uses_native_operators_and_computes_the_same(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx', reason='export needs onnx')
    pytest.importorskip('onnxscript', reason='export needs onnxscript')
    pytest.importorskip('onnxruntime', reason='the export is checked with ONNX Runtime')
    from depth_ros.engines.export import ExportRequest, export_graph, make_exportable

    recipe = load_recipe('crestereo_tiny')
    variant = recipe.variant(size=(64, 80), options={'iterations': 1})
    request = ExportRequest(
        recipe=recipe.name,
        graph='crestereo',
        size=variant.size,
        options=variant.options,
        weights=WeightsRecord(source='synthetic:3', sha256='', licence='Apache-2.0'),
        tolerances=recipe.graph('crestereo').tolerances,
        command='test',
    )
    path = tmp_path / 'tiny.onnx'
    # export_graph itself compares the exported graph with the module and raises if they differ.
    export_graph(make_exportable(recipe, 'crestereo', variant, STATE), path, request)
    graph = onnx.load(path).graph
    kinds = {node.op_type for node in graph.node}
    assert {'MatMul', 'GatherElements'} <= kinds
    assert sum(node.op_type == 'GridSample' for node in graph.node) == 1, 'of the fine level'
    slow = {'TopK', 'Einsum', 'ScatterND', 'ScatterElements', 'Loop', 'If', 'Shape'}
    assert not kinds & slow
