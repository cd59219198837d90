"""The mean rendered room, which ``depth_ros/evaluation/mono_priors.py`` holds as numbers.

Draws rooms and viewpoints as the training of multi-view depth does, and prints the mean of the
logarithm of depth over each view's median, 9 rows of 12.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.paths import draw_intrinsics, draw_viewpoint, probe

HEIGHT, WIDTH = 96, 128
ROWS, COLUMNS = 9, 12


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rooms', type=int, default=400)
    rooms = parser.parse_args().rooms
    rng = np.random.default_rng(1)
    total, count = np.zeros((ROWS, COLUMNS)), 0
    while count < rooms:
        room = draw_room(rng, RoomSettings())
        k = draw_intrinsics(rng, height=HEIGHT, width=WIDTH)
        try:
            seen = draw_viewpoint(rng, room, k, height=HEIGHT, width=WIDTH)
        except ParameterError:
            continue
        depth = probe(room, k, seen.camera_from_world, HEIGHT, WIDTH)
        small = cv2.resize(depth, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        total += np.log(small / np.median(small))
        count += 1
    # Rooms are as often seen mirrored.
    mean = total / count
    mean = (mean + mean[:, ::-1]) / 2.0
    for row in mean:
        print(f'    ({", ".join(f"{value:.2f}" for value in row)}),')


if __name__ == '__main__':
    main()
