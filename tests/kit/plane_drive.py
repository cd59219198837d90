"""Recordings of a rectified rig in front of planes: the depth of every frame is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.files.calibration_writer import write_ros_yaml
from tests.kit import message_doubles
from tests.kit.bag_writer import Recorded, info, raw, stamp

HEIGHT, WIDTH = 64, 128
FOCAL_PX, BASELINE_M = 100.0, 0.1
FRAME_ID = 'rig_left_optical'
CHUNK_BYTES = 60_000
"""Two pairs and a bit: chunks begin in the middle of pairs."""


def depth_of(disparity_px: int) -> float:
    """Z = f b / d."""
    return FOCAL_PX * BASELINE_M / disparity_px


def disparity_at(index: int) -> int:
    return 4 + index % 8


def cameras() -> tuple[PinholeCamera, PinholeCamera]:
    made = []
    for offset in (0.0, -FOCAL_PX * BASELINE_M):
        camera = ideal_camera(
            fx=FOCAL_PX,
            fy=FOCAL_PX,
            cx=WIDTH / 2,
            cy=HEIGHT / 2,
            height=HEIGHT,
            width=WIDTH,
        )
        p = camera.p.copy()
        p[0, 3] = offset
        made.append(
            PinholeCamera(
                k=camera.k,
                d=camera.d,
                distortion_model=camera.distortion_model,
                r=camera.r,
                p=p,
                height=HEIGHT,
                width=WIDTH,
                frame_id=FRAME_ID,
            )
        )
    return made[0], made[1]


def write_rig(folder: Path, rig: Sequence[PinholeCamera]) -> None:
    """Write left and right as calibration files of ROS."""
    folder.mkdir(exist_ok=True)
    for side, camera in zip(('left', 'right'), rig, strict=True):
        write_ros_yaml(folder / f'{side}.yaml', camera, name=side)


def pair_at(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right image of a textured plane; textures differ from frame to frame."""
    texture = np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH + 32, 3), np.uint8)
    disparity = disparity_at(index)
    return (
        np.ascontiguousarray(texture[:, :WIDTH]),
        np.ascontiguousarray(texture[:, disparity : disparity + WIDTH]),
    )


@dataclass
class Drive:
    """What a recording holds, changed before it is written.

    Attributes:
        num_frames: Pairs.
        has_infos: Whether calibration comes with every image; otherwise once, at the beginning.
        without: (side, number) of images that are left out.
        changes: Changes a message by (side, number).
    """

    num_frames: int = 8
    has_infos: bool = True
    without: Sequence[tuple[str, int]] = ()
    changes: dict[tuple[str, int], Callable[[SimpleNamespace], None]] = field(default_factory=dict)

    def messages(self) -> list[Recorded]:
        rig = dict(zip(('left', 'right'), cameras(), strict=True))
        recorded: list[Recorded] = []
        for index in range(self.num_frames):
            images = dict(zip(('left', 'right'), pair_at(index), strict=True))
            for side, camera in rig.items():
                if self.has_infos or index == 0:
                    recorded.append((f'/{side}/camera_info', info(camera, stamp_ns=stamp(index))))
            for side, image in images.items():
                message = raw(image, stamp_ns=stamp(index))
                message.header.frame_id = FRAME_ID
                if (side, index) in self.changes:
                    self.changes[side, index](message)
                if (side, index) not in self.without:
                    recorded.append((f'/{side}/image_rect', message))
            recorded.append(('/imu_info', info(rig['left'], stamp_ns=stamp(index))))
        return recorded

    def write(self, path: Path) -> Path:
        return write_mcap(path, self.messages())


def write_mcap(
    path: Path, recorded: Sequence[Recorded], *, compression: str = 'ZSTD', first: int = 0
) -> Path:
    """Write messages 10 ms apart by mcap's own writer; ``first`` were written before."""
    writer_module = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    store = message_doubles.typestore()
    with path.open('wb') as file:
        writer = writer_module.Writer(
            file,
            chunk_size=CHUNK_BYTES,
            compression=getattr(writer_module.CompressionType, compression),
        )
        writer.start(profile='ros2', library='test')
        channels: dict[str, int] = {}
        for topic, message in recorded:
            if topic not in channels:
                text, _ = store.generate_msgdef(message.type, ros_version=2)
                schema = writer.register_schema(message.type, 'ros2msg', text.encode())
                channels[topic] = writer.register_channel(topic, 'cdr', schema)
        for index, (topic, message) in enumerate(recorded):
            data = message_doubles.serialized(message, message.type, store)
            time_ns = stamp(0) + (first + index) * 10_000_000
            writer.add_message(channels[topic], time_ns, bytes(data), time_ns + 5)
        writer.finish()
    return path
