"""Images of a bag without their calibration, as a recording of a calibration board has them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.bag_reader import messages_of, open_bag
from depth_ros.files.bag_topics import BagTopic, printable
from depth_ros.messages.headers import HeaderMessage, stamp_ns
from depth_ros.messages.images import AnyImageMessage, decode_any_image
from depth_ros.streams.synchronize import Side, StereoSynchronizer

LOGGER = logging.getLogger(__name__)
QUEUE_SIZE = 30


class _StampedMessage(Protocol):
    header: HeaderMessage


def read_bag_images(
    path: Path, topics: Sequence[BagTopic], *, max_stamp_difference_s: float = 0.01
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Read images of one or two topics; those that cannot be decoded are named in the log.

    Args:
        path: Bag folder, or one storage file.
        topics: One image topic, or left and right, which are paired by stamp.
        max_stamp_difference_s: Largest difference of the stamps of a pair.

    Returns:
        Stamps in ns and one or two ``(H, W, 3)`` uint8 RGB images.

    Raises:
        InputError: If the bag cannot be read.
    """
    pairing = StereoSynchronizer[np.ndarray](round(max_stamp_difference_s * 1e9), QUEUE_SIZE)
    sides = dict(zip([topic.name for topic in topics], Side, strict=False))
    with open_bag(path) as reader:
        for name, message in messages_of(reader, list(sides), path):
            try:
                image = decode_any_image(cast(AnyImageMessage, message))
            except InputError as error:
                LOGGER.warning('%s: %s', printable(name), error)
                continue
            at_ns = stamp_ns(cast(_StampedMessage, message).header.stamp)
            if len(topics) == 1:
                yield at_ns, [image]
                continue
            for pair in pairing.add(sides[name], at_ns, image):
                yield pair.left_stamp_ns, [pair.left, pair.right]
