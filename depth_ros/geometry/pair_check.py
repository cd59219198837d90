"""Checks a rectified pair: not blank, of one scene, not swapped or doubled, rows aligned.

A few hundred corners are matched between the images. In a rectified pair a point has the same row
in both, and is never further right in the right image than a point at infinity would be; matches
reveal a pair that violates this. Depth from such a pair looks plausible but is wrong.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from depth_ros.camera import StereoCamera
from depth_ros.frames import RectifiedStereo

MAX_WIDTH_PX = 640
NUM_CORNERS = 800
MIN_MATCHES = 40
RICH_CORNERS = 300
"""With as many corners on both sides, a real pair has ``MIN_MATCHES`` and more."""
BLANK_SPREAD = 1.5
"""Standard deviation of grey values (0 to 255) below which an image shows nothing."""
NUM_FINE, UNIQUE = 2000, 0.75
LARGEST_ROW_SHARE = 0.08
"""Matches further apart in rows than this share of the height are treated as wrong."""
SMALLEST_PX = 8
"""Images below this many rows or columns have no corners; OpenCV fails on the smallest."""
SAME_PX = 0.3
ROW_PX = 1.5
WRONG_SIGN_PX = 1.0
LOGGER = logging.getLogger(__name__)
NUM_GOOD = 3
"""Number of pairs without fault after which a rig counts as correct."""
NUM_TRIED = 12
"""Largest number of pairs examined; a rig that sees only bare walls is not judged."""


class PairFault(Enum):
    """What is wrong with a pair; the value is the reason in logs and counters."""

    BLANK = 'pair_blank'
    UNLIKE = 'pair_unlike'
    SWAPPED = 'pair_swapped'
    SAME_IMAGE = 'pair_same_image'
    ROWS = 'pair_rows'


@dataclass(frozen=True, kw_only=True, slots=True)
class PairEvidence:
    """Statistics of the matches of a pair, in pixels of the rectified images.

    Attributes:
        num_matches: Mutual matches of corners.
        wrong_sign: Share of matches that would lie behind infinity.
        median_offset_px: Median of ``x_left - x_right`` as the images have it.
        row_offset_px: Median of ``y_right - y_left``.
        row_spread_px: Median distance of the row differences from ``row_offset_px``.
        num_corners: Corners of the side that has fewer.
        grey_spread: Standard deviation of the grey values of the side where it is smaller.
    """

    num_matches: int
    wrong_sign: float
    median_offset_px: float
    row_offset_px: float
    row_spread_px: float
    num_corners: int = 0
    grey_spread: float = 255.0

    @property
    def fault(self) -> PairFault | None:
        """What is wrong, or None; None too where there is too little texture to tell."""
        if self.grey_spread < BLANK_SPREAD:
            return PairFault.BLANK
        if self.num_matches < MIN_MATCHES:
            return PairFault.UNLIKE if self.num_corners >= RICH_CORNERS else None
        is_still = abs(self.median_offset_px) < SAME_PX and self.row_spread_px < SAME_PX
        if is_still and abs(self.row_offset_px) < SAME_PX:
            return PairFault.SAME_IMAGE
        if abs(self.row_offset_px) + self.row_spread_px > ROW_PX:
            return PairFault.ROWS
        return PairFault.SWAPPED if self.wrong_sign > 0.5 else None

    def sentence(self) -> str:
        """Return what is wrong and what to do; empty where nothing is."""
        return '' if self.fault is None else SENTENCES[self.fault].format(evidence=self)


SENTENCES = {
    PairFault.BLANK: (
        'an image shows nothing (its grey values spread by {evidence.grey_spread:.1f} of 255), so '
        'depth is made up; check lens cap, exposure and cables'
    ),
    PairFault.UNLIKE: (
        'left and right look unlike: of {evidence.num_corners} corners {evidence.num_matches} are '
        'found again, so depth is made up; check that both images are of one scene and one moment'
    ),
    PairFault.SWAPPED: (
        'left and right look swapped: {evidence.wrong_sign:.0%} of {evidence.num_matches} matches '
        'lie behind infinity, so depth is wrong; exchange the two images (or topics), or their '
        'calibrations'
    ),
    PairFault.SAME_IMAGE: (
        'left and right show the same image: {evidence.num_matches} matches have no disparity, so '
        'depth is wrong; check that the two images (or topics) come from two cameras'
    ),
    PairFault.ROWS: (
        'rows of left and right do not match: they are apart by '
        '{evidence.row_offset_px:+.1f} px in the middle and scatter by '
        '{evidence.row_spread_px:.1f} px around that, so depth is wrong or missing; calibrate '
        'the rig again, check that both images are of one moment, and say whether they are '
        'raw or rectified'
    ),
}


def examine_pair(pair: RectifiedStereo) -> PairEvidence:
    """Match corners of a pair (ORB, Rublee et al. 2011) and return statistics of their offsets."""
    scale = min(1.0, MAX_WIDTH_PX / pair.left.shape[1])
    greys = [_grey(image, scale) for image in (pair.left, pair.right)]
    left, right = (_corners(grey, scale) for grey in greys)
    return replace(
        _evidence(*_mutual(left, right, height=pair.left.shape[0]), pair),
        num_corners=min(len(left.places), len(right.places)),
        grey_spread=min(float(grey.std()) for grey in greys),
    )


def examine_closely(pair: RectifiedStereo) -> PairEvidence:
    """Match a pair to a fraction of a pixel (SIFT, Lowe 2004); some ten times as slow.

    Only matches that are clearly better than the next one count, so that boards and fences, whose
    parts look alike, are judged by what is unique in them.
    """
    detector = cv2.SIFT_create(NUM_FINE)  # type: ignore[attr-defined]
    found = []
    for image in (pair.left, pair.right):
        points, descriptors = detector.detectAndCompute(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None
        )
        places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
        found.append(_Corners(places=places, descriptors=descriptors))
    return _evidence(*_unique(found[0], found[1], height=pair.left.shape[0]), pair)


def _evidence(first: np.ndarray, second: np.ndarray, pair: RectifiedStereo) -> PairEvidence:
    """Return statistics of ``(N, 2)`` matched places."""
    offset = first - second
    disparity = offset[:, 0] - pair.camera.cx_offset_px
    rows = -offset[:, 1]
    if not len(rows):
        return PairEvidence(
            num_matches=0,
            wrong_sign=0.0,
            median_offset_px=0.0,
            row_offset_px=0.0,
            row_spread_px=0.0,
        )
    row_offset = float(np.median(rows))
    return PairEvidence(
        num_matches=len(rows),
        wrong_sign=float((disparity < -WRONG_SIGN_PX).mean()),
        median_offset_px=float(np.median(offset[:, 0])),
        row_offset_px=row_offset,
        row_spread_px=float(np.median(np.abs(rows - row_offset))),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Corners:
    """``(N, 2)`` float32 places in pixels of the full image, and their descriptors."""

    places: np.ndarray
    descriptors: np.ndarray | None


def _grey(image: np.ndarray, scale: float) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale == 1.0:
        return grey
    height, width = grey.shape
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _corners(grey: np.ndarray, scale: float) -> _Corners:
    if min(grey.shape) < SMALLEST_PX:
        return _Corners(places=np.zeros((0, 2), np.float32), descriptors=None)
    detector = cv2.ORB_create(NUM_CORNERS)  # type: ignore[attr-defined]
    points, descriptors = detector.detectAndCompute(grey, None)
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
    return _Corners(places=(places + 0.5) / scale - 0.5, descriptors=descriptors)


def _unique(left: _Corners, right: _Corners, *, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of mutual nearest descriptors that are far better than the second best."""
    if len(left.places) < 2 or len(right.places) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    matcher = cv2.BFMatcher()
    back = {
        match.queryIdx: match.trainIdx
        for match in matcher.match(right.descriptors, left.descriptors)  # type: ignore[arg-type]
    }
    found = [
        best
        for best, second in matcher.knnMatch(left.descriptors, right.descriptors, k=2)  # type: ignore[arg-type]
        if best.distance < UNIQUE * second.distance and back.get(best.trainIdx) == best.queryIdx
    ]
    first = left.places[[match.queryIdx for match in found]]
    other = right.places[[match.trainIdx for match in found]]
    is_near = np.abs(first[:, 1] - other[:, 1]) <= LARGEST_ROW_SHARE * height
    return first[is_near], other[is_near]


def _mutual(left: _Corners, right: _Corners, *, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of mutual nearest descriptors that lie on rows not far apart."""
    if left.descriptors is None or right.descriptors is None:
        empty = np.zeros((0, 2), np.float32)
        return empty, empty
    found = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(
        left.descriptors, right.descriptors
    )
    first = left.places[[match.queryIdx for match in found]]
    second = right.places[[match.trainIdx for match in found]]
    is_near = np.abs(first[:, 1] - second[:, 1]) <= LARGEST_ROW_SHARE * height
    return first[is_near], second[is_near]


class PairWatch:
    """Warns in the log of ``depth_ros``, once for each rig and kind of fault, of wrong pairs."""

    def __init__(self, *, is_live: bool = False) -> None:
        """Remember what to look at.

        Args:
            is_live: Pairs come from one running rig, so that a few good ones, or one fault, speak
                for the others; otherwise each pair is examined by itself.
        """
        self._is_live = is_live
        self._rig: StereoCamera | None = None
        self._num_good = 0
        self._num_left = 0
        self._fault = ''
        self._told: set[PairFault] = set()

    def look(self, pair: RectifiedStereo) -> str:
        """Return what is wrong with a pair (with its rig, if live); empty if nothing is."""
        # A rectifier gives the same rig until a calibration changes: no need to compare numbers.
        if pair.camera is not self._rig:
            self._rig, self._num_good, self._num_left = pair.camera, 0, NUM_TRIED
            self._fault = ''
            self._told.clear()
        if self._is_live and (not self._num_left or self._num_good == NUM_GOOD):
            return self._fault
        self._num_left -= 1
        evidence = examine_pair(pair)
        self._fault = evidence.sentence()
        if evidence.fault is not None:
            self._num_left = 0
            self._tell(evidence.fault)
        elif evidence.num_matches >= MIN_MATCHES:
            self._num_good += 1
        return self._fault

    def _tell(self, fault: PairFault) -> None:
        if fault not in self._told:
            self._told.add(fault)
            LOGGER.warning('[%s] %s', fault.value, self._fault)
