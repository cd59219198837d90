"""Depth of a moving camera's keyframes beside the stream of its images, in a thread of its own.

A keyframe takes several times as long as an image may; while one is computed the newest of those
that came since waits, and images go on with the maps there are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from depth_ros.errors import DepthRosError, InputError, ParameterError
from depth_ros.geometry.consistency import DepthView
from depth_ros.geometry.posed_view import PosedView
from depth_ros.streams.mailbox import Mailbox
from depth_ros.tasks.mono.keyframe_maps import KeyframeMap, KeyframeMaps
from depth_ros.tasks.mono.settings import KeyframeDepthSettings
from depth_ros.tasks.multiview.keyframes import DepthRange, KeyframeWindow, ViewSet
from depth_ros.tasks.multiview.processor import MultiViewOutput, MultiViewProcessor
from depth_ros.tasks.multiview.reconstruction import depth_view
from depth_ros.tasks.multiview.settings import (
    KeyframeSettings,
    MultiViewSettings,
    ReferenceChoice,
    ViewPolicy,
)
from depth_ros.tensors import Progress

LOGGER = logging.getLogger(__name__)
WORKING = ''
LOG_AGAIN_S = 5.0
"""After so long the log says once more why images cannot be keyframes."""
JUMP_REMEDY = 'check the odometry'
END = 0.015
"""Part of the search, in inverse depth, at either end of which depth is not trusted."""

OpenMultiview = Callable[[Progress | None], MultiViewProcessor]
"""Opens the multi-view network; called once, by ``open`` or when the first keyframe comes."""


class KeyframeDepths:
    """Chooses keyframes among posed images and computes their depth.

    Used by the thread of images; with ``in_background`` a thread of its own computes.

    Attributes:
        num_superseded: Keyframes that gave way to a newer one before they were begun.
        trouble: Why the last keyframe has no depth; empty where it has.
        is_refused: Whether that is because the last image cannot be one.
    """

    def __init__(
        self,
        open_processor: OpenMultiview,
        settings: KeyframeDepthSettings,
        *,
        in_background: bool = False,
    ) -> None:
        """Prepare; nothing is opened before the first keyframe, or ``open``."""
        self.settings = settings
        self.num_superseded = 0
        self.trouble = WORKING
        self._open = open_processor
        self._opening = threading.Lock()
        self._processor: MultiViewProcessor | None = None
        self._window: KeyframeWindow[PosedView] = KeyframeWindow(
            keyframe_settings(settings), jump_remedy=JUMP_REMEDY
        )
        self._order = ViewOrder()
        self.is_refused = False
        self._told: dict[str, float] = {}
        self._maps = KeyframeMaps(min_confidence=settings.min_confidence)
        self._camera = b''
        self._num_resets = 0
        self._mailbox: Mailbox[tuple[ViewSet[PosedView], int]] = Mailbox()
        self._thread: threading.Thread | None = None
        if in_background:
            self._thread = threading.Thread(
                target=self._run, name='depth-ros-keyframes', daemon=True
            )
            self._thread.start()

    @property
    def num_maps(self) -> int:
        """Keyframes computed so far."""
        return self._maps.num_added

    @property
    def num_keyframes(self) -> int:
        """Keyframes chosen so far."""
        return self._window.num_keyframes

    @property
    def is_in_background(self) -> bool:
        """Whether images go on while a keyframe is computed."""
        return self._thread is not None

    def open(self, progress: Progress | None = None) -> MultiViewProcessor:
        """Open the network now, unless it is open.

        Args:
            progress: Called with the phase of long work.

        Raises:
            ParameterError: If its weights are made up, for their depth is metres of nothing.
            DepthRosError: If it cannot be opened.
        """
        with self._opening:
            if self._processor is None:
                opened = self._open(progress)
                if opened.is_untrained:
                    opened.close()
                    raise ParameterError(
                        'made-up weights give no metres, got keyframes.weights '
                        f'{self.settings.weights!r}; leave it empty for those that ship, or set '
                        'refine to none'
                    )
                self._processor = opened
            return self._processor

    def describe(self) -> str:
        """Return the network and its engines, or that it is opened once a keyframe comes."""
        if self._processor is None:
            return f'{MultiViewSettings().model} {self.settings.preset}, once poses come'
        return self._processor.describe()

    def see(self, view: PosedView) -> None:
        """Take the next image; a keyframe among them is computed, here or in the background.

        A jump of the pose, or time that goes back, begins anew: the old maps lie elsewhere. So
        does an image that stays the same while the pose moves: the camera is stuck.
        """
        self._notice_camera(view)
        try:
            found = self._added(view)
        except InputError as error:
            self.reset()
            self.trouble, self.is_refused = str(error), True
            self._log(error)
            return
        if self.is_refused:
            # What was wrong with an image before is no reason for this one.
            self.trouble, self.is_refused = WORKING, False
        if found is None:
            return
        if self._thread is None:
            self._compute(found, self._num_resets)
        else:
            self.num_superseded += self._mailbox.put((found, self._num_resets))

    def young(self, stamp_ns: int) -> Sequence[KeyframeMap]:
        """Return the maps that may be used for an image, the newest first."""
        return self._maps.young(stamp_ns, max_age_ns=round(1e9 * self.settings.max_age_s))

    @property
    def range_m(self) -> DepthRange:
        """Where depth is searched."""
        return self.settings.min_depth_m, self.settings.max_depth_m

    def reset(self) -> None:
        """Forget views and maps, the keyframe under way too."""
        self._num_resets += 1
        self._window.reset()
        self._maps.clear()

    def close(self) -> None:
        """Finish the keyframe under way and close the network."""
        self._mailbox.close()
        if self._thread is not None:
            self._thread.join()
        if self._processor is not None:
            self._processor.close()

    def _added(self, view: PosedView) -> ViewSet[PosedView] | None:
        """Offer a view to the window; raises as it does, and as ``ViewOrder`` does."""
        self._order.expect_time(view)
        pose, stamp_ns = view.world_from_camera, view.stamp_ns
        if not self._window.is_wanted(pose, stamp_ns=stamp_ns, depth_range_m=self.range_m):
            return None
        self._order.expect_another_image(view)
        return self._window.keep(view, depth_range_m=self.range_m)

    def _log(self, error: InputError) -> None:
        now = time.monotonic()
        if now - self._told.get(error.reason, -LOG_AGAIN_S) >= LOG_AGAIN_S:
            self._told[error.reason] = now
            LOGGER.warning('keyframes: %s', error)

    def _notice_camera(self, view: PosedView) -> None:
        """Begin anew with another calibration: its views do not go with those before."""
        fingerprint = view.camera.fingerprint()
        if fingerprint != self._camera:
            self.reset()
        self._camera = fingerprint

    def _run(self) -> None:
        while not self._mailbox.is_closed:
            asked = self._mailbox.take()
            if asked is None:
                continue
            try:
                self._compute(*asked)
            except Exception as error:
                self.trouble = f'a keyframe failed unexpectedly: {error!r}'
                LOGGER.exception('a keyframe failed')

    def _compute(self, views: ViewSet[PosedView], num_resets: int) -> None:
        """Compute a keyframe; one of before the last reset lies elsewhere and is dropped."""
        try:
            output = self.open().process(views.frame(self.range_m))
        except DepthRosError as error:
            if str(error) != self.trouble:
                LOGGER.warning('no depth of a keyframe: %s', error)
            self.trouble = str(error)
            return
        self.trouble = WORKING
        if num_resets != self._num_resets:
            return
        view = searched_view(output, views.reference.world_from_camera, self.range_m)
        self._maps.add(view, stamp_ns=views.reference.stamp_ns)


class ViewOrder:
    """What must differ from one view to the next, beyond what a window of keyframes asks for."""

    def __init__(self) -> None:
        """Start without views."""
        self._stamp_ns = -1
        self._keyframe: PosedView | None = None

    def expect_time(self, view: PosedView) -> None:
        """Require stamps; one of 0 may be the first.

        Raises:
            InputError: Reason ``'zero_stamps'``.
        """
        is_zero = view.stamp_ns == self._stamp_ns == 0
        self._stamp_ns = view.stamp_ns
        if is_zero:
            raise InputError(
                'zero_stamps',
                'the stamps of the images are zero, so nobody knows their order and age; let the '
                'camera driver fill header.stamp (in Python: stamp_ns)',
            )

    def expect_another_image(self, view: PosedView) -> None:
        """Require that a view which is to be a keyframe shows another image than the last one.

        Its pose is elsewhere, so pixels that are all the same mean that the camera is stuck.

        Raises:
            InputError: Reason ``'same_image'``.
        """
        last, self._keyframe = self._keyframe, view
        if last is None or not np.array_equal(last.frame.image, view.frame.image):
            return
        if np.array_equal(last.world_from_camera, view.world_from_camera):
            return
        raise InputError(
            'same_image',
            'the image is the same as that of the last keyframe to the last bit, though the pose '
            'has moved: the camera is stuck, covered, or its driver repeats an image; check '
            'the camera, keyframes start afresh',
        )


def searched_view(
    output: MultiViewOutput, world_from_camera: np.ndarray, range_m: DepthRange
) -> DepthView:
    """Return a map as ``KeyframeMaps`` takes it, without depth at the ends of the search.

    There lies what is really nearer or farther, and what fits nowhere.
    """
    view = depth_view(output, world_from_camera)
    near, far = range_m
    margin = END * (1.0 / near - 1.0 / far)
    with np.errstate(invalid='ignore', divide='ignore'):
        place = 1.0 / view.depth
        is_within = (place < 1.0 / near - margin) & (place > 1.0 / far + margin)
    confidence = np.where(is_within, view.confidence, np.float32(0))
    return replace(view, confidence=confidence)


def keyframe_settings(settings: KeyframeDepthSettings) -> KeyframeSettings:
    """Return how keyframes are chosen: the newest is the reference, for it is needed now."""
    return KeyframeSettings(
        reference=ReferenceChoice.NEWEST,
        policy=ViewPolicy(min_baseline_ratio=settings.min_baseline_ratio),
    )
