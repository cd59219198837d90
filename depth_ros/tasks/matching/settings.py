"""Settings of matching; imported without OpenCV and ROS."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.models.registry import model_entry
from depth_ros.settings import LARGEST_INTEGER, described
from depth_ros.tasks.pipeline import NetworkSettings, model_setting
from depth_ros.tensors import Task

MIN_CONFIDENCE = 0.2
"""Threshold of LoFTR's paper; for SIFT and ORB it stands for a ratio of 0.8."""

INLIER_THRESHOLD_PX = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class MatcherSettings(NetworkSettings):
    """Which matcher relates two images."""

    model: str = model_setting(
        Task.MATCHING,
        description='Matcher. sift and orb need no weights, those of loftr_tiny ship.',
        noun='matcher',
        formerly='frontend',
    )
    variant: str = described(
        '',
        'Which official checkpoint the weights of loftr are, e.g. indoor_ds; empty takes '
        'outdoor_ds.',
        opens_engine=True,
    )
    max_keypoints: int = described(
        0,
        'Keypoints of sift and orb in each image; 0 takes their default.',
        minimum=0,
        maximum=100_000,
        opens_engine=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchSettings(MatcherSettings):
    """What to run and how."""

    engine_matches: int = described(
        0,
        "Most matches that LoFTR's graph refines; 0 takes the preset's.",
        minimum=0,
        maximum=LARGEST_INTEGER,
        opens_engine=True,
    )
    max_matches: int = described(
        1024,
        'Best matches to give where a request does not say; 0 gives all.',
        minimum=0,
        maximum=LARGEST_INTEGER,
    )
    min_confidence: float = described(
        -1.0,
        'Matches at or below it are dropped where a request does not say; negative takes the '
        "matcher's own.",
        minimum=-1.0,
        maximum=1.0,
    )

    @property
    def default_min_confidence(self) -> float:
        """Threshold below which matches of this model are doubtful."""
        return self._default('min_confidence', MIN_CONFIDENCE)

    @property
    def inlier_threshold_px(self) -> float:
        """Distance to a model of the scene beyond which a match is no inlier."""
        return self._default('inlier_threshold_px', INLIER_THRESHOLD_PX)

    def _default(self, name: str, usual: float) -> float:
        service = model_entry(self.model, Task.MATCHING).services[Task.MATCHING]
        return service.defaults.get(name, usual)
