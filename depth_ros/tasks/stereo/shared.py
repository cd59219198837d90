"""One stereo processor for several users in a process: what one computed the other takes.

A stereo node lends its processor; odometry that sees the same pairs takes rectified images and the
depth of keyframes from it, as arrays. Whoever comes first computes, so that results do not depend
on who that is. Pairs are compared by calibration, stamp and pixels: cameras of one simulation may
agree in everything else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from depth_ros.frames import StereoFrame
from depth_ros.tasks.stereo.processor import (
    RectifiedPair,
    StereoOutput,
    StereoPipeline,
    StereoProcessor,
    Wanted,
    open_stereo,
)
from depth_ros.tasks.stereo.settings import SGBM_HINTS, StereoSettings
from depth_ros.tensors import Progress

NUM_KEPT = 4
"""Pairs whose results are kept: users are a few frames apart at most."""
SHARED = 'shared'
"""Stage of a result that somebody else computed: the time spent waiting for it."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Kept:
    """A pair with what is known of it."""

    frame: StereoFrame
    pair: RectifiedPair
    output: StereoOutput | None = None


class SharedStereoProcessor(StereoProcessor):
    """A stereo processor that several threads may ask; each pair is computed once."""

    def __init__(
        self, pipeline: StereoPipeline, settings: StereoSettings, *, lender: StereoLender
    ) -> None:
        """Take ownership of the pipeline of a running rig; it is lent from now on."""
        super().__init__(pipeline, settings, is_live=True)
        self._lender = lender
        self._kept: deque[_Kept] = deque(maxlen=NUM_KEPT)
        self._rectifying, self._matching = threading.Lock(), threading.Lock()
        self._wanted = Wanted()
        self._rig: tuple[bytes, bytes, bool] | None = None
        lender.offer(self)

    def serves(self, frame: StereoFrame) -> bool:
        """Whether a pair is of the rig that the owner sees, or the owner has seen none yet.

        With hints of more than the pair itself, such as the result before, nothing is lent: it
        would depend on who comes first.
        """
        is_of_pair_alone = set(self.settings.hint_words) <= {SGBM_HINTS}
        is_of_rig = self._rig in (None, _rig_of(frame))
        return is_of_pair_alone and is_of_rig and not self.is_closed

    def rectify(self, frame: StereoFrame) -> RectifiedPair:
        """Rectify a pair, or return what was made of the same pair before."""
        return self._known(frame).pair

    def process(self, frame: StereoFrame, *, wanted: Wanted | None = None) -> StereoOutput:
        """Run one pair for the owner of the rig; see ``output_of``."""
        self._rig = _rig_of(frame)
        self._wanted = replace(wanted or Wanted(), depth=True)
        return self.output_of(frame, wanted=self._wanted)

    def output_of(self, frame: StereoFrame, *, wanted: Wanted | None = None) -> StereoOutput:
        """Run one pair, or return what came out for the same pair before.

        Args:
            frame: The pair.
            wanted: What must be in the output; None takes depth and what the owner wanted last,
                so that the owner need not compute the pair again.

        Raises:
            InputError: If the pair or its calibration cannot be used.
            EngineError: If the runtime fails, or this is closed.
        """
        wanted = wanted or self._wanted
        start = time.perf_counter()
        with self._matching:
            self.expect_open()
            kept = self._known(frame)
            rectified_s = time.perf_counter() - start
            if kept.output is not None and _has(kept.output, wanted):
                return replace(kept.output, stages_s=MappingProxyType({SHARED: rectified_s}))
            output = self.process_rectified(
                kept.pair.images, wanted=wanted, covered=kept.pair.covered
            )
            kept.output = output
        stages = MappingProxyType({'rectify': rectified_s, **output.stages_s})
        return replace(output, stages_s=stages)

    def set_settings(self, settings: StereoSettings) -> None:
        """Take over settings that need no new pipeline; what was computed is forgotten.

        Raises:
            ParameterError: If they need another pipeline, or a value is refused.
        """
        with self._matching, self._rectifying:
            super().set_settings(settings)
            self._kept.clear()

    def close(self) -> None:
        """Close the engines once nobody computes; nothing is lent any more."""
        self._lender.withdraw(self)
        with self._matching, self._rectifying:
            super().close()
            self._kept.clear()

    def _known(self, frame: StereoFrame) -> _Kept:
        """Return the pair, rectified here unless the same one was."""
        with self._rectifying:
            for kept in self._kept:
                if _is_same(kept.frame, frame):
                    return kept
            kept = _Kept(frame=frame, pair=super().rectify(frame))
            self._kept.append(kept)
            return kept


class StereoLender:
    """Where the stereo processor of a process is found. Thread-safe."""

    def __init__(self) -> None:
        """Lend nothing yet."""
        self._offered: SharedStereoProcessor | None = None

    def open(
        self, settings: StereoSettings, *, progress: Progress | None = None
    ) -> SharedStereoProcessor:
        """Open a processor for its owner and lend it; arguments and errors are ``open_stereo``'s.

        Args:
            settings: What to run.
            progress: Called with a phase and a fraction during long work.
        """
        opened = open_stereo(settings, progress=progress, is_live=True)
        return SharedStereoProcessor(opened.pipeline, settings, lender=self)

    def offer(self, processor: SharedStereoProcessor) -> None:
        """Lend a processor instead of the one before."""
        self._offered = processor

    def withdraw(self, processor: SharedStereoProcessor) -> None:
        """Lend a processor no more, if it is lent."""
        if self._offered is processor:
            self._offered = None

    def lent_for(self, frame: StereoFrame) -> SharedStereoProcessor | None:
        """Return the processor that computes pairs of this rig; None where there is none."""
        offered = self._offered
        return offered if offered is not None and offered.serves(frame) else None


def _rig_of(frame: StereoFrame) -> tuple[bytes, bytes, bool]:
    left, right = frame.left, frame.right
    return left.camera.fingerprint(), right.camera.fingerprint(), right.is_rectified


def _is_same(a: StereoFrame, b: StereoFrame) -> bool:
    """Whether two frames are one pair, cheapest questions first."""
    return (
        (a.stamp_ns, a.right.stamp_ns) == (b.stamp_ns, b.right.stamp_ns)
        and _rig_of(a) == _rig_of(b)
        and np.array_equal(a.left.image, b.left.image)
        and np.array_equal(a.right.image, b.right.image)
    )


def _has(output: StereoOutput, wanted: Wanted) -> bool:
    """Whether an output has what is wanted; more does no harm."""
    depth = output.depth
    has_confidence = output.disparity.confidence is not None or not wanted.confidence
    has_sigma = depth is not None and (depth.sigma is not None or not wanted.sigma)
    return has_confidence and (has_sigma or not (wanted.depth or wanted.sigma))
