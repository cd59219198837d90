"""SIFT (Lowe 2004) and ORB (Rublee et al. 2011) by OpenCV: matchers without weights.

Both images' descriptors are compared all to all. A match survives if each is the other's nearest
and if it passes Lowe's ratio test. Its confidence is one minus the ratio of the nearest to the
second nearest distance, so a ratio test at 0.8 is a confidence above 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import ImagePair
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import MatchResult
from depth_ros.tensors import Tensors

SIFT_DEFAULT_KEYPOINTS = 4096
ORB_DEFAULT_KEYPOINTS = 4096
_ORB_MIN_SIZE_PX = 32
"""OpenCV's ORB leaves a border of 31 px and refuses images too small for its pyramid."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """What was found in one image.

    Attributes:
        points: ``(N, 2)`` float32 (x, y) pixels.
        descriptors: ``(N, D)``, float32 for SIFT and uint8 for ORB.
    """

    points: np.ndarray
    descriptors: np.ndarray


class KeypointModel:
    """A detector with mutual nearest neighbours; ``Model[ImagePair, MatchResult]``."""

    graphs: tuple[str, ...] = ()

    def __init__(self, *, name: str, detector: cv2.Feature2D) -> None:
        """Take an OpenCV detector; ``name`` is that of parameters."""
        self.name = name
        self._detector = detector

    def preprocess(self, frame: ImagePair) -> Prepared[None]:
        """Convert both images to grey; feeds are ``first``, ``second`` and the masks."""
        feeds = {
            'first': cv2.cvtColor(frame.first, cv2.COLOR_RGB2GRAY),
            'second': cv2.cvtColor(frame.second, cv2.COLOR_RGB2GRAY),
        }
        for name, mask in (('first_mask', frame.first_mask), ('second_mask', frame.second_mask)):
            if mask is not None:
                feeds[name] = mask.astype(np.uint8)
        return Prepared(feeds=feeds, context=None)

    def infer(self, engines: Engines, prepared: Prepared[None]) -> Tensors:
        """Detect, describe and match; points ``(N, 2)`` float32 and confidence ``(N,)``."""
        feeds = prepared.feeds
        first = self._features(feeds['first'], feeds.get('first_mask'))
        second = self._features(feeds['second'], feeds.get('second_mask'))
        indices, confidence = mutual_nearest(first.descriptors, second.descriptors)
        return {
            'points_first': first.points[indices[:, 0]],
            'points_second': second.points[indices[:, 1]],
            'confidence': confidence,
        }

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[None], frame: ImagePair
    ) -> MatchResult:
        """Order the matches by confidence."""
        order = np.argsort(-outputs['confidence'], kind='stable')
        return MatchResult(
            points_first=outputs['points_first'][order],
            points_second=outputs['points_second'][order],
            confidence=outputs['confidence'][order],
        )

    def _features(self, grey: np.ndarray, mask: np.ndarray | None) -> Features:
        if min(grey.shape) < _ORB_MIN_SIZE_PX:
            return _nothing()
        keypoints, descriptors = self._detector.detectAndCompute(grey, mask)
        if descriptors is None or not keypoints:
            return _nothing()
        points = np.array([keypoint.pt for keypoint in keypoints], np.float32)
        return Features(points=points, descriptors=descriptors)


def sift_model(*, max_keypoints: int = 0) -> KeypointModel:
    """Make the SIFT matcher: blobs, scale and rotation invariant.

    Args:
        max_keypoints: Strongest keypoints kept in each image, 0 takes the default.

    Raises:
        ParameterError: If the number is negative.
    """
    count = _checked_count(max_keypoints) or SIFT_DEFAULT_KEYPOINTS
    detector = cv2.SIFT_create(nfeatures=count)  # type: ignore[attr-defined]
    return KeypointModel(name='sift', detector=detector)


def orb_model(*, max_keypoints: int = 0) -> KeypointModel:
    """Make the ORB matcher: corners with binary descriptors, much faster; as ``sift_model``."""
    count = _checked_count(max_keypoints) or ORB_DEFAULT_KEYPOINTS
    detector = cv2.ORB_create(nfeatures=count, fastThreshold=10)  # type: ignore[attr-defined]
    return KeypointModel(name='orb', detector=detector)


KEYPOINT_MODELS: Mapping[str, Callable[..., KeypointModel]] = {
    'sift': sift_model,
    'orb': orb_model,
}
"""Factories by name."""


def mutual_nearest(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match descriptors that are each other's nearest.

    Args:
        first: ``(N, D)``; float32 for Euclidean, uint8 bits for Hamming distances.
        second: ``(M, D)`` of the same kind.

    Returns:
        ``(K, 2)`` index pairs and ``(K,)`` float32 confidences: one minus the ratio of the first's
        distances to its nearest and second nearest. Two exact copies are ambiguous: 0.
    """
    if len(first) < 2 or len(second) < 2:
        return np.zeros((0, 2), np.intp), np.zeros(0, np.float32)
    distances = _distances(first, second)
    rows = np.arange(len(first))
    nearest, back = distances.argmin(axis=1), distances.argmin(axis=0)
    best = distances[rows, nearest]
    distances[rows, nearest] = np.inf
    runner_up = distances.min(axis=1)
    ratio = np.divide(best, runner_up, out=np.ones_like(best), where=runner_up > 0)
    is_mutual = back[nearest] == rows
    return np.stack([rows, nearest], axis=1)[is_mutual], (1 - ratio)[is_mutual]


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``(N, M)`` float32 distances by one matrix product.

    With bits as 0 and 1 the squared Euclidean distance is Hamming's. Sums are of whole numbers
    below 2^24, so that float32 is exact.
    """
    is_binary = first.dtype == np.uint8
    if is_binary:
        first, second = np.unpackbits(first, axis=1), np.unpackbits(second, axis=1)
    first, second = first.astype(np.float32), second.astype(np.float32)
    squared = first @ second.T
    squared *= -2
    squared += np.square(first).sum(axis=1)[:, np.newaxis]
    squared += np.square(second).sum(axis=1)
    return squared if is_binary else np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def _nothing() -> Features:
    return Features(points=np.zeros((0, 2), np.float32), descriptors=np.zeros((0, 1), np.uint8))


def _checked_count(max_keypoints: int) -> int:
    if max_keypoints < 0:
        raise ParameterError(
            f'max_keypoints must be 0 (default) or more, got {max_keypoints}; 2000 suits VGA'
        )
    return max_keypoints
