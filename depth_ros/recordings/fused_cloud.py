"""One coloured cloud of a recording: its depth maps and poses fused at the end, from its bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.errors import InputError
from depth_ros.files.cloud import ply_bytes
from depth_ros.geometry.consistency import DepthView
from depth_ros.recordings.depth_encodings import metres
from depth_ros.recordings.places import join, remove, write_whole
from depth_ros.recordings.result_frames import Record, ResultFrame, result_frames
from depth_ros.recordings.result_settings import FusedCloudSettings
from depth_ros.streams.pose_track import PoseTrack
from depth_ros.tasks.multiview.fusion import DepthFusion

MAX_GAP_NS = 250_000_000
DEPTH = ('/depth/image', '/depth/image/compressedDepth')
CAMERA, COLOUR, CONFIDENCE = '/depth/camera_info', '/rectified/image', '/confidence'
POSES = ('/odometry', '/pose')
"""Endings of the topics that fusion takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FusedCounts:
    """What a cloud was made of.

    Attributes:
        maps: Depth maps in it.
        without_pose: Depth maps that nobody placed.
        points: Points in it.
    """

    maps: int
    without_pose: int
    points: int


def write_cloud_of(
    settings: FusedCloudSettings, bag: str, out: str, name: str
) -> FusedCounts | None:
    """Write the cloud of a result, if it is asked for; delete one that is not.

    Raises:
        InputError: If the result has no depth with colour and calibration, or no poses.
        DepthRosError: If the disk is full.
    """
    target = join(out, f'{name}.ply')
    remove(target)
    if not settings.cloud:
        return None
    track = _track(bag)
    if not len(track):
        raise InputError(
            'no_pose',
            f'{bag} has no poses to fuse its depth by; add odometry to the tasks of the job, or '
            'set fusion.cloud to false',
        )
    fusion, without_pose = DepthFusion(settings.fusion), 0
    for frame, view in _views(bag):
        try:
            pose = track.at(frame.stamp_ns)
        except InputError:
            pose = None
        if pose is None:
            without_pose += 1
            continue
        fusion.add(_placed(view, pose))
    if not fusion.num_views:
        raise InputError(
            'no_depth',
            f'{bag} has no depth beside its poses that could be fused; set depth, camera_info and '
            'image to true in the outputs of the task, or fusion.cloud to false',
        )
    write_whole(target, ply_bytes(fusion.map.points, fusion.map.colors))
    return FusedCounts(maps=fusion.num_views, without_pose=without_pose, points=len(fusion.map))


def _track(bag: str) -> PoseTrack:
    track = PoseTrack(max_gap_ns=MAX_GAP_NS, size=10_000_000)
    found: dict[int, np.ndarray] = {}
    for frame in result_frames(bag):
        for ending in POSES:
            record = frame.named(ending)
            if record is not None:
                found[frame.stamp_ns] = np.array(cast(Record, record)['matrix'], np.float64)
    for stamp_ns in sorted(found):
        track.add(stamp_ns, found[stamp_ns])
    return track


def _views(bag: str) -> Iterator[tuple[ResultFrame, DepthView]]:
    """Return the depth of a result with its colour and calibration; its pose is still unknown."""
    for frame in result_frames(bag):
        found = {topic: value for topic, value in frame.values.items() if topic.endswith(DEPTH)}
        camera, colour = frame.named(CAMERA), frame.named(COLOUR)
        if not found or camera is None or not isinstance(colour, np.ndarray):
            continue
        topic, depth = next(iter(found.items()))
        known = _metres(np.asarray(depth), frame.units_m[topic])
        confidence = frame.named(CONFIDENCE)
        yield (
            frame,
            DepthView(
                depth=known,
                confidence=np.ones_like(known) if confidence is None else np.asarray(confidence),
                image=colour,
                camera=_camera(cast(Record, camera), frame.frame_id),
                world_from_camera=np.eye(4),
            ),
        )


def _placed(view: DepthView, pose: np.ndarray) -> DepthView:
    return replace(view, world_from_camera=pose)


def _metres(depth: np.ndarray, unit_m: float) -> np.ndarray:
    """Return ``(H, W)`` float32 metres, NaN where whole units say that nobody knows."""
    return metres(depth, unit_m) if depth.dtype == np.uint16 else depth


def _camera(record: Record, frame_id: str) -> PinholeCamera:
    def numbers(name: str) -> np.ndarray:
        return np.array(record[name], np.float64)

    return camera_from_calibration(
        distortion_model=str(record['distortion_model']),
        height=cast(int, record['height']),
        width=cast(int, record['width']),
        frame_id=frame_id,
        k=numbers('k'),
        d=numbers('d'),
        r=numbers('r'),
        p=numbers('p'),
    )
