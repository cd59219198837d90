"""The fixed synthetic validation set: drawn from a seed that no training stream uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from depth_ros.models.loftr.network import Loftr, Matches
from depth_ros.training.loftr.pairs import PairBatch, to_tensors
from depth_ros.training.loftr.samples import PairSettings, SyntheticPairs
from depth_ros.training.loftr.supervision import REACH_PX, grid_points, true_cells

VALIDATION_SEED = 20_261_122
VALIDATION_BATCH = 4


@dataclass(kw_only=True, slots=True)
class MatchTally:
    """Counts over all pairs.

    Attributes:
        judged: Matches whose truth is known.
        right: Of these, in the right cell: the true place is within the fine stage's reach.
        within_3px: Of these, refined to within 3 px of the true place.
        within_1px: To within 1 px.
        true: True pairs of cells.
        recalled: Of these, found.
    """

    judged: int = 0
    right: int = 0
    within_3px: int = 0
    within_1px: int = 0
    true: int = 0
    recalled: int = 0

    def add(self, matches: Matches, first_to_second: Tensor, second_to_first: Tensor) -> None:
        """Judge the matches of a batch; see ``supervision`` for places."""
        cells, grid = matches.cells, second_to_first.shape[1:3]
        place = first_to_second.flatten(1, 2)[cells.item, cells.first]
        is_known = ~torch.isnan(place).any(dim=1)
        coarse = (place - grid_points(grid, place)[cells.second]).abs().amax(dim=1)
        distance = (place - matches.second).norm(dim=1)
        self.judged += int(is_known.sum())
        self.right += int((is_known & (coarse <= REACH_PX)).sum())
        self.within_3px += int((is_known & (distance < 3.0)).sum())
        self.within_1px += int((is_known & (distance < 1.0)).sum())
        truth = true_cells(first_to_second, second_to_first)
        self.true += len(truth.item)
        partner = torch.full(first_to_second.shape[:3], -1, device=place.device).flatten(1)
        partner[cells.item, cells.first] = cells.second
        self.recalled += int((partner[truth.item, truth.first] == truth.second).sum())

    def shares(self) -> dict[str, float]:
        """Return the metrics in percent; without matches precision is 0."""
        judged, true = max(1, self.judged), max(1, self.true)
        return {
            'val_precision': 100.0 * self.right / judged,
            'val_recall': 100.0 * self.recalled / true,
            'val_within_3px': 100.0 * self.within_3px / judged,
            'val_within_1px': 100.0 * self.within_1px / judged,
        }


@lru_cache(maxsize=2)
def validation_set(
    settings: PairSettings, photos: tuple[Path, ...], count: int
) -> Sequence[PairBatch]:
    """Draw the validation batches: half rooms, half planes, each room used twice."""
    half = max(2, count // 2)
    own = replace(
        settings, seed=VALIDATION_SEED, rooms=max(1, half // 2), pairs_per_room=2, planes=half
    )
    stream = SyntheticPairs(settings=own, photos=photos).batches(batch_size=VALIDATION_BATCH)
    return list(islice(stream, max(1, count // VALIDATION_BATCH)))


def validate(
    network: Loftr, settings: PairSettings, photos: tuple[Path, ...], *, samples: int, device: str
) -> dict[str, float]:
    """Measure the network on the validation set.

    Returns:
        ``val_precision``, matches in the right cell; ``val_recall``, true pairs of cells that are
        found; ``val_within_3px`` and ``val_within_1px``, matches that close to the true place;
        all in percent, matches being those above the variant's threshold.
    """
    network.eval()
    tally = MatchTally()
    for batch in validation_set(settings, photos, samples):
        data = to_tensors(batch, device)
        with torch.no_grad():
            matches = network(*data.images, first_mask=data.masks[0], second_mask=data.masks[1])
        tally.add(matches, *data.places)
    return tally.shares()
