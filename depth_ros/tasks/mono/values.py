"""What is asked of an image of one camera, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from depth_ros.frames import MonoFrame
from depth_ros.results import DepthResult, known_share
from depth_ros.tasks.mono.refine import RefinedDepth
from depth_ros.tasks.mono.scale import Scaled


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoWanted:
    """Which outputs are wanted beyond relative depth; nothing else is computed."""

    depth: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoOutput:
    """One frame's results.

    Attributes:
        frame: The rectified image and its camera.
        relative: Depth up to a factor, as the model gives it; NaN unknown.
        scaled: Result of scaling; None where metric depth was not wanted.
        depth: Metric depth; None if it was not wanted or its scale is not known.
        refined: What keyframes gave, whose ``depth`` the metric depth then is; None without them.
        source: ``(H, W)`` uint8, ``DepthSource`` of every pixel of ``depth``; None without it.
        refusal: Why keyframes gave nothing, as (reason, sentence); None where they did or were
            not wanted.
        has_network: Whether there is a mono network; without one ``relative`` is all NaN.
        is_untrained: Whether the mono network's weights are made up, so that ``relative`` means
            nothing; metres are never made of it.
        stages_s: Wall seconds by stage: ``rectify``, ``preprocess``, ``infer``,
            ``postprocess``, ``scale``.
    """

    frame: MonoFrame
    relative: DepthResult
    scaled: Scaled | None
    depth: DepthResult | None
    is_untrained: bool
    stages_s: Mapping[str, float]
    refined: RefinedDepth | None = None
    source: np.ndarray | None = None
    refusal: tuple[str, str] | None = None
    has_network: bool = True

    @property
    def is_shown_untrained(self) -> bool:
        """Whether the best depth there is comes of made-up weights: no keyframe gave metres."""
        return self.is_untrained and self.refined is None

    @property
    def reason(self) -> str:
        """Why there are no metres, of keyframes and of the scale; empty where there are."""
        if self.depth is not None:
            return ''
        refusal = self.refusal[1] if self.refusal else ''
        scale = self.scaled.reason if self.scaled else ''
        return '; '.join(dict.fromkeys(filter(None, (refusal, scale))))

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose depth is known: the refined one, else the relative one."""
        return known_share((self.refined.depth if self.refined else self.relative).depth)
