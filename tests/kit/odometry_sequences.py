"""Rendered sequences as odometry takes them, made once a run, and what to do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from depth_ros.geometry.rigid import inverse
from depth_ros.scenes.paths import ScenePath, scene_path
from depth_ros.scenes.solids import View
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.tracker import OdometryTracker
from depth_ros.tasks.odometry.values import OdometryFrame, OdometryOutput

SECOND_NS = 1_000_000_000
STEP_NS = SECOND_NS // 10
NUM_KEYPOINTS = {'sift': 1000, 'orb': 0}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shot:
    """A rendered view and its exact pose."""

    view: View
    pose: np.ndarray
    path: ScenePath

    def frame(self, stamp_ns: int, *, depth: bool = True) -> OdometryFrame:
        result = replace(self.path.depth(0, self.view), stamp_ns=stamp_ns)
        return OdometryFrame(
            image=self.view.image,
            camera=self.view.camera,
            stamp_ns=stamp_ns,
            depth=lambda: result if depth else None,
        )


class Shots(Sequence[Shot]):
    """Views of a path, rendered when they are asked for."""

    def __init__(self, path: ScenePath) -> None:
        self.path = path
        self._shots: dict[int, Shot] = {}

    def __len__(self) -> int:
        return len(self.path)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        if number not in self._shots:
            pose = self.path.world_from_camera[number]
            self._shots[number] = Shot(view=self.path.view(number), pose=pose, path=self.path)
        return self._shots[number]


@cache
def shots(name: str, num_frames: int) -> Shots:
    return Shots(scene_path(name, num_frames=num_frames, rate_hz=10.0))


def tracker(model: str = 'orb', **settings: float) -> OdometryTracker:
    matcher = open_matcher(MatchSettings(model=model, max_keypoints=NUM_KEYPOINTS[model]))
    return OdometryTracker(matcher, TrackingSettings(**settings))  # type: ignore[arg-type]


class Drive:
    """Feeds frames at 10 Hz and keeps what comes out."""

    def __init__(self, tracker: OdometryTracker) -> None:
        self.tracker = tracker
        self.stamp_ns = SECOND_NS
        self.outputs: list[OdometryOutput] = []

    def send(self, frame: OdometryFrame) -> OdometryOutput:
        output = self.tracker.process(frame)
        self.outputs.append(output)
        return output

    def shot(self, shot: Shot, *, depth: bool = True) -> OdometryOutput:
        self.stamp_ns += STEP_NS
        return self.send(shot.frame(self.stamp_ns, depth=depth))

    def image(self, shot: Shot, image: np.ndarray) -> OdometryOutput:
        self.stamp_ns += STEP_NS
        return self.send(replace(shot.frame(self.stamp_ns), image=image))

    def all(self, several: Sequence[Shot]) -> list[OdometryOutput]:
        return [self.shot(shot) for shot in several]


def error_m(output: OdometryOutput, shot: Shot, origin: Shot) -> float:
    """Distance of a pose from the truth, both relative to the first keyframe."""
    assert output.pose is not None
    truth = inverse(origin.pose) @ shot.pose
    return float(np.linalg.norm(truth[:3, 3] - output.pose.world_from_camera[:3, 3]))


def errors_m(outputs: Sequence[OdometryOutput], path: Sequence[Shot]) -> list[float]:
    """Distances of all poses but the first frame's, which has none."""
    pairs = zip(outputs[1:], path[1:], strict=True)
    return [error_m(output, shot, path[0]) for output, shot in pairs]
