"""Matching end to end without ROS: two images in, point pairs in their own pixels out.

The service, the odometry and ``depth-ros run match`` all run this, so their results are
equal. Every model gives the same ``MatchResult``; what the confidence means depends on the model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ParameterError
from depth_ros.frames import ImagePair
from depth_ros.geometry.content import within_content
from depth_ros.geometry.two_view import TwoViewSettings, estimate_two_view
from depth_ros.models.registry import model_entry, renaming_of
from depth_ros.results import MatchResult
from depth_ros.tasks.call import Camera, mono_frame, rgb_image
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.matching.question import MatchAnswer, MatchQuestion, TicketT
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.networks import open_model
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.processor import Processor
from depth_ros.tensors import Progress, Task

MatchPipeline = Pipeline[ImagePair, MatchResult]
Masks = tuple['np.ndarray | None', 'np.ndarray | None']


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchOutput:
    """One pair's matches.

    Attributes:
        result: Matches in pixels of the original images, most confident first.
        num_found: How many there were before ``max_matches`` cut them.
        stages_s: Wall seconds by stage: ``preprocess``, ``infer``, ``postprocess``.
    """

    result: MatchResult
    num_found: int
    stages_s: Mapping[str, float]


class Matcher(Processor[MatchSettings]):
    """A pipeline with thresholds; one worker thread owns it."""

    opener = 'open_matcher'
    needs_another = (
        'model, variant, engine and size need a new matcher: call open_matcher(settings)'
    )

    def check_settings(self, settings: MatchSettings) -> None:
        """Raise ParameterError if the model has no such variant."""
        _checked(settings)

    def __call__(
        self,
        first: np.ndarray,
        second: np.ndarray,
        *,
        first_camera: Camera | None = None,
        second_camera: Camera | None = None,
        first_mask: np.ndarray | None = None,
        second_mask: np.ndarray | None = None,
    ) -> MatchAnswer[None]:
        """Match two images; return the matches, which of them are inliers, and the geometry.

        Args:
            first: ``(H, W, 3)`` uint8 RGB.
            second: As ``first``; its size may differ.
            first_camera: As ``read_camera`` gives it. With both cameras there is a relative pose.
            second_camera: As ``first_camera``.
            first_mask: ``(H, W)`` bool, True where matches are wanted; None for everywhere.
            second_mask: As ``first_mask``.

        Raises:
            InputError: If an image, a mask or a camera cannot be used.
            EngineError: If the runtime fails.
        """
        pair = ImagePair(
            first=rgb_image(first, what='first image'),
            second=rgb_image(second, what='second image'),
            first_mask=first_mask,
            second_mask=second_mask,
        )
        return self.process(
            MatchQuestion(
                pair=pair,
                first_camera=_camera_of(first, first_camera),
                second_camera=_camera_of(second, second_camera),
                ticket=None,
            )
        )

    def process(
        self, question: MatchQuestion[TicketT], *, wanted: object = None
    ) -> MatchAnswer[TicketT]:
        """Match a pair; return the matches, which of them are inliers, and the geometry.

        Args:
            question: What to match.
            wanted: Not read: everything is always wanted.

        Raises:
            ImageError: If an image or a mask cannot be used.
            ParameterError: If a limit is refused.
            EngineError: If the runtime fails.
        """
        output = self.match(
            question.pair,
            max_matches=question.max_matches,
            min_confidence=question.min_confidence,
        )
        started = time.perf_counter()
        has_cameras = question.first_camera is not None and question.second_camera is not None
        geometry = estimate_two_view(
            output.result,
            first_camera=question.first_camera if has_cameras else None,
            second_camera=question.second_camera if has_cameras else None,
            settings=TwoViewSettings(threshold_px=self.settings.inlier_threshold_px),
        )
        stages = {**output.stages_s, 'geometry': time.perf_counter() - started}
        return MatchAnswer(
            question=question,
            result=output.result,
            geometry=geometry,
            num_found=output.num_found,
            model=self.settings.model,
            stages_s=MappingProxyType(stages),
        )

    def match(
        self,
        pair: ImagePair,
        *,
        masks: Masks = (None, None),
        max_matches: int | None = None,
        min_confidence: float | None = None,
    ) -> MatchOutput:
        """Match one pair.

        Args:
            pair: Two ``(H, W, 3)`` uint8 RGB images; sizes may differ.
            masks: ``(H, W)`` bool each, True where matches are wanted; None leaves the pair's.
            max_matches: Instead of the settings' value.
            min_confidence: Instead of the settings' value.

        Raises:
            ImageError: If an image or a mask cannot be used.
            ParameterError: If a limit is refused.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        settings = self._with_limits(max_matches, min_confidence)
        first, second = masks
        first = within_content(pair.first, pair.first_mask if first is None else first)
        second = within_content(pair.second, pair.second_mask if second is None else second)
        if first is not None or second is not None:
            pair = replace(pair, first_mask=first, second_mask=second)
        timed = self.pipeline.run(pair)
        start = time.perf_counter()
        result, num_found = _limited(timed.result, settings)
        stages = dict(timed.stages_s)
        stages['postprocess'] += time.perf_counter() - start
        return MatchOutput(result=result, num_found=num_found, stages_s=MappingProxyType(stages))

    def _with_limits(self, max_matches: int | None, min_confidence: float | None) -> MatchSettings:
        given = self.settings
        if max_matches is not None:
            given = replace(given, max_matches=max_matches)
        if min_confidence is not None:
            given = replace(given, min_confidence=max(min_confidence, -1.0))
        return given


def _camera_of(image: np.ndarray, camera: Camera | None) -> PinholeCamera | None:
    return None if camera is None else mono_frame(image, camera).camera


def open_matcher(
    settings: MatchSettings | None = None, *, progress: Progress | None = None, **given: object
) -> Matcher:
    """Open a matcher and its engines.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        given: Settings by name, in place of those of ``settings``.

    Raises:
        ParameterError: If the model or a setting is unknown.
        WeightsError: If the model needs weights and none are available; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = _checked(settings_given(settings or MatchSettings(), given))
    opened = open_model(
        Task.MATCHING,
        settings,
        options={'variant': settings.variant, 'matches': settings.engine_matches},
        progress=progress,
    )
    return Matcher(opened.pipeline, settings)


def _limited(result: MatchResult, settings: MatchSettings) -> tuple[MatchResult, int]:
    """Drop unsure matches, then the weakest beyond ``max_matches``; also count the sure ones."""
    threshold = settings.min_confidence
    if threshold < 0:
        threshold = settings.default_min_confidence
    num_found = int(np.count_nonzero(result.confidence > threshold))
    kept = slice(0, min(num_found, settings.max_matches or num_found))
    limited = MatchResult(
        points_first=result.points_first[kept],
        points_second=result.points_second[kept],
        confidence=result.confidence[kept],
    )
    return limited, num_found


def _checked(settings: MatchSettings) -> MatchSettings:
    renaming = renaming_of(f'{settings.model}/{settings.variant}')
    if renaming:
        raise ParameterError(f'{renaming} and leave variant out')
    _expect_variants(settings)
    return settings


def _expect_variants(settings: MatchSettings) -> None:
    """Refuse a variant of a network that has none; classical matchers are not asked."""
    entry = model_entry(settings.model, Task.MATCHING)
    has_variants = entry.signature is not None and entry.signature.needs_variant
    if settings.variant and entry.needs_weights and not has_variants:
        raise ParameterError(
            f'model {entry.name!r} has no variants, got variant {settings.variant!r}; leave it out'
        )
