"""Monocular odometry: rotation and the direction of travel, never metres.

One camera cannot tell a small step in a small world from a large one in a large world, so there
is no position here and nothing accumulates. Motion comes from the essential matrix of matches
(``depth_ros.geometry.two_view``) or from Monodepth2's pose network, whose step lengths have one
unknown unit in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_ros.frames import ImagePair
from depth_ros.geometry.rigid import inverse
from depth_ros.geometry.two_view import TwoViewSettings, TwoViewStatus, estimate_two_view
from depth_ros.models.monodepth2.model import MotionResult
from depth_ros.tasks.matching.matcher import Matcher
from depth_ros.tasks.odometry import troubles
from depth_ros.tasks.odometry.frame_tracker import FrameTracker
from depth_ros.tasks.odometry.keyframes import KeyframePolicy
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.values import (
    Direction,
    MatchCounts,
    OdometryFrame,
    OdometryOutput,
    Reason,
    Trouble,
)
from depth_ros.tasks.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """How the camera moved since a reference frame.

    Attributes:
        reference_from_camera: ``(4, 4)``; the translation's length means nothing, or is relative.
        counts: Counts of matches and inliers.
        is_due: Whether the frame should become the reference.
        weakness: What is not known, or None.
    """

    reference_from_camera: np.ndarray
    counts: MatchCounts
    is_due: bool
    weakness: Trouble | None = None


class MotionEstimator(Protocol):
    """Relates two frames."""

    def motion(self, reference: OdometryFrame, frame: OdometryFrame) -> Motion | Trouble:
        """Return the motion, or why there is none."""

    def restart(self) -> None:
        """Record a new reference."""

    def set_settings(self, settings: TrackingSettings) -> None:
        """Use other thresholds."""

    def close(self) -> None:
        """Close the engines."""


class MatchedMotion:
    """Motion by matches and the essential matrix."""

    def __init__(self, matcher: Matcher, settings: TrackingSettings) -> None:
        """Take ownership of the matcher."""
        self._matcher = matcher
        self._settings = settings
        self._policy = KeyframePolicy(settings)

    def set_settings(self, settings: TrackingSettings) -> None:
        """Use other thresholds."""
        self._settings = self._policy.settings = settings

    def motion(self, reference: OdometryFrame, frame: OdometryFrame) -> Motion | Trouble:
        """Match and decompose."""
        pair = ImagePair(first=reference.image, second=frame.image)
        matches = self._matcher.match(pair).result
        num_matches = len(matches.confidence)
        if num_matches < self._settings.min_inliers:
            return troubles.few_matches(num_matches, num_matches, self._settings)
        found = estimate_two_view(
            matches,
            first_camera=reference.camera,
            second_camera=frame.camera,
            are_rectified=True,
            settings=TwoViewSettings(
                threshold_px=self._settings.ransac_px,
                min_inliers=self._settings.min_inliers,
                min_inlier_ratio=self._settings.min_inlier_fraction,
            ),
        )
        if found.second_from_first is None:
            return Trouble(reason=Reason.FEW_INLIERS, text=found.text)
        first, second = matches.points_first, matches.points_second
        is_still = found.status is TwoViewStatus.PURE_ROTATION
        return Motion(
            reference_from_camera=inverse(found.second_from_first),
            counts=MatchCounts(num_matches=num_matches, num_inliers=found.num_inliers),
            is_due=self._policy.is_due(
                first[found.inliers], second[found.inliers], reference.camera
            ),
            weakness=troubles.no_parallax(found.text) if is_still else None,
        )

    def restart(self) -> None:
        """Reset the coverage of the former reference."""
        self._policy.restart()

    def close(self) -> None:
        """Close the matcher."""
        self._matcher.close()


class NetworkMotion:
    """Motion by a pose network, from each frame to the next as it was trained."""

    def __init__(self, pipeline: Pipeline[ImagePair, MotionResult]) -> None:
        """Take ownership of the pipeline."""
        self._pipeline = pipeline

    def motion(self, reference: OdometryFrame, frame: OdometryFrame) -> Motion | Trouble:
        """Run the network."""
        result = self._pipeline.run(ImagePair(first=reference.image, second=frame.image)).result
        moved = result.first_from_second
        if not np.isfinite(moved).all():
            return Trouble(reason=Reason.RESIDUAL, text='the pose network gave no finite motion')
        return Motion(reference_from_camera=moved, counts=MatchCounts(), is_due=True)

    def restart(self) -> None:
        """Do nothing: there is no state."""

    def set_settings(self, settings: TrackingSettings) -> None:
        """Do nothing: there are no thresholds."""

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()


class DirectionTracker(FrameTracker):
    """Returns rotation and direction since a reference frame; one worker thread owns it."""

    is_metric = False

    def __init__(self, estimator: MotionEstimator, settings: TrackingSettings) -> None:
        """Take ownership of the estimator."""
        super().__init__(settings)
        self._estimator = estimator
        self._reference: OdometryFrame | None = None

    def set_settings(self, settings: TrackingSettings) -> None:
        """Use other thresholds from the next frame on."""
        super().set_settings(settings)
        self._estimator.set_settings(settings)

    def close(self) -> None:
        """Close the engines."""
        self._estimator.close()

    def _place(self, frame: OdometryFrame) -> OdometryOutput:
        """Relate one frame to the reference, or take it as the reference."""
        if self._reference is None:
            self._take_reference(frame)
            if self._states.is_initialising:
                self._states.waits()
            return self._states.output(frame.stamp_ns, is_keyframe=True)
        return self._follow(frame, self._reference)

    def _follow(self, frame: OdometryFrame, reference: OdometryFrame) -> OdometryOutput:
        motion = self._estimator.motion(reference, frame)
        if isinstance(motion, Trouble):
            return self._refused(frame, motion)
        weakness = motion.weakness
        self._states.placed(frame.stamp_ns, weakness)
        self._states.trouble = weakness or troubles.DIRECTION_ONLY
        if motion.is_due:
            self._take_reference(frame)
        direction = Direction(
            reference_from_camera=motion.reference_from_camera[:3, :3],
            translation=motion.reference_from_camera[:3, 3],
            reference_stamp_ns=reference.stamp_ns,
        )
        return self._states.output(
            frame.stamp_ns,
            direction=direction,
            counts=motion.counts,
            is_keyframe=motion.is_due,
            num_keyframes=1,
        )

    def _refused(self, frame: OdometryFrame, trouble: Trouble) -> OdometryOutput:
        self._states.failed(trouble)
        if self._states.is_failing:
            # No position is lost with the reference: any good frame can start again.
            self._reference = None
        return self._states.output(frame.stamp_ns)

    def _take_reference(self, frame: OdometryFrame) -> None:
        self._reference = frame
        self._estimator.restart()

    def _lose(self, trouble: Trouble) -> None:
        self._states.lose(trouble)
        self._reference = None

    def _forget(self, trouble: Trouble) -> None:
        self._reference = None
        self._states.reset(trouble)
