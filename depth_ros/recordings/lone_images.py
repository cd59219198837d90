"""Why an image of a rig has no partner, decided by what lies near it alone."""

from __future__ import annotations

from depth_ros.recordings.ledger import AT_END, LedgerLine, line_of
from depth_ros.recordings.pairing import StampedMessage, nearest_stamp, recorded_near
from depth_ros.recordings.stretch import Stretch

BEYOND = 'the {other} images of the recording begin after it or end before it'
ABSENT = 'no {other} image was recorded within segments.overlap_s of it'
APART = (
    'no {other} image of this moment was recorded near it (nearest {nearest_ms:.3f} ms away, '
    '{limit_ms:g} ms allowed): if none was lost, trigger the cameras together, or raise '
    'input.max_stamp_difference_s'
)
TAKEN = (
    'the {other} image that is nearest to it ({nearest_ms:.3f} ms) has a nearer one; set both '
    'cameras to one rate'
)
REPEATED = (
    'stamp {stamp_ns} ns of {topic} came before near it, and only the first image of a stamp is '
    'paired; publish each image once, with a stamp of its own'
)


def lone_image(
    stretch: Stretch,
    image: StampedMessage,
    *,
    side: str,
    other: str,
    other_topic: str,
    limit_ns: int,
) -> LedgerLine:
    """Return the line of an image without a partner.

    Args:
        stretch: Where it lies.
        image: The image.
        side: Its camera, ``'left'`` or ``'right'``.
        other: The other camera.
        other_topic: Topic of the other camera.
        limit_ns: Largest difference of the stamps of a pair.
    """
    if _is_repeated(stretch, image):
        text = REPEATED.format(stamp_ns=image.stamp_ns, topic=image.topic)
        return line_of(image, 'repeated_stamp', text)
    if stretch.is_beyond(image, other_topic):
        return line_of(image, AT_END, BEYOND.format(other=other))
    near = recorded_near(stretch.images[other_topic], image, stretch.overlap_ns)
    return line_of(image, f'no_partner_{side}', _why_lone(image, near, other, limit_ns))


def _is_repeated(stretch: Stretch, image: StampedMessage) -> bool:
    return any(
        one.stamp_ns == image.stamp_ns and one.position < image.position
        for one in recorded_near(stretch.images[image.topic], image, stretch.overlap_ns)
    )


def _why_lone(
    image: StampedMessage, others: list[StampedMessage], other: str, limit_ns: int
) -> str:
    if not others:
        return ABSENT.format(other=other)
    nearest_ns = abs(nearest_stamp(others, image).stamp_ns - image.stamp_ns)
    text = APART if nearest_ns > limit_ns else TAKEN
    return text.format(other=other, limit_ms=limit_ns * 1e-6, nearest_ms=nearest_ns * 1e-6)
