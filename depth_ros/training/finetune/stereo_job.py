"""Fine-tuning a stereo network on rectified pairs of one rig."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.errors import InputError
from depth_ros.evaluation.stereo import Matcher
from depth_ros.geometry.hints import UNKNOWN_PX
from depth_ros.geometry.postprocess import colorize_disparity, left_right_confidence
from depth_ros.geometry.preprocess import mirrored_map
from depth_ros.pictures.panels import hatch_unknown, value_scale
from depth_ros.tensors import Progress
from depth_ros.training.finetune.figures import Figures, sharpness
from depth_ros.training.finetune.labels import LabelledPair, label, search_width, teachers
from depth_ros.training.finetune.loop import Tile
from depth_ros.training.finetune.radiometry import to_planes
from depth_ros.training.finetune.stereo_loss import photometric_figure, tuning_loss
from depth_ros.training.finetune.stereo_pairs import (
    MIN_PAIRS,
    PairSplit,
    RigPair,
    evenly,
)
from depth_ros.training.finetune.students import Student
from depth_ros.training.task import Note

LEAST_LABELLED = 0.25
"""Share of the pixels that must have labels: pairs that do not belong together have far fewer."""
MAX_JUDGED = 16
MAX_LABEL_ERROR_PX = 5.0
SHOWN = 4
BRIGHTNESS = (0.85, 1.15)
"""Factors on both images of a pair, drawn at every use."""
UNTOLD = 0.25
"""Share of the uses of a pair in which a network that takes hints is told nothing."""
NOTHING_TOLD = np.array([UNKNOWN_PX, 0.0], np.float32)[:, None, None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoFinetuning:
    """A stereo network and the pairs of a rig; made by ``prepare_stereo``.

    Attributes:
        student: Kind of network.
        labelled: Pairs to learn from.
        held_out: Pairs to judge by, with labels of their own.
        batch_size: Pairs a step.
    """

    student: Student
    labelled: Sequence[LabelledPair]
    held_out: Sequence[LabelledPair]
    batch_size: int = 2

    @property
    def facts(self) -> Mapping[str, str]:
        """Return the number of pairs and the share with labels, for the report."""
        share = np.mean([item.share for item in self.labelled])
        return {
            'pairs learnt from': str(len(self.labelled) // 2),
            'pairs held out': str(len(self.held_out)),
            'pixels with labels': f'{100.0 * float(share):.0f} %',
        }

    @property
    def notes(self) -> Mapping[str, Note]:
        """Return no metadata: the tensors are sufficient."""
        return {}

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Run the network on a few labelled pairs."""
        count = min(self.batch_size, len(self.labelled))
        chosen = [self.labelled[index] for index in rng.choice(len(self.labelled), count, False)]
        factors = torch.from_numpy(rng.uniform(*BRIGHTNESS, (count, 1, 1, 1)).astype(np.float32))
        left, right = (
            (to_planes([getattr(item.pair, side) for item in chosen]) * factors).clamp(0.0, 255.0)
            for side in ('left', 'right')
        )
        disparity = torch.from_numpy(np.stack([item.disparity for item in chosen]))[:, None]
        believed = torch.from_numpy(np.stack([item.is_believed for item in chosen]))[:, None]
        hint = self._hint(chosen, rng)
        predictions = self.student.predict(network, left, right, hint)
        return tuning_loss(predictions, left, right, disparity, believed)

    def _hint(self, chosen: Sequence[LabelledPair], rng: np.random.Generator) -> Tensor | None:
        """Return what the network is told of the pairs, of some of them nothing."""
        if self.student.hint is None:
            return None
        planes = np.stack([self.student.hint(item.pair.left, item.pair.right) for item in chosen])
        planes[rng.random(len(chosen)) < UNTOLD] = NOTHING_TOLD
        return torch.from_numpy(planes)

    def judge(self, network: nn.Module) -> Figures:
        """Measure photometric error, left-right consistency and sharpness."""
        rows = np.array([self._row_of(network, item) for item in self.held_out])
        known = [column[np.isfinite(column)] for column in rows.T]
        means = [float(column.mean()) if column.size else math.nan for column in known]
        return Figures(
            photometric=means[0],
            consistency=means[1],
            sharpness=means[2],
            label_error=means[3],
        )

    def tiles(self, before: nn.Module, after: nn.Module) -> list[list[Tile]]:
        """Draw held-out pairs: left image, disparity before and after, doubtful parts hatched."""
        chosen = [self.held_out[index] for index in evenly(len(self.held_out), SHOWN)]
        return [self._row(item.pair, before, after) for item in chosen]

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return what inference loads."""
        return self.student.weights(network)

    def _row_of(self, network: nn.Module, item: LabelledPair) -> tuple[float, ...]:
        """Measure one pair: photometric error, consistency, sharpness, label error."""
        pair = item.pair
        found, confidence = self._match(network, pair)
        error = photometric_figure(
            to_planes([pair.left]), to_planes([pair.right]), torch.from_numpy(found)[None, None]
        )
        off = np.minimum(np.abs(found - item.disparity), MAX_LABEL_ERROR_PX)[item.is_believed]
        consistent = float((confidence > 0.0).mean())
        return error, consistent, sharpness(found), float(off.mean()) if off.size else math.nan

    def _match(self, network: nn.Module, pair: RigPair) -> tuple[np.ndarray, np.ndarray]:
        mirror = pair.mirrored()
        found = self.student.disparity(network, pair.left, pair.right)
        other = mirrored_map(self.student.disparity(network, mirror.left, mirror.right))
        return found, left_right_confidence(found, other)

    def _row(self, pair: RigPair, before: nn.Module, after: nn.Module) -> list[Tile]:
        found = [self._match(network, pair) for network in (before, after)]
        scale = value_scale(found[1][0])
        row = [Tile(title='left image', image=pair.left)]
        for name, (disparity, confidence) in zip(('before', 'after'), found, strict=True):
            agreed = np.where(confidence > 0.0, disparity, np.float32(np.nan))
            colours = colorize_disparity(disparity, min=scale.low, max=scale.high)
            row.append(Tile(title=f'disparity {name}', image=colours))
            row.append(
                Tile(title=f'{name}, consistent only', image=hatch_unknown(colours, agreed))
            )
        return row


def prepare_stereo(
    student: Student,
    network: nn.Module,
    pairs: PairSplit,
    report: Progress,
    *,
    batch_size: int = 2,
    budget_s: float = math.inf,
) -> StereoFinetuning:
    """Label the pairs; takes about a dozen runs of the network a pair.

    Args:
        student: Kind of network.
        network: The network before fine-tuning.
        pairs: The rig's pairs.
        report: Called with the progress.
        batch_size: Pairs a step.
        budget_s: Time after which the pairs labelled so far must do, s.

    Raises:
        InputError: If few pixels get labels, reason ``'unmatched'``: pairs whose images do not
            belong together, or that nothing here can match.
    """
    judged = [pairs.held_out[index] for index in evenly(len(pairs.held_out), MAX_JUDGED)]
    matchers = _matchers(student, network.eval(), pairs.train)
    held_out = [label(pair, matchers)[0] for pair in judged]
    labelled = _labelled(pairs.train, matchers, report, time.monotonic() + budget_s)
    share = float(np.mean([item.share for item in labelled]))
    if share < LEAST_LABELLED:
        raise InputError(
            'unmatched',
            f'only {100.0 * share:.0f} % of the pixels can be matched, expected '
            f'{100.0 * LEAST_LABELLED:.0f} % or more; look whether left and right are of the same '
            'moment and not swapped, and whether the calibration is that of this rig',
        )
    return StereoFinetuning(
        student=student, labelled=labelled, held_out=held_out, batch_size=batch_size
    )


def _matchers(student: Student, network: nn.Module, pairs: Sequence[RigPair]) -> list[Matcher]:
    """Return the teachers, SGBM searching as far as some of the pairs need.

    A network that takes hints is not told SGBM's: both are asked, and must not err together.
    """
    matcher = partial(student.disparity, network, is_told=False)
    seen = [matcher(pair.left, pair.right) for pair in pairs[:: max(1, len(pairs) // 4)]]
    return teachers(matcher, multiple=student.multiple, num_disparities=search_width(seen))


def _labelled(
    pairs: Sequence[RigPair],
    matchers: Sequence[Matcher],
    report: Progress,
    end_s: float,
) -> list[LabelledPair]:
    """Label pairs in mixed order, so that those labelled in time are from everywhere."""
    found: list[LabelledPair] = []
    for done, index in enumerate(np.random.default_rng(0).permutation(len(pairs)), 1):
        found += label(pairs[index], matchers)
        report('looking for what can be believed', done / len(pairs))
        if time.monotonic() > end_s and done >= MIN_PAIRS:
            break
    return found
