"""Matches found tile by tile are those of the dual softmax over all pairs at once."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch', reason='the network needs torch')

from depth_ros.models.loftr.network_matching import (
    MASKED,
    DualSoftmax,
    best_matches,
    similarity,
)
from depth_ros.models.loftr.network_tiles import TILE_ROWS, tiled_matches

NUM_MATCHES = 300
CONFIDENCE_TOLERANCE = 2e-4
"""Scores reach 300 here, so their last bit is 3e-5 of a logarithm."""


def tokens(num_cells: int, scale: float):
    """Return features of two images whose cells are the same in another order, with noise."""
    generator = torch.Generator().manual_seed(7)
    first = scale * torch.randn(1, num_cells, 64, generator=generator)
    order = torch.randperm(num_cells, generator=generator)
    noise = scale * torch.randn(1, num_cells, 64, generator=generator)
    return first, first[:, order] + 0.5 * noise


def found(result) -> dict[int, tuple[int, float]]:
    """Return {cell of the first image: (cell of the second, confidence)} of what matches."""
    cells = zip(*(values.tolist() for values in result), strict=True)
    return {first: (second, sure) for first, second, sure in cells if sure > 0.0}


@pytest.mark.parametrize('num_cells', [30, TILE_ROWS, 2 * TILE_ROWS + 90])
@pytest.mark.parametrize('scale', [0.5, 1.6, 5.0])
@pytest.mark.parametrize('num_padded', [0, 25])
def test_tiles_match_as_all_pairs_do(num_cells: int, scale: float, num_padded: int) -> None:
    pair = tokens(num_cells, scale)
    penalties = [torch.zeros(1, num_cells), torch.zeros(1, num_cells)]
    for penalty in penalties:
        penalty[:, num_cells - num_padded :] = MASKED
    inside = (penalties[0][0] == 0, penalties[1][0] == 0)
    log_confidence = DualSoftmax().log_confidence(similarity(*pair), tuple(penalties))
    wanted = found(best_matches(log_confidence[0], inside, NUM_MATCHES))
    got = found(tiled_matches(pair, tuple(penalties), inside, NUM_MATCHES))
    assert len(wanted) > 3
    # Of equally confident ones (1 - 1e-7) the last place may go to another.
    least = min(sure for _, sure in wanted.values())
    sure_ones = {cell for cell, (_, sure) in wanted.items() if sure > least + 1e-5}
    assert sure_ones <= set(got)
    for cell in set(wanted) & set(got):
        assert got[cell][0] == wanted[cell][0]
        assert got[cell][1] == pytest.approx(wanted[cell][1], abs=CONFIDENCE_TOLERANCE)


def test_padding_matches_nothing() -> None:
    pair = tokens(40, 1.6)
    padded = torch.full((1, 40), MASKED)
    nothing = torch.zeros(40, dtype=torch.bool)
    result = tiled_matches(pair, (padded, padded), (nothing, nothing), NUM_MATCHES)
    assert found(result) == {}
    assert all(torch.isfinite(values).all() for values in result)


def test_cells_outside_match_nothing() -> None:
    pair = tokens(40, 1.6)
    valid = torch.zeros(1, 40)
    inside = torch.arange(40) < 20
    got = found(tiled_matches(pair, (valid, valid), (inside, torch.ones(40) > 0), NUM_MATCHES))
    assert got and max(got) < 20
