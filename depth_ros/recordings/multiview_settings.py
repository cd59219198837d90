"""Settings of a multi-view task: those of the node that a segment can know."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.settings import nested
from depth_ros.tasks.multiview.settings import SearchSettings, SequenceSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentedViewSettings(SequenceSettings):
    """What to run on the images of a moving camera, and where depth is searched."""

    search: SearchSettings = nested(SearchSettings, prefix='depth.')
