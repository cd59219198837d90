"""Opens what gives depth of one camera: the mono network, the one of keyframes, or both."""

from __future__ import annotations

import logging

from depth_ros.errors import WeightsError
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.no_network import NoNetwork
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode
from depth_ros.tasks.multiview.processor import MultiViewProcessor, open_multiview
from depth_ros.tasks.networks import OpenedModel, open_model
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Progress, Task

LOGGER = logging.getLogger(__name__)
NO_WEIGHTS = (
    '[no_mono_network] %s has no weights, so depth comes from keyframes of the moving camera '
    'alone, and only where poses come with the images (%s)'
)
WITH_REFINE_AUTO = (
    '%s; or leave refine at auto: the node then starts without them, and metres come from '
    'keyframes of the moving camera where poses come with the images'
)
UNUSED_MODE = (
    '[scale_mode_unused] the scale mode %s is not used, for there is no mono network to scale: '
    'where keyframes know nothing there are no metres; give weights or a model that has them, or '
    'the scale mode none'
)


def open_mono(
    settings: MonoSettings | None = None,
    *,
    progress: Progress | None = None,
    is_live: bool = False,
    **given: object,
) -> MonoProcessor:
    """Open the model and its engines.

    With ``refine`` multiview the default model may be missing: depth then comes from keyframes
    alone, which the log says.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        is_live: Whether images come from a camera: keyframes are computed in a thread of their
            own, and ``refine`` auto does without a mono network too.
        given: Settings by name, in place of those of ``settings``, e.g. ``scale_mode='fixed'``.

    Raises:
        ParameterError: If the model does not serve mono depth, or the scale's settings are
            refused.
        WeightsError: If the model needs weights and none are available; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = settings_given(settings or MonoSettings(), given)
    is_refined = settings.refine is RefineMode.MULTIVIEW
    is_refined |= is_live and settings.refine is RefineMode.AUTO
    opened = _open_network(settings, progress, may_be_missing=is_refined, is_live=is_live)
    keyframes = _open_keyframes(settings, in_background=is_live) if is_refined else None
    try:
        processor = MonoProcessor(
            opened.pipeline, settings, training_rig=opened.training_rig, keyframes=keyframes
        )
        if keyframes is not None and (
            settings.refine is RefineMode.MULTIVIEW or not processor.has_network
        ):
            keyframes.open(progress)
        return processor
    except BaseException:
        opened.pipeline.close()
        if keyframes is not None:
            keyframes.close()
        raise


def _open_network(
    settings: MonoSettings, progress: Progress | None, *, may_be_missing: bool, is_live: bool
) -> OpenedModel:
    """Open the mono network; where it was not named and has no weights, do without."""
    try:
        return open_model(Task.MONO, settings, progress=progress)
    except WeightsError as error:
        is_named = settings.model != MonoSettings().model or bool(settings.engine.weights)
        if is_named or not (may_be_missing or is_live):
            raise
        if not may_be_missing:
            raise WeightsError(WITH_REFINE_AUTO % error) from None
        LOGGER.warning(NO_WEIGHTS, settings.model, error)
        if settings.scale.mode is not ScaleMode.NONE:
            LOGGER.warning(UNUSED_MODE, settings.scale.mode.value)
        return OpenedModel(pipeline=Pipeline(NoNetwork()))


def _open_keyframes(settings: MonoSettings, *, in_background: bool) -> KeyframeDepths:
    chosen = settings.multiview

    def open_processor(progress: Progress | None) -> MultiViewProcessor:
        return open_multiview(chosen, progress=progress)

    return KeyframeDepths(open_processor, settings.keyframes, in_background=in_background)
