"""Parameters of the stereo node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.ros.node.parameters import PairParameters, cloud_stride_setting
from depth_ros.settings import SettingError, described, nested
from depth_ros.tasks.stereo.settings import StereoSettings


@dataclass(frozen=True, kw_only=True)
class StereoParameters(PairParameters):
    """Every parameter of ``stereo_node``, with its default; described by ``specs()``."""

    settings: StereoSettings = nested(StereoSettings)
    input: str = described(
        'raw',
        'raw: subscribe to left/image_raw and right/image_raw and rectify them by camera_info. '
        'rectified: subscribe to left/image_rect and right/image_rect and take them as they are. '
        'auto: whichever of the two topics has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    cloud_stride: int = cloud_stride_setting()
    color_min_disparity_px: float = described(
        0.0, 'Disparity painted blue on disparity/color.', unit='px'
    )
    color_max_disparity_px: float = described(
        0.0,
        "Disparity painted red on disparity/color; 0 takes the matcher's largest.",
        unit='px',
    )

    def check_together(self) -> None:
        """Refuse colours that contradict each other."""
        high = self.color_max_disparity_px
        if high and not self.color_min_disparity_px < high:
            raise SettingError(
                '{color_min_disparity_px} must be below {color_max_disparity_px}, got '
                f'{self.color_min_disparity_px:g} and {high:g}; correct one of them'
            )
