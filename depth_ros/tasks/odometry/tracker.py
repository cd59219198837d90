"""Metric odometry: every frame is placed against a keyframe with depth.

Keyframe-based perspective-n-point tracking with relocalisation, after Klein and Murray 2007
(keyframes, loss and recovery) with off-the-shelf matching instead of patch search and without
bundle adjustment: it is odometry and drifts from keyframe to keyframe.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from depth_ros.frames import ImagePair
from depth_ros.geometry.rigid import (
    composed_covariance,
    inverse,
    rigid,
    rotation_from_vector,
    rotation_vector,
    turned_covariance,
)
from depth_ros.tasks.matching.matcher import Matcher
from depth_ros.tasks.odometry import troubles
from depth_ros.tasks.odometry.frame_tracker import FrameTracker
from depth_ros.tasks.odometry.keyframes import (
    Keyframe,
    KeyframePolicy,
    KeyframeStore,
    spread,
    usable_depth,
)
from depth_ros.tasks.odometry.motion import motion_trouble
from depth_ros.tasks.odometry.pose import ScaledPose, estimate_pose, lift
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.values import (
    MatchCounts,
    OdometryFrame,
    OdometryOutput,
    Pose,
    Trouble,
)

NOTHING = np.zeros((6, 6))
ORIGIN = Pose(world_from_camera=np.eye(4), covariance=NOTHING, local_covariance=NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FramePose:
    """A frame placed against a keyframe.

    Attributes:
        keyframe: The keyframe.
        pose: The frame's pose in the world.
        sigma_m: Standard deviation of its position relative to the keyframe.
        is_disputed: Whether clearly more matches agree with another pose.
        first: ``(N, 2)`` inliers in the keyframe's image.
        second: ``(N, 2)`` the same in the frame's.
        counts: What it stands on.
    """

    keyframe: Keyframe
    pose: Pose
    sigma_m: float
    is_disputed: bool
    first: np.ndarray
    second: np.ndarray
    counts: MatchCounts


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Refusal:
    """A frame that could not be placed.

    Attributes:
        trouble: Why.
        counts: What was found.
    """

    trouble: Trouble
    counts: MatchCounts = MatchCounts()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Known:
    """The last accepted pose, its stamp, and the motion that led there.

    Attributes:
        pose: The pose.
        stamp_ns: Its stamp.
        rotation_rad_s: ``(3,)`` turn rate in the camera's axes.
        speed_m_s: ``(3,)`` velocity in the camera's axes.
    """

    pose: Pose
    stamp_ns: int
    rotation_rad_s: np.ndarray = field(default_factory=lambda: np.zeros(3))
    speed_m_s: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def followed_by(self, pose: Pose, stamp_ns: int) -> _Known:
        """Go on to the next pose."""
        elapsed_s = (stamp_ns - self.stamp_ns) / 1e9
        step = inverse(self.pose.world_from_camera) @ pose.world_from_camera
        return _Known(
            pose=pose,
            stamp_ns=stamp_ns,
            rotation_rad_s=rotation_vector(step[:3, :3]) / elapsed_s,
            speed_m_s=step[:3, 3] / elapsed_s,
        )

    def expected(self, stamp_ns: int) -> np.ndarray:
        """Return the ``(4, 4)`` world from camera at a later time, at constant velocity."""
        elapsed_s = (stamp_ns - self.stamp_ns) / 1e9
        turn = rotation_from_vector(self.rotation_rad_s * elapsed_s)
        return self.pose.world_from_camera @ rigid(turn, self.speed_m_s * elapsed_s)


class OdometryTracker(FrameTracker):
    """Places frames; one worker thread owns it."""

    is_metric = True

    def __init__(self, matcher: Matcher, settings: TrackingSettings) -> None:
        """Take ownership of the matcher."""
        super().__init__(settings)
        self._matcher = matcher
        self._keyframes = KeyframeStore(settings.max_keyframes)
        self._policy = KeyframePolicy(settings)
        self._known: _Known | None = None
        self._candidate: _Known | None = None

    def set_settings(self, settings: TrackingSettings) -> None:
        """Use other thresholds from the next frame on."""
        super().set_settings(settings)
        self._keyframes.set_limit(settings.max_keyframes)
        self._policy.settings = settings

    def close(self) -> None:
        """Close the matcher."""
        self._matcher.close()

    def _place(self, frame: OdometryFrame) -> OdometryOutput:
        """Place a frame against a keyframe, or take the first one."""
        if self._keyframes.current is None:
            return self._first(frame)
        if self._states.is_lost:
            return self._search(frame)
        return self._follow(frame, self._keyframes.current)

    def _first(self, frame: OdometryFrame) -> OdometryOutput:
        """Take a first keyframe; there is no pose until a second frame agrees with it."""
        depth = usable_depth(frame, self.settings)
        if depth is None:
            return self._refused(frame, troubles.NO_DEPTH)
        self._take_keyframe(frame, depth, ORIGIN)
        self._known = _Known(pose=ORIGIN, stamp_ns=frame.stamp_ns)
        self._states.waits()
        return self._output(frame.stamp_ns, is_keyframe=True)

    def _follow(self, frame: OdometryFrame, keyframe: Keyframe) -> OdometryOutput:
        placed = self._placed(frame, keyframe)
        if isinstance(placed, FramePose):
            return self._accept(frame, placed)
        output = self._refused(frame, placed.trouble, placed.counts)
        if self._states.is_initialising and self._states.is_failing:
            # Nothing matches the first keyframe: another becomes the origin, none was published.
            self._keyframes.clear()
        return output

    def _search(self, frame: OdometryFrame) -> OdometryOutput:
        """Search recent keyframes; a match must be confirmed by the next frame."""
        refusal = Refusal(trouble=self._states.trouble or troubles.WAITING)
        found: list[FramePose] = []
        for keyframe in self._keyframes.candidates(self.settings.relocalisation_tries):
            placed = self._placed(frame, keyframe)
            if isinstance(placed, FramePose):
                found.append(placed)
            else:
                refusal = placed
        if not found:
            return self._refused(frame, refusal.trouble, refusal.counts)
        surest = min(found, key=lambda placed: float(np.trace(placed.pose.covariance[:3, :3])))
        return self._found_again(frame, surest)

    def _found_again(self, frame: OdometryFrame, placed: FramePose) -> OdometryOutput:
        known_ns = self._known.stamp_ns if self._known else frame.stamp_ns
        lost_s = (frame.stamp_ns - known_ns) / 1e9
        self._candidate = _Known(pose=placed.pose, stamp_ns=frame.stamp_ns)
        self._keyframes.current = placed.keyframe
        self._policy.restart()
        self._states.found_again(troubles.found_again(placed.keyframe.number, lost_s))
        return self._output(frame.stamp_ns, counts=placed.counts)

    def _accept(self, frame: OdometryFrame, placed: FramePose) -> OdometryOutput:
        before = self._candidate or self._known
        assert before is not None, 'a first keyframe sets it'
        self._known = before.followed_by(placed.pose, frame.stamp_ns)
        self._candidate = None
        weakness = troubles.thin_evidence(placed.counts, placed.sigma_m, self.settings)
        weakness = weakness or (troubles.DISPUTED if placed.is_disputed else None)
        is_keyframe = False
        if self._policy.is_due(placed.first, placed.second, placed.keyframe.camera):
            depth = usable_depth(frame, self.settings)
            if depth is None:
                weakness = weakness or troubles.NO_DEPTH
            else:
                self._take_keyframe(frame, depth, placed.pose)
                is_keyframe = True
        self._states.placed(frame.stamp_ns, weakness)
        return self._output(
            frame.stamp_ns, pose=placed.pose, counts=placed.counts, is_keyframe=is_keyframe
        )

    def _take_keyframe(self, frame: OdometryFrame, depth: np.ndarray, pose: Pose) -> None:
        self._keyframes.add(frame, depth, pose)
        self._policy.restart()

    def _placed(self, frame: OdometryFrame, keyframe: Keyframe) -> FramePose | Refusal:
        result = self._matcher.match(ImagePair(first=keyframe.image, second=frame.image)).result
        points = lift(result.points_first, keyframe.depth, keyframe.camera)
        is_used = np.isfinite(points).all(axis=1)
        is_used[is_used] = spread(
            result.points_first[is_used],
            keyframe.camera,
            max_per_cell=self.settings.max_matches_per_cell,
        )
        first, second = result.points_first[is_used], result.points_second[is_used]
        if len(first) < self.settings.min_inliers:
            few = troubles.few_matches(len(is_used), len(first), self.settings)
            return Refusal(trouble=few, counts=MatchCounts(num_matches=len(first)))
        relative = estimate_pose(
            points[is_used],
            second,
            frame.camera,
            ransac_px=self.settings.ransac_px,
            expected=self._expected(keyframe, frame.stamp_ns),
        )
        counts = _counts(len(first), relative)
        trouble = troubles.weak_evidence(counts, self.settings)
        if trouble is not None:
            return Refusal(trouble=trouble, counts=counts)
        assert relative is not None, 'no pose is too few inliers'
        pose = _pose_in_world(keyframe, relative)
        jump = self._jump(pose, frame.stamp_ns)
        if jump is not None:
            return Refusal(trouble=jump, counts=counts)
        kept = relative.is_inlier
        return FramePose(
            keyframe=keyframe,
            pose=pose,
            sigma_m=relative.sigma_m,
            is_disputed=relative.is_disputed,
            first=first[kept],
            second=second[kept],
            counts=counts,
        )

    def _expected(self, keyframe: Keyframe, stamp_ns: int) -> np.ndarray | None:
        """Extrapolate the last motion; None while there is none."""
        if self._states.is_lost or self._known is None:
            return None
        pose = self._known.expected(stamp_ns)
        return inverse(keyframe.pose.world_from_camera) @ pose

    def _jump(self, pose: Pose, stamp_ns: int) -> Trouble | None:
        """Judge the motion since the last pose, and since a candidate that waits for this one."""
        for known in (self._known, self._candidate):
            if known is None:
                continue
            elapsed_s = (stamp_ns - known.stamp_ns) / 1e9
            before, after = known.pose.world_from_camera, pose.world_from_camera
            trouble = motion_trouble(before, after, elapsed_s, self.settings)
            if trouble is not None:
                return trouble
        return None

    def _refused(
        self, frame: OdometryFrame, trouble: Trouble, counts: MatchCounts | None = None
    ) -> OdometryOutput:
        was_lost = self._states.is_lost
        self._states.failed(trouble)
        self._candidate = None
        if self._states.is_lost and not was_lost:
            self._keyframes.restart_search()
        return self._output(frame.stamp_ns, counts=counts)

    def _lose(self, trouble: Trouble) -> None:
        self._states.lose(trouble)
        self._candidate = None
        self._keyframes.restart_search()

    def _forget(self, trouble: Trouble) -> None:
        self._keyframes.clear()
        self._policy.restart()
        self._known = self._candidate = None
        self._states.reset(trouble)

    def _output(
        self,
        stamp_ns: int,
        *,
        pose: Pose | None = None,
        counts: MatchCounts | None = None,
        is_keyframe: bool = False,
    ) -> OdometryOutput:
        return self._states.output(
            stamp_ns,
            pose=pose,
            counts=counts,
            is_keyframe=is_keyframe,
            num_keyframes=len(self._keyframes),
        )


def _counts(num_matches: int, relative: ScaledPose | None) -> MatchCounts:
    if relative is None:
        return MatchCounts(num_matches=num_matches)
    return MatchCounts(
        num_matches=num_matches,
        num_inliers=relative.num_inliers,
        residual_px=relative.residual_px,
    )


def _pose_in_world(keyframe: Keyframe, relative: ScaledPose) -> Pose:
    """Chain a relative pose to its keyframe's, covariances included."""
    start = keyframe.pose
    return Pose(
        world_from_camera=start.world_from_camera @ relative.keyframe_from_frame,
        covariance=composed_covariance(
            start.covariance,
            relative.covariance,
            parent_pose=start.world_from_camera,
            child_pose=relative.keyframe_from_frame,
        ),
        local_covariance=turned_covariance(relative.covariance, start.world_from_camera[:3, :3]),
    )
