"""Why nothing at all is known of a pair, told by the command and by the node."""

from __future__ import annotations

from depth_ros.tasks.stereo.settings import StereoSettings


def nothing_remark(name: str, valid_fraction: object, settings: StereoSettings) -> str:
    """Return why nothing at all is known of a pair, by the settings; nothing where some is.

    Args:
        name: Of the pair.
        valid_fraction: Share of known pixels, 0..1; anything else where it was not computed.
        settings: That it was computed with.
    """
    if valid_fraction != 0.0:
        return ''
    least = settings.min_confidence
    least = settings.own_min_confidence if least < 0.0 else least
    suspects = {
        f'min_confidence {least:g} leaves out what is less sure; 0 keeps all': least > 0.0,
        f'mask {settings.mask} is black everywhere': bool(settings.mask),
        f'valid_region {settings.valid_region!r} shows none of it': bool(settings.valid_region),
        f'useful_depth_m {settings.useful_depth_m!r} holds none of it': bool(
            settings.useful_depth_m
        ),
        'the images are black or without texture, or are no pair': True,
    }
    found = '; or '.join(text for text, is_set in suspects.items() if is_set)
    return f'no pixel of {name} is known: {found}'
