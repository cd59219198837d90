"""Pseudo-labels: disparities on which several matchers agree.

The network before fine-tuning sees each pair as it is, with both cameras brought to one
brightness and contrast, softened, enlarged and shrunk; SGBM sees it as it is and brought to one
brightness. Each of them keeps only what passes the left-right check (Fua 1993). A pixel's label is
the median of what is left, and counts where enough of them are near it: matchers that fail, fail
in different ways. Learning from filtered disparities of other matchers is due to Tonioni et al.
2017 ("Unsupervised Adaptation for Deep Stereo").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.evaluation.stereo import Matcher, sgbm_matcher
from depth_ros.geometry.postprocess import left_right_confidence
from depth_ros.geometry.preprocess import mirrored_map
from depth_ros.training.finetune.radiometry import normalised, softened
from depth_ros.training.finetune.stereo_pairs import RigPair

AGREEING = 3
NEAR_PX = 1.0
LARGER, SMALLER = 1.5, 2.0 / 3.0
UNKNOWN = np.float32(np.nan)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledPair:
    """A pair with pseudo-labels for its left pixels.

    Attributes:
        pair: The pair.
        disparity: (H, W) float32 px, 0 where not believed.
        is_believed: (H, W) bool.
    """

    pair: RigPair
    disparity: np.ndarray
    is_believed: np.ndarray

    @property
    def share(self) -> float:
        """Share of the pixels that have a label."""
        return float(self.is_believed.mean())


def teachers(matcher: Matcher, *, multiple: int, num_disparities: int) -> list[Matcher]:
    """Return the matchers whose agreement makes labels.

    Args:
        matcher: The network before fine-tuning, on (H, W, 3) images of 0..255.
        multiple: Sizes it takes are multiples of this.
        num_disparities: Search width of SGBM, a multiple of 16.
    """
    sgbm = sgbm_matcher(num_disparities, is_filled=False)
    return [
        matcher,
        _seeing(matcher, normalised),
        _seeing(matcher, lambda image: softened(normalised(image))),
        _seeing(_resized(matcher, LARGER, multiple), normalised),
        _seeing(_resized(matcher, SMALLER, multiple), normalised),
        sgbm,
        _seeing(sgbm, lambda image: normalised(image).astype(np.uint8)),
    ]


def label(pair: RigPair, matchers: Sequence[Matcher]) -> list[LabelledPair]:
    """Label a pair and its mirror image, in which the right view is the left one."""
    mirror = pair.mirrored()
    found = [
        (match(pair.left, pair.right), match(mirror.left, mirror.right)) for match in matchers
    ]
    return [
        _vote(pair, [_checked(own, other) for own, other in found]),
        _vote(mirror, [_checked(other, own) for own, other in found]),
    ]


def search_width(disparities: Sequence[np.ndarray]) -> int:
    """Choose SGBM's search width from what the network finds, with a fifth to spare."""
    most = max(float(np.percentile(found, 99.0)) for found in disparities)
    width = disparities[0].shape[1]
    return int(np.clip(np.ceil(1.2 * most / 16.0), 1, max(1, width // 32))) * 16


def _checked(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Make disparities unknown that the mirrored run does not confirm."""
    confidence = left_right_confidence(
        own.astype(np.float32), mirrored_map(other).astype(np.float32), threshold_px=NEAR_PX
    )
    return np.where(confidence > 0.0, own, UNKNOWN)


def _vote(pair: RigPair, candidates: Sequence[np.ndarray]) -> LabelledPair:
    values = np.stack(candidates)
    with warnings.catch_warnings(), np.errstate(invalid='ignore'):
        warnings.filterwarnings('ignore', 'All-NaN')
        middle = np.nanmedian(values, axis=0)
        agreeing = (np.abs(values - middle) < NEAR_PX).sum(axis=0)
    is_believed = (agreeing >= AGREEING) & pair.covered
    disparity = np.where(is_believed, middle, 0.0).astype(np.float32)
    return LabelledPair(pair=pair, disparity=disparity, is_believed=is_believed)


def _seeing(matcher: Matcher, change: Callable[[np.ndarray], np.ndarray]) -> Matcher:
    return lambda left, right: matcher(change(left), change(right))


def _resized(matcher: Matcher, factor: float, multiple: int) -> Matcher:
    def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        height, width = left.shape[:2]
        rows, columns = (
            max(2 * multiple, round(side * factor / multiple) * multiple)
            for side in (height, width)
        )
        how = cv2.INTER_LINEAR if factor > 1.0 else cv2.INTER_AREA
        images = [cv2.resize(image, (columns, rows), interpolation=how) for image in (left, right)]
        found = cv2.resize(matcher(images[0], images[1]), (width, height))
        return np.asarray(found * np.float32(width / columns), np.float32)

    return match
