"""The picture of docs/robot.md: ``python -m tests.kit.costmap_picture docs/pictures/costmap.png``.

A rendered room matched by SGBM; obstacles red, ends of free rays blue, from above and from the
side; and the cells that the stand-in for Nav2's obstacle layer makes of them: free white, marked
black, unknown grey.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import CloudSettings, NavigationSettings
from depth_ros.geometry.costmap_clouds import clearing_cloud, marking_cloud
from depth_ros.geometry.free_space import look
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, rigid
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo, room
from depth_ros.tasks.stereo.processor import open_stereo
from tests.kit.costmap import FREE, LETHAL, ObstacleLayer
from tests.kit.robot_view import SOURCES

HEIGHT_M = 1.1
"""Of the camera above the room's floor."""

AHEAD_M, WIDE_M, HIGH_M = 6.0, 6.0, 2.6
PIXELS_PER_M = 80
RED, BLUE, PAPER = (200, 40, 40), (90, 150, 220), (255, 255, 255)


def main() -> int:
    """Write the picture."""
    rgb, marking, clearing = clouds()
    origin = np.array([1e-3, 0.0, HEIGHT_M])
    layer = ObstacleLayer(
        SOURCES, size_m=AHEAD_M, origin=(0.0, -WIDE_M / 2), track_unknown_space=True
    )
    layer.observe('obstacles', marking, origin)
    layer.observe('clearing', clearing, origin)
    both = ((clearing, BLUE), (marking, RED))
    above = drawn(both, lambda p: (p[:, 1] + WIDE_M / 2, p[:, 0]), (WIDE_M, AHEAD_M))
    side = drawn(both, lambda p: (p[:, 0], p[:, 2]), (AHEAD_M, HIGH_M))
    picture = joined(rgb, side, np.ascontiguousarray(above[:, ::-1]), cells(layer.update()))
    cv2.imwrite(sys.argv[1], np.ascontiguousarray(picture[..., ::-1]))
    return 0


def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the left image and both clouds in the robot's frame."""
    rig = ideal_stereo_camera()
    frame = render_stereo(room(), rig).frame()
    with open_stereo(model='sgbm', speckle_size_px=200) as stereo:
        depth = stereo.process_rectified(frame).depth
    assert depth is not None
    cloud, settings = CloudSettings(), NavigationSettings()
    kept = without_outliers(
        without_flying_pixels(depth.depth, max_step=cloud.max_edge_step),
        min_neighbors=settings.outlier_neighbors,
        num_sigmas=cloud.outlier_sigma,
    )
    mount = rigid(BODY_FROM_OPTICAL[:3, :3], np.array([0.0, 0.0, HEIGHT_M]))
    sight = look(kept, depth.camera, mount, settings)
    step = settings.stride
    marking, _ = marking_cloud(sight, frame.left[::step, ::step], settings)
    clearing = clearing_cloud(sight, settings)
    placed = [points @ mount[:3, :3].T + mount[:3, 3] for points in (marking, clearing)]
    return frame.left, placed[0], placed[1]


def drawn(
    both: Sequence[tuple[np.ndarray, tuple[int, int, int]]],
    place: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    size_m: tuple[float, float],
) -> np.ndarray:
    """Draw points of two colours on paper; the second place is upwards."""
    width, height = (round(length * PIXELS_PER_M) for length in size_m)
    paper = np.full((height, width, 3), PAPER, np.uint8)
    for points, color in both:
        x, y = (np.asarray(value * PIXELS_PER_M).astype(int) for value in place(points))
        shown = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        paper[height - 1 - y[shown], x[shown]] = color
    return paper


def cells(costs: np.ndarray) -> np.ndarray:
    """Draw a costmap with the robot at the bottom, looking up."""
    grey = np.full(costs.shape, 170, np.uint8)
    grey[costs == FREE], grey[costs == LETHAL] = 255, 0
    turned = np.ascontiguousarray(grey.T[::-1, ::-1])
    side = round(AHEAD_M * PIXELS_PER_M)
    return cv2.cvtColor(
        cv2.resize(turned, (side, side), interpolation=cv2.INTER_NEAREST), cv2.COLOR_GRAY2RGB
    )


def joined(
    image: np.ndarray, side: np.ndarray, above: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Put image and side view below each other, and beside them the view from above and cells."""
    height = above.shape[0]
    wide = side.shape[1]
    shown = height - side.shape[0]
    small = cv2.resize(image, (round(shown * image.shape[1] / image.shape[0]), shown))
    left = np.full((height, wide, 3), PAPER, np.uint8)
    left[:shown, : small.shape[1]] = small[:, :wide]
    left[shown:] = side
    bar = np.full((height, 8, 3), 90, np.uint8)
    return np.hstack([left, bar, above, bar, costs])


if __name__ == '__main__':
    sys.exit(main())
