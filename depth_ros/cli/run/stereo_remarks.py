"""What ``depth-ros run stereo`` remarks on a pair: useful limits, tiny images."""

from __future__ import annotations

from depth_ros.frames import UsefulPart
from depth_ros.tasks.stereo.settings import StereoSettings

LEAST_SIDE_PX = 64
"""Networks see hardly anything in images of a shorter side, which they must enlarge."""


def limits_remark(useful: UsefulPart, settings: StereoSettings) -> str:
    """Return what the calibration calls useful, where that is heeded, and how to keep all else."""
    parts = list(useful.describe())
    if not (parts and settings.calibrated_limits):
        return ''
    return (
        f'useful by the calibration: {", ".join(parts)}; all else is unknown or too near '
        '(--no-calibrated-limits keeps it)'
    )


def size_remark(name: str, shape: tuple[int, ...], *, is_network: bool) -> str:
    """Return a sentence for images ``(height, width)`` too small for a network, else nothing."""
    if not is_network or min(shape) >= LEAST_SIDE_PX:
        return ''
    return (
        f'{name} is {shape[1]}x{shape[0]}, below {LEAST_SIDE_PX} px a side: the network enlarges '
        'it, and its disparity means little; give larger images, or add --model sgbm'
    )
