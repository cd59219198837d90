"""CREStereo with a hint: none changes no bit, a right one leads the first search to the match."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='torch is not installed')

from depth_ros.engines.artifact import WeightsRecord
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import RecipeError
from depth_ros.geometry.hints import UNKNOWN_PX
from depth_ros.models.crestereo import network as plain
from depth_ros.models.crestereo.network_correlation import ROW_WINDOW
from depth_ros.models.crestereo.network_hinted import (
    TAKEN_FROM,
    HintedCascade,
    exportable,
    initial_flow,
    synthetic_state,
)

HEIGHT, WIDTH = 96, 160
DISPARITY_PX = 20
"""Five cells: further than the first search, which reaches four, gets from nothing."""


def hint_of(disparity_px: float, trust: float = 1.0):
    planes = torch.empty(1, 2, HEIGHT, WIDTH)
    planes[:, 0], planes[:, 1] = disparity_px, trust
    return planes


NOTHING = hint_of(float(UNKNOWN_PX), 0.0)


def pair():
    """Return a fine texture and the same seen from 20 px beside, uint8 (1, H, W, 3)."""
    noise = np.random.default_rng(1).integers(0, 256, (1, HEIGHT, WIDTH + DISPARITY_PX, 3))
    wide = torch.from_numpy(noise.astype(np.uint8))
    return wide[:, :, :WIDTH].contiguous(), wide[:, :, DISPARITY_PX:].contiguous()


@pytest.fixture(scope='module')
def made():
    return exportable(
        graph='crestereo',
        height=HEIGHT,
        width=WIDTH,
        options={'iterations': 2},
        state=synthetic_state(5),
    )


@pytest.mark.parametrize('hint', [NOTHING, hint_of(9.0, 0.0), hint_of(-3.0, 1.0)])
def test_without_a_hint_it_is_the_graph_of_two_stages_bit_by_bit(made, hint) -> None:
    two_stages = plain.exportable(
        graph='crestereo',
        height=HEIGHT,
        width=WIDTH,
        options={'iterations': 2, 'stages': 2},
        state=synthetic_state(5),
    )
    with torch.inference_mode():
        assert torch.equal(made.module(*pair(), hint), two_stages.module(*pair()))


def first_search(graph: HintedCascade, hint) -> torch.Tensor:
    """Return the similarities (9, H/4, W/4) of the first search at full size, groups summed."""
    calls = []
    block = graph.network.update_block
    handle = block.register_forward_pre_hook(lambda module, args: calls.append(args[2]))
    with torch.inference_mode():
        graph(*pair(), hint)
    handle.remove()
    full = next(one for one in calls if one.shape[2:] == (HEIGHT // 4, WIDTH // 4))
    return full.reshape(4, len(ROW_WINDOW), HEIGHT // 4, WIDTH // 4).sum(0)


def test_a_right_hint_leads_the_first_search_to_the_match(made) -> None:
    inside = (slice(3, -3), slice(DISPARITY_PX // 4 + 3, -3))
    middle = ROW_WINDOW.index((0, 0))
    share = {}
    for px in (DISPARITY_PX, DISPARITY_PX + 8):
        best = first_search(made.module, hint_of(px)).argmax(0)[inside]
        share[px] = float((best == middle).float().mean())
        towards = float((best == middle + (px - DISPARITY_PX) // 4).float().mean())
        assert towards > 0.95, f'{px} px: the match is best where it is for {towards:.0%} only'
    assert share[DISPARITY_PX] > 0.95 and share[DISPARITY_PX + 8] < 0.05


def test_a_cell_starts_from_the_hint_at_its_centre_or_from_half_size() -> None:
    half = torch.arange(48.0).reshape(1, 1, 6, 8).repeat(1, 2, 1, 1)
    hint = torch.full((1, 2, 12, 16), -1.0)
    hint[0, :, 4, 8] = torch.tensor((6.0, 1.0))
    hint[0, :, 4, 9] = torch.tensor((90.0, 1.0))
    hint[0, :, 8, 12] = torch.tensor((7.0, TAKEN_FROM - 0.01))
    start = initial_flow(half, hint)
    assert start.shape == (1, 2, 3, 4)
    assert start[0, :, 1, 2].tolist() == [1.5, 0.0], 'in cells, and rows are aligned'
    own = 0.5 * plain.resize(half, (3, 4))
    is_own = torch.ones(3, 4, dtype=torch.bool)
    is_own[1, 2] = False
    assert torch.equal(start[..., is_own], own[..., is_own])


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'graph': 'features'}, 'no graph'),
        ({'options': {'stages': 1}}, r"\['stages'\]; use iterations"),
        ({'options': {'iterations': 3}}, 'even number'),
        ({'height': 80}, 'multiples of 32'),
    ],
)
def test_what_cannot_be_served_is_refused(changes, text: str) -> None:
    asked = {'graph': 'crestereo', 'height': 96, 'width': 96, 'options': {}, **changes}
    with pytest.raises(RecipeError, match=text):
        exportable(state=synthetic_state(5), **asked)


@pytest.mark.nightly
def test_the_exported_graph_takes_the_hint(tmp_path) -> None:
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    from depth_ros.engines.export import ExportRequest, export_graph, make_exportable

    recipe = load_recipe('crestereo_hinted')
    variant = recipe.variant(size=(64, 96), options={'iterations': 2})
    request = ExportRequest(
        recipe=recipe.name,
        graph='crestereo',
        size=variant.size,
        options=variant.options,
        weights=WeightsRecord(source='synthetic:5', sha256='', licence='none (made up)'),
        tolerances=recipe.graph('crestereo').tolerances,
        command='',
    )
    path = tmp_path / 'graph.onnx'
    # export_graph itself compares the exported graph with the module, told the example hint.
    export_graph(make_exportable(recipe, 'crestereo', variant, synthetic_state(5)), path, request)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    assert {one.name: one.shape for one in session.get_inputs()}['hint'] == [1, 2, 64, 96]
