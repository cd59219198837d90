"""A camera that walks through the rendered room, and a network that sees the exact depth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.frames import MultiViewFrame
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.solids import View, render, room
from depth_ros.tasks.multiview.checks import check_frame
from depth_ros.tasks.multiview.processor import MultiViewOutput, MultiViewWanted
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Identity

HEIGHT, WIDTH, FX = 120, 160, 100.0
CAMERA = ideal_camera(
    fx=FX, fy=FX, cx=(WIDTH - 1) / 2, cy=(HEIGHT - 1) / 2, height=HEIGHT, width=WIDTH
)
START_NS = 1_000_000_000_000
SPEED_M_S = 0.8
SCENE = room()


def pose_at(stamp_ns: int) -> np.ndarray:
    """Walk to the right and turn a little to the left, back and forth every two seconds."""
    phase = np.pi * (stamp_ns - START_NS) / 1e9
    x = SPEED_M_S / np.pi * np.sin(phase)
    turn = rotation_from_vector(np.array([0.0, -0.3 * x, 0.0]))
    return rigid(turn, np.array([x, 0.02 * np.sin(2 * phase), 0.0]))


@lru_cache(64)
def view_at(stamp_ns: int) -> View:
    return render(SCENE, CAMERA, world_from_camera=pose_at(stamp_ns))


class TruthProcessor:
    """Gives the exact depth of the reference, whatever the sources."""

    is_untrained = False

    def __init__(self, settings: MultiViewSettings) -> None:
        self.settings = settings
        self.identity = Identity(model='mvsnet', engine='truth', precision='f32', size='120x160')

    def describe(self) -> str:
        return 'mvsnet: exact depth'

    def check_settings(self, settings: MultiViewSettings) -> None:
        pass

    def set_settings(self, settings: MultiViewSettings) -> None:
        self.settings = settings

    def process(
        self, frame: MultiViewFrame, *, wanted: MultiViewWanted | None = None
    ) -> MultiViewOutput:
        check_frame(frame, min_overlap=self.settings.min_overlap)
        depth = self.depth_of(frame)
        is_searched = (depth >= frame.depth_min_m) & (depth <= frame.depth_max_m)
        depth = np.where(is_searched, depth, np.float32(np.nan))
        result = DepthResult(
            depth=depth,
            camera=CAMERA,
            stamp_ns=frame.reference.stamp_ns,
            scale=DepthScale.METRIC,
            confidence=np.isfinite(depth).astype(np.float32),
        )
        return MultiViewOutput(frame=frame, depth=result, stages_s={'infer': 0.0})

    def depth_of(self, frame: MultiViewFrame) -> np.ndarray:
        return view_at(frame.reference.stamp_ns).depth

    def close(self) -> None:
        pass


def open_truth(settings: MultiViewSettings, *, progress: object = None) -> TruthProcessor:
    return TruthProcessor(settings)
