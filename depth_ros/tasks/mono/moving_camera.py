"""What poses add to the images of one camera: points in metres, and depth of keyframes."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.posed_view import PosedView
from depth_ros.results import DepthResult
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.pose_watch import PoseWatch, expect_maps_agree
from depth_ros.tasks.mono.refine import RefinedDepth, refined_depth, working_camera
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode
from depth_ros.tasks.mono.tracked_points import TrackedPoints

LOGGER = logging.getLogger(__name__)
NUM_WATCHED = 120
"""Points that are followed where they say nothing but whether poses are right."""
WATCHED_WIDTH_PX = 320
"""Wider images are followed at a whole fraction of their size, unless a scale needs each pixel."""


class MovingCamera:
    """Follows points and keyframes through posed images; one worker owns it."""

    def __init__(self, settings: MonoSettings, keyframes: KeyframeDepths | None) -> None:
        """Take ownership.

        Args:
            settings: What is wanted.
            keyframes: Their depth; None where ``refine`` is none.
        """
        self.keyframes = keyframes
        self._settings = settings
        self._tracked = self._new_points()
        self._watch = PoseWatch()
        self._disagrees = False
        self._told_range = ''
        self._tell_range()

    def set_settings(self, settings: MonoSettings) -> None:
        """Take over settings that need no other engine."""
        if settings.scale.mode is not self._settings.scale.mode:
            self._settings = settings
            self._tracked = self._new_points()
        self._settings = settings
        self._tell_range()

    def see(self, frame: MonoFrame, world_from_camera: np.ndarray | None) -> DepthResult | None:
        """Follow points into the next image, and notice where poses disagree with them.

        Returns:
            Sparse metric depth where the scale is to come from motion, else None.
        """
        if world_from_camera is None or not (self._is_scaled_by_motion or self.keyframes):
            return None
        points = None
        if self._is_scaled_by_motion:
            seen, points = frame, self._tracked.see(frame, world_from_camera)
        else:
            seen = _small(frame)
            self._tracked.follow(seen, world_from_camera)
        sights = self._tracked.sights
        self._disagrees = self._watch.disagrees(sights, seen.camera, frame.stamp_ns)
        if self._disagrees:
            self._tracked = self._new_points()
            self._tracked.follow(seen, world_from_camera)
        return points

    def expect_agreement(self, stamp_ns: int) -> None:
        """Require poses that explain the images of the last second.

        Raises:
            InputError: Reason ``'pose_mismatch'``.
        """
        self._watch.expect_agreement(stamp_ns)

    def _new_points(self) -> TrackedPoints:
        return TrackedPoints() if self._is_scaled_by_motion else TrackedPoints(NUM_WATCHED)

    @property
    def _is_scaled_by_motion(self) -> bool:
        return self._settings.scale.mode is ScaleMode.MOTION

    def refined(
        self,
        frame: MonoFrame,
        world_from_camera: np.ndarray | None,
        relative: DepthResult | None,
        *,
        has_network: bool = True,
        pose_trouble: InputError | None = None,
    ) -> RefinedDepth:
        """Return metric depth of an image by keyframes, this one perhaps among them.

        Args:
            frame: Rectified image.
            world_from_camera: ``(4, 4)``, metres; None where nobody knows.
            relative: The mono map; None where there is none to be trusted.
            has_network: Whether a mono network gives depth without keyframes.
            pose_trouble: Why nobody knows the pose, where that is known.

        Raises:
            InputError: Why there is none: ``pose_trouble``, or reason ``'no_pose'``,
                ``'no_keyframe'`` or ``'pose_mismatch'``.
        """
        keyframes = self.keyframes
        assert keyframes is not None, 'only asked where keyframes are wanted'
        if world_from_camera is None:
            text = f'{NO_POSE}{WITHOUT_POSES if has_network else ""}'
            raise pose_trouble or InputError('no_pose', text)
        keyframes.see(PosedView(frame=frame, world_from_camera=world_from_camera))
        if self._disagrees:
            keyframes.reset()
        if not keyframes.is_refused:  # which says more
            self.expect_agreement(frame.stamp_ns)
        maps = keyframes.young(frame.stamp_ns)
        expect_maps_agree(maps)
        width = keyframes.settings.max_width_px
        found = refined_depth(frame, world_from_camera, maps, relative, max_width_px=width)
        if found is None:
            raise InputError('no_keyframe', keyframes.trouble or no_keyframe(keyframes, len(maps)))
        return found

    def forget(self) -> None:
        """Forget points, keyframes and what poses were said to be wrong."""
        self._tracked, self._watch, self._disagrees = self._new_points(), PoseWatch(), False
        if self.keyframes is not None:
            self.keyframes.reset()

    def close(self) -> None:
        """Stop computing keyframes."""
        if self.keyframes is not None:
            self.keyframes.close()

    def _tell_range(self) -> None:
        """Warn once of depth that is wanted and that keyframes do not search."""
        text = '' if self.keyframes is None else beyond_search(self._settings)
        if text and text != self._told_range:
            LOGGER.warning(BEYOND_SEARCH, text)
        self._told_range = text


def _small(frame: MonoFrame) -> MonoFrame:
    """Return an image at a size at which points are followed quickly."""
    camera = working_camera(frame.camera, WATCHED_WIDTH_PX)
    if camera is frame.camera:
        return frame
    size = (camera.width, camera.height)
    image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    return replace(frame, image=image, camera=camera)


def beyond_search(settings: MonoSettings) -> str:
    """Return which end of the wanted depth keyframes do not reach, and what to set; or nothing.

    The defaults, 0 and infinite, want nothing in particular.
    """
    own, told = settings.keyframes, []
    if 0.0 < settings.min_depth_m < own.min_depth_m:
        told.append(_beyond('min_depth_m', settings.min_depth_m, own.min_depth_m))
    if own.max_depth_m < settings.max_depth_m < math.inf:
        told.append(_beyond('max_depth_m', settings.max_depth_m, own.max_depth_m))
    return ', and '.join(told)


def _beyond(name: str, wanted_m: float, searched_m: float) -> str:
    return (
        f'{name} is {wanted_m:g} m, keyframes.{name} {searched_m:g} m; set keyframes.{name} to '
        f'{wanted_m:g}'
    )


BEYOND_SEARCH = (
    '[depth_range] keyframes (refine) do not search all the depth that is wanted; what lies '
    'beyond is unknown or wrong: %s'
)
NO_POSE = (
    'no pose for this image, so keyframes (refine) cannot be used; publish odometry or TF '
    '(pose_source), in Python give world_from_camera'
)
WITHOUT_POSES = ', or set refine to none'
"""What else helps where there is a mono network."""


def no_keyframe(keyframes: KeyframeDepths, num_young: int) -> str:
    """Say why keyframes show nothing of an image, and what to do."""
    if num_young:
        return (
            f'the keyframes of the last {keyframes.settings.max_age_s:g} s ({num_young}) show '
            'nothing of this image that is sure: two must agree; move on, and check poses and '
            'calibration'
        )
    chosen = f'chosen {keyframes.num_keyframes}, computed {keyframes.num_maps}'
    none = f'no keyframe of the last {keyframes.settings.max_age_s:g} s has depth ({chosen})'
    behind = keyframes.num_keyframes - keyframes.num_maps
    if keyframes.is_in_background and behind > MAX_BEHIND:
        return f'{none}: {TOO_SLOW}; {MOVE}'
    return f'{none}; {MOVE}{f". If it moves, {TOO_SLOW}" if keyframes.is_in_background else ""}'


MAX_BEHIND = 6
"""More keyframes that were chosen and not computed mean that they are too slow: the first need
sources, and one waits."""
MOVE = 'move the camera sideways or forwards: standing or turning on the spot gives none'
TOO_SLOW = (
    'keyframes are too slow here: move slower, or raise keyframes.max_age_s where nothing else '
    'moves'
)
"""For images that do not wait for keyframes."""
