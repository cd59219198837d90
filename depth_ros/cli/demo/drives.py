"""The demos of a camera that moves: multi-view, matching, odometry on the driving sample rig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.processes import DemoSettings, Parameters
from depth_ros.cli.demo.report import DemoTask
from depth_ros.pictures.panels import depth_panel
from depth_ros.pictures.trajectories import plot

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen

BASE_FROM_CAMERA = '0 0 0 -0.5 0.5 -0.5 0.5'
"""The sample rig looks forward from the base itself."""
LEFT = {'image_raw': 'left/image_raw', 'camera_info': 'left/camera_info'}
RIG: Parameters = {'source': 'drive'}
ONE_CAMERA: Parameters = {**RIG, 'sides': 'left'}
RENDERED_LINE = 'images:      a rendered room, so that depth and poses are known exactly'


def draw_once() -> None:
    """Draw the sample rig's drive with a message, unless it is cached already."""
    from depth_ros.ros.demo.drive import NUM_FRAMES, open_drive

    def tell(num_drawn: int) -> None:
        if num_drawn % 5 == 1 or num_drawn == NUM_FRAMES:
            print(f'depth_ros demo: drawing a room, once: {num_drawn} of {NUM_FRAMES}', flush=True)

    open_drive('room', progress=tell)


def multiview_demo(settings: DemoSettings) -> DemoTask:
    """Return the task: depth of keyframes and one cloud, from one camera and its poses."""
    from depth_ros.ros.demo.observer import MULTIVIEW_WATCHED

    draw_once()
    return DemoTask(
        node='multiview_node',
        parameters={
            'depth.min_m': 0.5,
            'depth.max_m': 6.0,
            'base_from_camera': BASE_FROM_CAMERA,
            **_chosen(settings),
        },
        remappings={**LEFT, 'odometry': 'ground_truth/odometry'},
        camera=ONE_CAMERA,
        watched=MULTIVIEW_WATCHED,
        rates={
            'camera': 'left/image_raw',
            'keyframe depth': 'depth/image',
            'fused cloud': 'fused/points',
        },
        awaited='depth/image',
        received='received',
        counted=('keyframes', 'fused_maps'),
        picture='multiview.png',
        draw=_multiview_picture,
        images_line=RENDERED_LINE,
    )


def match_demo(settings: DemoSettings) -> DemoTask:
    """Return the task: point pairs between frames of one camera."""
    from depth_ros.ros.demo.observer import MATCH_WATCHED

    draw_once()
    return DemoTask(
        node='matcher_node',
        parameters={'pair_step': 5, **_chosen(settings)},
        remappings=LEFT,
        camera=ONE_CAMERA,
        watched=MATCH_WATCHED,
        rates={'camera': 'left/image_raw', 'matches': 'matches/image'},
        awaited='matches/image',
        received='received',
        counted=('requests', 'answers'),
        valid='matches that hold',
        picture='match.png',
        draw=lambda seen, title: seen.matches,
        images_line=RENDERED_LINE,
    )


def odometry_demo(settings: DemoSettings) -> DemoTask:
    """Return the task: the rig's estimated path beside the true one."""
    from depth_ros.ros.demo.observer import ODOMETRY_WATCHED

    draw_once()
    return DemoTask(
        node='odometry_node',
        parameters={
            'base_frame': 'base_link',
            'base_from_camera': BASE_FROM_CAMERA,
            'publish_tf': False,
            **_chosen(settings),
        },
        camera=RIG,
        watched=ODOMETRY_WATCHED,
        rates={'camera': 'left/image_raw', 'odometry': 'odometry'},
        awaited='odometry',
        received='received_left',
        counted=('state', 'num_keyframes', 'num_lost'),
        valid='matches that hold',
        picture='odometry.png',
        draw=_odometry_picture,
        images_line=RENDERED_LINE,
    )


def _chosen(settings: DemoSettings) -> dict[str, object]:
    given = {'model': settings.model, 'weights': settings.weights}
    return {name: value for name, value in given.items() if value}


def _multiview_picture(seen: Seen, title: str) -> np.ndarray | None:
    if seen.reference is None or seen.depth is None:
        return None
    caption = 'depth of a keyframe, m'
    return depth_panel(image=seen.reference, depth=seen.depth, title=title, caption=caption)


def _odometry_picture(seen: Seen, title: str) -> np.ndarray | None:
    if seen.path is None or seen.true_path is None:
        return None
    return plot({'odometry': _from_above(seen.path), 'truth': _from_above(seen.true_path)})


def _from_above(odom_from_base: np.ndarray) -> np.ndarray:
    """Return poses in the axes that ``plot`` draws: x to the right, z forward."""
    poses = odom_from_base.copy()
    x, y = odom_from_base[:, 0, 3], odom_from_base[:, 1, 3]
    poses[:, 0, 3], poses[:, 2, 3] = -y, x
    return poses
