"""Parameters of the matcher node, imported without ROS; see ``node_parameters``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from depth_ros.models.registry import DEFAULT_MODELS, models_of
from depth_ros.ros.node.frontend_parameters import FrontendParameters
from depth_ros.ros.node.parameter_specs import LARGEST_INTEGER, described
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.tasks.matching.settings import MatchSettings

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class MatcherParameters(FrontendParameters):
    """Every parameter of ``matcher_node``, with its default; described by ``specs()``."""

    model: str = described(
        DEFAULT_MODELS[Task.MATCHING],
        'Matcher. sift and orb need no weights, those of loftr_tiny ship. A '
        'change is prepared in the background and swapped between two requests.',
        choices=models_of(Task.MATCHING),
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
    input: str = described(
        'raw',
        'raw: subscribe to image_raw. rectified: subscribe to image_rect. auto: whichever of the '
        'two has a publisher first. none: to neither; requests then bring both images.',
        choices=('raw', 'rectified', 'auto', 'none'),
        is_read_only=True,
    )
    pair_step: int = described(
        1,
        'The matches topic pairs a frame with the n-th one before it.',
        minimum=1,
        maximum=999,
    )
    recent_frames: int = described(
        30, 'Frames that requests can name by their stamp.', minimum=1, maximum=1000
    )
    recent_megabytes: int = described(
        256, 'Memory these frames may hold.', unit='MB', minimum=1, maximum=65536
    )
    queue_size: int = described(
        8,
        'Requests that may wait; more are answered "busy".',
        minimum=1,
        maximum=1000,
    )
    queue_megabytes: int = described(
        256,
        'Memory that waiting requests may hold; more are answered "busy".',
        unit='MB',
        minimum=1,
        maximum=65536,
    )
    max_wait_s: float = described(
        10.0,
        'A request that waited longer is answered "busy" instead of being worked on; a request '
        'may say less.',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
    )


def matcher_settings(parameters: MatcherParameters) -> MatchSettings:
    """Return what the matcher runs on."""
    from depth_ros.tasks.matching.settings import MatchSettings

    return MatchSettings(
        frontend=parameters.model,
        variant=parameters.variant,
        **parameters.engine_choice,
        max_keypoints=parameters.max_keypoints,
        max_matches=parameters.max_matches,
        min_confidence=parameters.min_confidence,
    )
