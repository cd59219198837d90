"""Where hints come from: a disparity for the pair at hand, made without the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hints import dense_hint, nothing_known
from depth_ros.geometry.postprocess import remove_speckles
from depth_ros.models.registry import hinted_models
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.tasks.stereo.settings import AUTO_HINTS, NO_HINTS, PREVIOUS_HINTS, StereoSettings

SPECKLE_PX, SPECKLE_STEP_PX = 100, 1.0
"""Islands of at most so many pixels are no hint: most of them are wrong."""
PREVIOUS_TRUST = np.float32(0.6)
"""Trust in the result before: what was wrong then must not confirm itself."""
SMOOTH_PX = 5
CHANGED_LEVELS = 8
"""A smoothed image that differs by more shows something else."""
MOVED_PX = 9
"""Side of the window around a change in which nothing is known."""


class HintSource(Protocol):
    """Makes hints for pairs, one after another.

    Attributes:
        is_evidence: Whether a result that agrees with the hint is the surer for it.
    """

    is_evidence: ClassVar[bool]

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Return what is known of the disparity of the pair's left image."""

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Take notice of what came out for a pair, (H, W) float32 px, NaN unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SgbmHints:
    """Semi-global matching of the same pair, at its own size.

    Attributes:
        model: The matcher.
        speckle_px: Largest island that is dropped, px.
    """

    is_evidence: ClassVar[bool] = True

    model: SgbmModel
    speckle_px: int = SPECKLE_PX

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Match the pair; what is short and unknown is filled from the background of its row."""
        prepared = self.model.preprocess(pair)
        found = self.model.postprocess(self.model.infer({}, prepared), prepared, pair)
        kept = remove_speckles(
            found.disparity, max_size_px=self.speckle_px, max_difference_px=SPECKLE_STEP_PX
        )
        return dense_hint(kept)

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Every pair is matched anew."""


class PreviousHints:
    """The result before, where the left image shows the same as then: for rigs that stand still.

    Where something has moved nothing is known, so that it leaves no trace.
    """

    is_evidence: ClassVar[bool] = False

    def __init__(self) -> None:
        self._image: np.ndarray | None = None
        self._disparity: np.ndarray | None = None

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Return the last result where the image has not changed since."""
        shape = pair.left.shape[:2]
        before, disparity = self._image, self._disparity
        if before is None or disparity is None or before.shape != shape:
            return nothing_known(shape)
        change = cv2.absdiff(_smooth_grey(pair.left), before) > CHANGED_LEVELS
        window = np.ones((MOVED_PX, MOVED_PX), np.uint8)
        is_same = cv2.dilate(change.astype(np.uint8), window) == 0
        known = is_same & np.isfinite(disparity)
        return DisparityHint(
            disparity=np.where(known, disparity, np.float32(np.nan)),
            trust=np.where(known, PREVIOUS_TRUST, np.float32(0)),
        )

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Remember the result for the next pair."""
        self._image, self._disparity = _smooth_grey(pair.left), disparity.copy()


def _smooth_grey(image: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8 without most of the noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.blur(grey, (SMOOTH_PX, SMOOTH_PX)))


def hint_source(settings: StereoSettings) -> HintSource | None:
    """Return where hints come from; None if none are wanted, or the model takes none.

    Raises:
        ParameterError: If hints are asked for by name and the model takes none.
    """
    able = hinted_models()
    takes_hint = settings.model in able
    if settings.hints == NO_HINTS or (settings.hints == AUTO_HINTS and not takes_hint):
        return None
    if not takes_hint:
        raise ParameterError(
            f'hints {settings.hints!r} need a model that takes hints, got model '
            f'{settings.model!r}; set hints to auto or none, or model to {", ".join(able)}'
        )
    if settings.hints == PREVIOUS_HINTS:
        return PreviousHints()
    return SgbmHints(model=SgbmModel(settings.sgbm))
