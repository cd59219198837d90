"""Rectified pairs with depth on demand: by a processor of its own, or by one that is lent."""

from __future__ import annotations

import logging
from contextlib import suppress

import numpy as np

from depth_ros.errors import EngineError
from depth_ros.frames import StereoFrame
from depth_ros.results import DepthResult
from depth_ros.tasks.odometry.values import OdometryFrame
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted
from depth_ros.tasks.stereo.shared import SharedStereoProcessor, StereoLender

LOGGER = logging.getLogger(__name__)


class KeyframeDepth:
    """Prepares pairs for tracking; disparity is computed only if a frame becomes a keyframe."""

    def __init__(self, own: StereoProcessor, lender: StereoLender | None = None) -> None:
        """Remember both; neither is closed here.

        Args:
            own: Runs where nothing is lent.
            lender: May lend a processor that sees the same pairs; its results are taken as they
                are, with its settings.
        """
        self._own = own
        self._lender = lender
        self._told: str | None = None

    def prepared(self, frame: StereoFrame) -> OdometryFrame:
        """Rectify a pair, and attach the function that computes its depth.

        Raises:
            InputError: If the pair or its calibration cannot be used.
        """
        lent = self._lender.lent_for(frame) if self._lender else None
        pair = (lent or self._own).rectify(frame)

        def depth() -> DepthResult | None:
            lent_depth = self._lent_depth(lent, frame) if lent else None
            if lent_depth is not None:
                return lent_depth
            if self._lender is not None:
                self._tell(f'its own {self._own.settings.model}; no stereo node of this rig runs')
            return self._own.process_rectified(
                pair.images, wanted=Wanted(depth=True), covered=pair.covered
            ).depth

        return OdometryFrame(
            image=np.ascontiguousarray(pair.images.left),
            camera=pair.images.camera.left,
            stamp_ns=frame.stamp_ns,
            depth=depth,
        )

    def _lent_depth(self, lent: SharedStereoProcessor, frame: StereoFrame) -> DepthResult | None:
        """Return the lender's depth; None if it was closed or lost meanwhile, which it tells."""
        with suppress(EngineError):
            depth = lent.output_of(frame).depth
            self._tell(f'the stereo node of this process ({lent.settings.model})')
            return depth
        return None

    def _tell(self, source: str) -> None:
        """Log where depth comes from, whenever that changes."""
        if source != self._told:
            self._told = source
            LOGGER.info('depth of keyframes comes from %s', source)
