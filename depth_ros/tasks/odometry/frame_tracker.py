"""Base of both trackers: stamps, states and interruptions of a sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod

from depth_ros.tasks.odometry import troubles
from depth_ros.tasks.odometry.motion import image_trouble
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.states import StampGuard, StateMachine
from depth_ros.tasks.odometry.values import OdometryFrame, OdometryOutput, Reason, Trouble


class FrameTracker(ABC):
    """Turns frames into outputs; one worker thread owns it."""

    def __init__(self, settings: TrackingSettings) -> None:
        self.settings = settings
        self._states = StateMachine(settings)
        self._stamps = StampGuard(settings.max_gap_s)

    def set_settings(self, settings: TrackingSettings) -> None:
        """Use other thresholds from the next frame on."""
        self.settings = settings
        self._states.set_settings(settings)
        self._stamps.max_gap_s = settings.max_gap_s

    def process(self, frame: OdometryFrame) -> OdometryOutput:
        """Place one frame.

        Raises:
            InputError: Reason ``'stamp_order'``, if it is not newer than the last.
            EngineError: If a runtime fails.
        """
        step_s = self._stamps.step_s(frame.stamp_ns)
        if step_s < 0.0:
            self._forget(troubles.clock(step_s))
        elif step_s > self.settings.max_gap_s:
            self._lose(troubles.gap(step_s, self.settings))
        self._states.num_frames += 1
        trouble = image_trouble(frame.image, self.settings)
        return self._place(frame) if trouble is None else self._refused(frame, trouble)

    def notice_silence(self, text: str) -> OdometryOutput:
        """Record that frames stopped coming; ``text`` says for how long."""
        self._lose(Trouble(reason=Reason.NO_FRAMES, text=text))
        return self._output(self._stamps.last_ns or 0)

    def reset(self) -> OdometryOutput:
        """Forget everything; the next good frame is the new start."""
        self._forget(troubles.RESET)
        return self._output(self._stamps.last_ns or 0)

    @abstractmethod
    def close(self) -> None:
        """Close the engines."""

    @abstractmethod
    def _place(self, frame: OdometryFrame) -> OdometryOutput:
        """Place a frame whose image can be used."""

    @abstractmethod
    def _refused(self, frame: OdometryFrame, trouble: Trouble) -> OdometryOutput:
        """Record a frame that cannot be placed."""

    @abstractmethod
    def _lose(self, trouble: Trouble) -> None:
        """Record a break, after which the next frame need not be near the last one."""

    @abstractmethod
    def _forget(self, trouble: Trouble) -> None:
        """Restart, for the given reason."""

    def _output(self, stamp_ns: int) -> OdometryOutput:
        """Return an output with the state and no pose."""
        return self._states.output(stamp_ns)
