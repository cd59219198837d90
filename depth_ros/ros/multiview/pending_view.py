"""A keyframe as the executor sees it: calibration and pose; the worker decodes its image, once."""

from __future__ import annotations

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.geometry.posed_view import PosedView, check_pose
from depth_ros.ros.node.camera_input import ImageMessage, decode_frame


class PendingView:
    """A message with its pose, chosen by where it looks; see ``PlacedView``.

    Attributes:
        camera: Calibration of the image.
        world_from_camera: ``(4, 4)`` float64.
        stamp_ns: Stamp of the image.
        name: Frame of the camera.
    """

    def __init__(
        self,
        message: ImageMessage,
        camera: PinholeCamera,
        *,
        world_from_camera: np.ndarray,
        stamp_ns: int,
        name: str,
        is_rectified: bool,
        low_bits: int = 16,
    ) -> None:
        """Check what can be checked without decoding.

        Raises:
            InputError: If the pose, the calibration or the size of the image cannot be used.
        """
        self.camera = camera
        self.world_from_camera = world_from_camera
        self.stamp_ns = stamp_ns
        self.name = name
        self._message: ImageMessage | None = message
        self._is_rectified = is_rectified
        self._low_bits = low_bits
        self._decoded: PosedView | InputError | None = None
        check_pose(world_from_camera, what=f'the pose of view {name!r}')
        if hasattr(message, 'height'):
            camera.check_image_size(message.height, message.width)

    @property
    def center_m(self) -> np.ndarray:
        """``(3,)`` position of the camera in the world, metres."""
        return np.asarray(self.world_from_camera[:3, 3])

    def decoded(self) -> PosedView:
        """Return the view with its image; only the worker's thread asks.

        Raises:
            InputError: If the image cannot be used, every time it is asked.
        """
        if self._decoded is None and self._message is not None:
            self._decoded, self._message = self._decode(self._message), None
        if isinstance(self._decoded, PosedView):
            return self._decoded
        assert self._decoded is not None
        raise self._decoded

    def _decode(self, message: ImageMessage) -> PosedView | InputError:
        try:
            frame = decode_frame(
                message,
                self.camera,
                stamp_ns=self.stamp_ns,
                is_rectified=self._is_rectified,
                low_bits=self._low_bits,
            )
        except InputError as error:
            return error
        return PosedView(frame=frame, world_from_camera=self.world_from_camera, name=self.name)
