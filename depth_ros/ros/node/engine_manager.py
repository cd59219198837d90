"""Opens processors in the background and swaps them between frames, or refuses the change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, cast

from rclpy.impl.rcutils_logger import RcutilsLogger

from depth_ros.engines.build_monitor import BuildMonitor
from depth_ros.engines.runtime import cpu_engine
from depth_ros.errors import DepthRosError, DeviceLostError, ParameterError
from depth_ros.ros.node.declare import DeclaredParameters
from depth_ros.ros.node.loader import Loaded, ProcessorLoader
from depth_ros.ros.node.parameters import NodeParameters, ParametersT
from depth_ros.ros.node.roles import (
    FrameProcessor,
    FrameT,
    OpenProcessor,
    OutputT,
    WantedT,
)
from depth_ros.ros.node.throttled_warnings import shortened
from depth_ros.ros.node.worker import Worker
from depth_ros.settings import SettingValue
from depth_ros.tasks.processor import SettingsT

REFUSE_WITHIN_S = 0.5
"""A parameter change waits this long for its processor, so that most failures refuse it."""


class EngineManager(Generic[ParametersT, FrameT, WantedT, OutputT, SettingsT]):
    """Synchronizes parameters, loader and worker; used by the executor's thread only."""

    def __init__(
        self,
        *,
        declared: DeclaredParameters[ParametersT],
        worker: Worker[FrameT, WantedT, OutputT, SettingsT],
        open_processor: OpenProcessor[FrameT, WantedT, OutputT, SettingsT],
        on_change: Callable[[ParametersT], None],
        on_opened: Callable[[], None],
        log: RcutilsLogger,
    ) -> None:
        """Prepare; ``open`` begins.

        Args:
            declared: The node's parameters.
            worker: Who runs the processor.
            open_processor: Opens a processor, e.g. ``open_stereo`` or a double of it.
            on_change: Called with parameters that were taken over.
            on_opened: Called in another thread once ``poll`` would take something over.
            log: The node's logger.

        Raises:
            ParameterError: If the start values are refused.
        """
        self.failure: DepthRosError | None = None
        self._words = ''
        self._is_wanted = False
        self._monitor = BuildMonitor(on_phase=lambda phase: log.info(f'preparing: {phase}'))
        self._declared = declared
        self._worker = worker
        self._on_change = on_change
        self._log = log
        self._running = declared.current
        self._settings = self._settings_of(declared.current)
        self._checker: FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None = None
        self._loader = ProcessorLoader(
            open_processor,
            self._monitor,
            may_build=declared.current.may_build,
            on_done=on_opened,
        )
        self._loss: DeviceLostError | None = None
        self._is_resizing = False
        self.on_preset_refused: Callable[[], None] = lambda: None
        """Called when a preset of ``take_preset`` could not be opened."""
        declared.start(self._apply)

    def open(self) -> None:
        """Start opening a processor, unless one is open or being opened."""
        if self._is_wanted:
            return
        self._is_wanted, self._words = True, 'opening the engine'
        self._settings = self._settings_of(self._declared.current)
        self._worker.set_settings(self._settings)
        self._loader.start(self._settings)

    def release(self) -> None:
        """Close the processor and forget what failed.

        Raises:
            ParameterError: While another one is being prepared.
        """
        if self._loader.is_busy:
            raise ParameterError(
                'an engine is still being prepared and cannot be stopped; wait for its log line'
            )
        self._worker.unload()
        self.failure = self._loss = self._checker = None
        self._is_wanted, self._words = False, ''

    def take_preset(self, preset: str) -> bool:
        """Open the same settings at another preset in the background, where ``auto`` is set.

        Returns:
            Whether it was begun; False while another engine is being prepared.
        """
        if self._loader.is_busy or not self.is_open or self.degradation:
            return False
        self._words, self._is_resizing = f'opening preset {preset}', True
        self._loader.start(self._settings, auto_preset=preset)
        return True

    @property
    def is_open(self) -> bool:
        """Whether a processor runs."""
        return self._worker.processor is not None

    @property
    def phase(self) -> str:
        """Current build phase with elapsed and expected time; empty if nothing is prepared."""
        status = self._monitor.status()
        return status.describe() if status else self._words

    @property
    def degradation(self) -> str:
        """Why a CPU engine runs instead of the one asked for; empty if none does."""
        return str(self._loss) if self._loss is not None and self.failure is None else ''

    def poll(self) -> None:
        """Take over a finished processor, and handle a lost GPU."""
        lost = self._worker.lost
        if lost is not None and lost is not self._loss and not self._loader.is_busy:
            self._on_loss(lost)
        loaded = self._loader.take()
        if loaded is None:
            return
        self._monitor.finish(is_complete=loaded.error is None)
        is_resizing, self._is_resizing = self._is_resizing, False
        if loaded.error is not None and is_resizing:
            self._words = ''
            self._log.warning(f'preset auto: the old size goes on: {loaded.error}')
            self.on_preset_refused()
        elif loaded.error is not None:
            self._on_failure(loaded.error)
        else:
            self._take(loaded, self._declared.current)

    def _apply(self, parameters: ParametersT) -> None:
        """Take new parameters over, or refuse them by raising."""
        settings = self._settings_of(parameters)
        if self._is_wanted and settings.pipeline_key != self._settings.pipeline_key:
            self._prepare(parameters)
        else:
            self._check(settings)
        self._settings = settings
        self._worker.set_settings(settings)
        self._on_change(parameters)

    @staticmethod
    def _settings_of(parameters: ParametersT) -> SettingsT:
        """Return the settings of the node's task; a type cannot tell which node's."""
        return cast('SettingsT', parameters.settings)

    def _check(self, settings: SettingsT) -> None:
        """Let the processor refuse settings of its own pipeline."""
        if self._checker is not None and not self._loader.is_busy:
            self._checker.check_settings(settings)

    def _prepare(self, parameters: ParametersT) -> None:
        """Open another processor; a failure found at once refuses the change."""
        self._loader.start(self._settings_of(parameters))
        loaded = self._loader.take(REFUSE_WITHIN_S)
        if loaded is None:
            self._words = f'opening {parameters.settings.model}'
            self._log.info(f'preparing {parameters.settings.model!r} in the background')
            return
        self._monitor.finish(is_complete=loaded.error is None)
        if loaded.error is not None:
            raise loaded.error
        self._take(loaded, parameters)

    def _take(
        self, loaded: Loaded[FrameT, WantedT, OutputT, SettingsT], parameters: ParametersT
    ) -> None:
        assert loaded.processor is not None
        self._running, self._words = parameters, ''
        self._checker = loaded.processor
        self._log.info(f'running {loaded.processor.describe()}')
        if self.is_open:
            self._worker.swap(loaded.processor)
        else:
            self._worker.start(loaded.processor)

    def _on_loss(self, error: DeviceLostError) -> None:
        """Open a CPU engine if that is allowed; otherwise end the node."""
        parameters, self._loss = self._declared.current, error
        try:
            if not parameters.cpu_fallback:
                raise error
            changes = {'engine': cpu_engine(), 'precision': 'f32'}
            parameters = parameters.changed(changes)
        except DepthRosError as failure:
            self.failure = failure
            return
        self._log.error(f'{error}; going on with {parameters.settings.engine.runtime} in f32')
        self._words = f'the GPU was lost, opening {parameters.settings.engine.runtime}'
        self._settings = self._settings_of(parameters)
        self._declared.restore(pipeline_values(parameters))
        self._worker.set_settings(self._settings)
        self._loader.start(self._settings)

    def _on_failure(self, error: DepthRosError) -> None:
        """End if nothing runs yet; else go on as before and set the parameters back."""
        if isinstance(error, DeviceLostError) and self._loss is None:
            self._on_loss(error)
            return
        if self._loss is not None and self._worker.lost is self._loss:
            self.failure = error
            return
        if not self.is_open:
            self.failure = error
            return
        self._words = ''
        self._log.error(shortened(f'change refused, the old engine goes on: {error}'))
        self._declared.restore(pipeline_values(self._running))
        self._settings = self._settings_of(self._declared.current)
        self._worker.set_settings(self._settings)


def pipeline_values(parameters: NodeParameters) -> dict[str, SettingValue]:
    """Return the parameters that a processor is opened with, by ROS name."""
    values = parameters.values()
    return {spec.name: values[spec.name] for spec in parameters.specs() if spec.opens_engine}
