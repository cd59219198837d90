"""The small LoFTR: the large one's contract, weights it refuses, exposure, positions, export."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the network needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.engines.build import open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.loftr import network
from depth_ros.models.loftr.network_graph import made_up_state
from depth_ros.models.loftr.network_tiny import (
    TinyBackbone,
    TinyLoftrConfig,
    exportable,
    synthetic_state,
    tiny_config,
    tiny_loftr,
)
from depth_ros.models.loftr.network_views import normalised, placed_tokens
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.training.trainer import save_weights
from tests.kit.match_scenes import shifted_views

STATE = synthetic_state(3)
SHIFT = (24, 16)


def graph(height: int = 64, width: int = 96, **options: int):
    return exportable(graph='loftr', height=height, width=width, options=options, state=STATE)


def feeds(height: int = 64, width: int = 96) -> list:
    views = shifted_views(1, height, width, SHIFT)
    images = [torch.from_numpy(view)[None, :, :, None] for view in views]
    return [*images, *[torch.ones(1, height // 8, width // 8, dtype=torch.uint8)] * 2]


def test_graph_takes_and_gives_what_the_large_network_does() -> None:
    large = network.exportable(
        graph='loftr', height=64, width=96, options={}, state=network.synthetic_state(0)
    )
    assert graph().inputs == large.inputs
    assert graph().outputs == large.outputs


@pytest.mark.parametrize('size', [(64, 96), (72, 104), (160, 64)])
def test_every_multiple_of_8_works(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        confidence, points = graph(*size).module(*feeds(*size))
    assert confidence.shape == (1, size[0] // 8, size[1] // 8)
    assert float(confidence.min()) >= 0.0 and float(confidence.max()) <= 1.0
    assert torch.isfinite(points).all() and (points[confidence == 0] == 0).all()


def test_made_up_weights_match_textures() -> None:
    with torch.inference_mode():
        confidence, points = graph(240, 320).module(*feeds(240, 320))
    row, column = torch.nonzero(confidence[0] > 0.2, as_tuple=True)
    truth = torch.stack((column * 8 - SHIFT[0], row * 8 - SHIFT[1]), 1)
    error = (points[0, row, column] - truth).norm(dim=1)
    assert len(row) > 100 and float((error < 4.0).float().mean()) > 0.8


def test_sizes_are_read_off_the_weights() -> None:
    config = TinyLoftrConfig(widths=(8, 24, 32), fine=8, num_pairs=3)
    assert tiny_config(tiny_loftr(config).state_dict()) == config
    assert tiny_config(STATE) == TinyLoftrConfig()
    assert sum(value.numel() for value in tiny_loftr(TinyLoftrConfig()).parameters()) == 405_792


def test_shipped_weights_are_loaded_back(tmp_path) -> None:
    save_weights(STATE, tmp_path / 'tiny.safetensors')
    state = load_checkpoint(tmp_path / 'tiny.safetensors')
    again = exportable(graph='loftr', height=64, width=96, options={}, state=state)
    with torch.inference_mode():
        for mine, theirs in zip(graph().module(*feeds()), again.module(*feeds()), strict=True):
            assert torch.equal(mine, theirs)


def test_other_weights_options_and_sizes_are_refused() -> None:
    with pytest.raises(WeightsError, match='loftr_tiny'):
        exportable(graph='loftr', height=64, width=96, options={}, state={'a': torch.zeros(1)})
    with pytest.raises(WeightsError, match='missing'):
        state = {key: value for key, value in STATE.items() if 'merge_feat' not in key}
        exportable(graph='loftr', height=64, width=96, options={}, state=state)
    with pytest.raises(RecipeError, match='multiples of 8'):
        graph(60, 96)
    with pytest.raises(RecipeError, match='options'):
        graph(variant=1)


def test_exposure_changes_nothing() -> None:
    dark = [values.clone() for values in feeds()]
    dark[1] = (dark[1] // 4 + 90).to(torch.uint8)
    bright = [values.clone() for values in feeds()]
    bright[1] = (4 * (dark[1].int() - 90)).clamp(0, 255).to(torch.uint8)
    with torch.inference_mode():
        first, second = (graph().module(*values) for values in (dark, bright))
    torch.testing.assert_close(first[0], second[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(first[1], second[1], atol=5e-2, rtol=0)


def test_normalisation_looks_at_what_is_no_padding() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 1, 32, 48)
    mask = torch.ones(2, 4, 6)
    mask[1, :, 3:] = 0.0
    image[1, :, :, 24:] = 0.0
    result = normalised(image, mask, 8)
    for valid in (result[0], result[1, :, :, :24]):
        assert float(valid.mean()) == pytest.approx(0.0, abs=1e-5)
        assert float(valid.std(unbiased=False)) == pytest.approx(1.0, abs=1e-4)
    flat = normalised(torch.full((1, 1, 16, 16), 0.3), torch.zeros(1, 2, 2), 8)
    assert torch.isfinite(flat).all()
    assert float(normalised(torch.full((1, 1, 16, 16), 0.3), None, 8).abs().max()) < 1e-2


def test_cells_lie_where_their_points_are() -> None:
    """A shift of the image by whole cells shifts all maps by as many."""
    torch.manual_seed(0)
    backbone = TinyBackbone(TinyLoftrConfig()).eval()
    image = torch.rand(1, 1, 320, 320)
    with torch.inference_mode():
        maps = backbone(image[..., :304, :304])
        moved = backbone(image[..., 16:, 16:])
    for here, there, cells in zip(maps, moved, (2, 8), strict=True):
        inner = slice(here.shape[2] // 2 - cells, here.shape[2] // 2 + cells)
        after = slice(inner.start - cells, inner.stop - cells)
        torch.testing.assert_close(
            there[..., after, after], here[..., inner, inner], atol=1e-4, rtol=1e-4
        )


def test_positions_can_begin_anywhere_in_the_table() -> None:
    zeros = torch.zeros(1, 16, 4, 6)
    whole = placed_tokens(torch.zeros(1, 16, 9, 11), has_fixed_positions=True)
    part = placed_tokens(zeros, has_fixed_positions=True, origin=(5, 3))
    torch.testing.assert_close(part.unflatten(1, (4, 6)), whole.unflatten(1, (9, 11))[:, 5:9, 3:9])


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A file of weights as training writes it, with fewer layers: exporting is slow."""
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_weights(made_up_state(tiny_loftr(TinyLoftrConfig(num_pairs=1)), 3), path)
    return path


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_engines_give_the_networks_values(runtime, weights) -> None:
    pytest.importorskip(runtime, reason=f'{runtime} is not installed')
    state = load_checkpoint(weights)
    network = exportable(graph='loftr', height=64, width=96, options={}, state=state)
    engines = open_graphs(
        'loftr_tiny',
        EngineChoice(size=(64, 96), weights=str(weights), runtime=runtime, num_threads=1),
        cache=EngineCache(weights.parent / 'cache'),
    )
    with engines['loftr'] as engine, torch.inference_mode():
        values = dict(zip((s.name for s in engine.inputs), feeds(), strict=True))
        found = engine.infer({name: value.numpy() for name, value in values.items()})
        wanted = network.module(*feeds())
    np.testing.assert_allclose(found['confidence'], wanted[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(found['points'], wanted[1].numpy(), atol=2e-2)


def test_it_is_a_model_with_a_recipe_of_its_own() -> None:
    recipe = load_recipe('loftr_tiny')
    assert recipe.network == 'depth_ros.models.loftr.network_tiny'
    settings = MatchSettings(model='loftr_tiny')
    assert settings.default_min_confidence == 0.2 and settings.inlier_threshold_px == 1.5
