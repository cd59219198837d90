"""The weights that ship: whole, made from one another, run as they are, as good as their cards."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.artifact import file_digest, load_artifact
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe
from depth_ros.evaluation.accuracy import disparity_errors
from depth_ros.evaluation.match_pairs import JudgedPair, scannet_neighbours
from depth_ros.evaluation.match_pairs import hololens as hololens_pairs
from depth_ros.evaluation.multiview import grid_errors
from depth_ros.evaluation.posed_views import hololens
from depth_ros.tasks.matching.matcher import Matcher, open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.shared_data import shared_path
from tests.kit.stereo_sets import motorcycle

WEIGHTS = Path(__file__).resolve().parents[2] / 'weights'
GRAPHS = sorted(path.name for path in WEIGHTS.glob('*.onnx'))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing exported earlier may stand in for what ships."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))


def test_graphs_ship() -> None:
    recipes = {load_artifact(WEIGHTS / name).manifest.recipe for name in GRAPHS}
    assert recipes == {
        'crestereo_tiny',
        'crestereo_tiny_half',
        'crestereo_tiny_hinted',
        'loftr_tiny',
        'mvsnet',
    }


@pytest.mark.parametrize('name', GRAPHS)
def test_graph_is_whole_and_made_from_the_weights_beside_it(name: str) -> None:
    artifact = load_artifact(WEIGHTS / name)
    manifest = artifact.manifest
    beside = WEIGHTS / f'{manifest.recipe}.safetensors'
    assert manifest.weights.source == beside.name
    assert manifest.weights.sha256 == file_digest(beside)
    assert set(artifact.golden().outputs) == {spec.name for spec in manifest.outputs}
    assert manifest.graph in load_recipe(manifest.recipe).graphs


def test_crestereo_tiny_is_as_accurate_as_its_card_says() -> None:
    """1.34 px and 9.6 % in the card, which resizes in the same way but keeps float32 torch."""
    pair = motorcycle(shared_path('data'))
    with closing(
        open_stereo(StereoSettings(model='crestereo_tiny', engine=EngineChoice(preset='balanced')))
    ) as stereo:
        found = stereo.process_rectified(pair.frame).disparity.disparity
    errors = disparity_errors(found, pair.truth)
    assert errors.density > 0.99
    assert errors.epe_px < 1.42
    assert errors.bad2 < 0.10


def test_the_hinted_one_is_as_accurate_as_its_card_says_and_knows_where_it_is_not() -> None:
    """1.01 px and 7.1 % in the card; of the 82 % that it is sure of 95 % are within 2 px."""
    pair = motorcycle(shared_path('data'))
    engine = EngineChoice(preset='balanced')
    settings = StereoSettings(model='crestereo_tiny_hinted', engine=engine)
    errors = []
    for least in (0.0, -1.0):
        with closing(open_stereo(replace(settings, min_confidence=least))) as stereo:
            found = stereo.process_rectified(pair.frame).disparity.disparity
        errors.append(disparity_errors(found, pair.truth))
    everywhere, sure = errors
    assert everywhere.density > 0.99 and everywhere.epe_px < 1.08 and everywhere.bad2 < 0.075
    assert sure.density > 0.78 and sure.bad2 < 0.05


def test_half_the_size_is_as_accurate_as_its_card_says() -> None:
    """1.22 px and 7.6 % in the card."""
    pair = motorcycle(shared_path('data'))
    settings = StereoSettings(model='crestereo_tiny_half', min_confidence=0.0)
    with closing(open_stereo(settings)) as stereo:
        found = stereo.process_rectified(pair.frame).disparity.disparity
    errors = disparity_errors(found, pair.truth)
    assert errors.density > 0.99 and errors.epe_px < 1.29 and errors.bad2 < 0.08


def test_mvsnet_is_as_accurate_as_its_card_says() -> None:
    views = hololens(shared_path('data/hololens_mvs'))
    with closing(open_multiview(MultiViewSettings(sampling='inverse'))) as multiview:
        result = multiview.process(views.frame).depth
    errors = grid_errors(result.depth, views.truth)
    assert errors.density == 1.0
    assert errors.abs_rel < 0.07
    assert np.nanmax(result.confidence) <= 1.0


def share_within(matcher: Matcher, judged: JudgedPair, limit_px: float, count: int) -> float:
    """Give the share of right ones among the surest matches whose truth is known."""
    result = matcher.match(judged.pair, max_matches=count).result
    errors = judged.errors(result)
    return float((errors[np.isfinite(errors)] < limit_px).mean())


def test_loftr_tiny_matches_no_worse_than_sift_with_as_many() -> None:
    data = shared_path('data')
    near, poor = (
        next(hololens_pairs(data / 'hololens_mvs')),
        next(scannet_neighbours(data / 'scannet_posed_mini')),
    )
    with (
        closing(open_matcher(MatchSettings(model='loftr_tiny'))) as loftr,
        closing(open_matcher(MatchSettings(model='sift'))) as sift,
    ):
        count = len(sift.match(near.pair).result.confidence)
        assert count > 300
        assert share_within(loftr, near, 3.0, count) > 0.9
        found = len(sift.match(poor.pair).result.confidence)
        assert len(loftr.match(poor.pair).result.confidence) > 5 * found
        assert share_within(loftr, poor, 5.0, found) >= share_within(sift, poor, 5.0, found)
