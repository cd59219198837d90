"""What ``depth-ros run stereo`` remarks on a pair: useful limits, nothing known, tiny images."""

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


def nothing_remark(name: str, valid_fraction: object, settings: StereoSettings) -> str:
    """Return why nothing at all is known of a pair, by the settings; nothing where some is."""
    if valid_fraction != 0.0:
        return ''
    least = settings.min_confidence
    least = settings.own_min_confidence if least < 0.0 else least
    suspects = {
        f'min_confidence {least:g} leaves out what is less sure; --min-confidence 0 keeps all': (
            least > 0.0
        ),
        f'mask {settings.mask} is black everywhere': bool(settings.mask),
        f'valid_region {settings.valid_region!r} shows none of it': bool(settings.valid_region),
        f'useful_depth_m {settings.useful_depth_m!r} holds none of it': bool(
            settings.useful_depth_m
        ),
        'the images are black or without texture, or are no pair': True,
    }
    found = '; or '.join(text for text, is_set in suspects.items() if is_set)
    return f'no pixel of {name} is known: {found}'


def size_remark(name: str, shape: tuple[int, ...], *, is_network: bool) -> str:
    """Return a sentence for images ``(height, width)`` too small for a network, else nothing."""
    if not is_network or min(shape) >= LEAST_SIDE_PX:
        return ''
    return (
        f'{name} is {shape[1]}x{shape[0]}, below {LEAST_SIDE_PX} px a side: the network enlarges '
        'it, and its disparity means little; give larger images, or add --model sgbm'
    )
