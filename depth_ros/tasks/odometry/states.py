"""The tracking states and their transitions.

``initialising`` until a frame has been placed against a keyframe; ``tracking`` while frames are
placed well; ``degraded`` while they are placed on little evidence, or a few in a row are not
placed at all; ``lost`` after too many of those, after a gap or a silence, until a keyframe is
found again.
"""

from __future__ import annotations

import itertools

from depth_ros.errors import InputError
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.troubles import WAITING
from depth_ros.tasks.odometry.values import (
    Direction,
    MatchCounts,
    OdometryOutput,
    OdometryState,
    Pose,
    Reason,
    Trouble,
)

_SESSIONS = itertools.count(1)


class StateMachine:
    """State machine: counts frames and failures; independent of images."""

    def __init__(self, settings: TrackingSettings) -> None:
        self.lost_after_frames = settings.lost_after_frames
        self.reset(WAITING)

    def reset(self, trouble: Trouble) -> None:
        """Start again, for the given reason."""
        self.state = OdometryState.INITIALISING
        self.trouble: Trouble | None = trouble
        self.session = next(_SESSIONS)
        self.num_frames = 0
        self.num_lost = 0
        self.num_failures = 0
        self.last_pose_ns = 0
        self.is_unconfirmed = False

    @property
    def is_lost(self) -> bool:
        """Whether only relocalisation can help."""
        return self.state is OdometryState.LOST

    @property
    def is_initialising(self) -> bool:
        """Whether nothing has been placed yet."""
        return self.state is OdometryState.INITIALISING

    @property
    def is_failing(self) -> bool:
        """Whether so many frames in a row failed that their reference is useless."""
        return self.num_failures >= self.lost_after_frames

    def set_settings(self, settings: TrackingSettings) -> None:
        """Take over the threshold."""
        self.lost_after_frames = settings.lost_after_frames

    def waits(self) -> None:
        """Record that a first keyframe was taken."""
        self.trouble, self.num_failures = WAITING, 0

    def placed(self, stamp_ns: int, weakness: Trouble | None = None) -> None:
        """Record a frame with a pose, possibly one with weak support."""
        self.state = OdometryState.DEGRADED if weakness else OdometryState.TRACKING
        self.trouble = weakness
        self.num_failures, self.is_unconfirmed = 0, False
        self.last_pose_ns = stamp_ns

    def found_again(self, trouble: Trouble) -> None:
        """Record a keyframe that was found again; the next frame must confirm it."""
        self.state, self.trouble = OdometryState.DEGRADED, trouble
        self.is_unconfirmed = True

    def failed(self, trouble: Trouble) -> None:
        """Record a frame without a pose."""
        self.num_failures += 1
        self.trouble = trouble
        if self.is_initialising or self.is_lost:
            return
        if self.is_unconfirmed or self.is_failing:
            self.lose(trouble)
        else:
            self.state = OdometryState.DEGRADED

    def lose(self, trouble: Trouble) -> None:
        """Record the trouble, and switch to LOST except while initialising."""
        self.trouble = trouble
        if self.is_initialising or self.is_lost:
            return
        self.state = OdometryState.LOST
        self.num_lost += int(not self.is_unconfirmed)
        self.is_unconfirmed = False

    def output(
        self,
        stamp_ns: int,
        *,
        pose: Pose | None = None,
        direction: Direction | None = None,
        counts: MatchCounts | None = None,
        is_keyframe: bool = False,
        num_keyframes: int = 0,
    ) -> OdometryOutput:
        """Return the output of a frame together with the state."""
        trouble = self.trouble
        return OdometryOutput(
            stamp_ns=stamp_ns,
            state=self.state,
            reason=trouble.reason if trouble else Reason.NONE,
            text=trouble.text if trouble else '',
            pose=pose,
            direction=direction,
            counts=counts or MatchCounts(),
            is_keyframe=is_keyframe,
            num_keyframes=num_keyframes,
            num_frames=self.num_frames,
            num_lost=self.num_lost,
            session=self.session,
            last_pose_ns=self.last_pose_ns,
        )


class StampGuard:
    """Refuses stamps that do not advance."""

    def __init__(self, max_gap_s: float) -> None:
        """Remember the pause that counts as a break."""
        self.max_gap_s = max_gap_s
        self.last_ns: int | None = None

    def step_s(self, stamp_ns: int) -> float:
        """Take the next stamp; return the time since the last one, 0 at the first.

        Returns:
            Negative if time went back by more than the largest pause: a clock was set or a
            recording started again.

        Raises:
            InputError: Reason ``'stamp_order'``, if the stamp is not newer.
        """
        last, self.last_ns = self.last_ns, stamp_ns
        if last is None:
            return 0.0
        step = (stamp_ns - last) / 1e9
        if -self.max_gap_s <= step <= 0.0:
            self.last_ns = last
            raise InputError(
                'stamp_order',
                f'a frame of stamp {stamp_ns} came after one of {last}, which is not older; '
                'have the driver stamp every image once and send them in order',
            )
        return step
