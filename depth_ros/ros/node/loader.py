"""Open a processor in the background: building an engine may take minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from depth_ros.engines.build_policy import building
from depth_ros.errors import DepthRosError, EngineError, ParameterError
from depth_ros.ros.node.roles import (
    FrameProcessor,
    FrameT,
    OpenProcessor,
    OutputT,
    WantedT,
)
from depth_ros.ros.node.speaker import in_same_name
from depth_ros.tasks.processor import SettingsT
from depth_ros.tensors import Progress

THREAD_NAME = 'depth-ros-loader'
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Loaded(Generic[FrameT, WantedT, OutputT, SettingsT]):
    """Result of a request: exactly one of the two is set.

    Attributes:
        processor: Ready to run; the caller of ``take`` closes it.
        error: Why there is none.
    """

    processor: FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None
    error: DepthRosError | None


class ProcessorLoader(Generic[FrameT, WantedT, OutputT, SettingsT]):
    """Opens one processor at a time in a background thread; ``take`` returns the result."""

    def __init__(
        self,
        open_processor: OpenProcessor[FrameT, WantedT, OutputT, SettingsT],
        progress: Progress,
        *,
        may_build: bool = True,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        """Store the opener and the callback for phases of long work.

        Args:
            open_processor: E.g. ``open_stereo``.
            progress: Called with each phase.
            may_build: Whether engines that are not there may be exported and built.
            on_done: Called in the background thread once there is something to take.
        """
        self._open = open_processor
        self._progress = progress
        self._may_build = may_build
        self._on_done = on_done
        self._is_done = threading.Event()
        self._thread: threading.Thread | None = None
        self._loaded: Loaded[FrameT, WantedT, OutputT, SettingsT] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way or its result has not been taken."""
        return self._thread is not None

    def start(self, settings: SettingsT, *, auto_preset: str = '') -> None:
        """Start opening; ``auto_preset`` is what ``preset: auto`` means now.

        Raises:
            ParameterError: If another request is not finished.
        """
        if self.is_busy:
            raise ParameterError(
                'another model or engine is still being prepared; wait for its log line, '
                'then set the parameter again'
            )
        self._loaded = None
        self._is_done.clear()
        self._thread = threading.Thread(
            target=in_same_name(self._run),
            args=(settings, auto_preset),
            name=THREAD_NAME,
            daemon=True,
        )
        self._thread.start()

    def take(self, timeout_s: float = 0.0) -> Loaded[FrameT, WantedT, OutputT, SettingsT] | None:
        """Return the result once; None if none is ready within the timeout."""
        if self._thread is None:
            return None
        if not self._is_done.wait(timeout_s):
            return None
        self._thread = None
        loaded, self._loaded = self._loaded, None
        return loaded

    def _run(self, settings: SettingsT, auto_preset: str) -> None:
        try:
            self._loaded = self._opened(settings, auto_preset)
        finally:
            self._is_done.set()
            self._on_done()

    def _opened(
        self, settings: SettingsT, auto_preset: str
    ) -> Loaded[FrameT, WantedT, OutputT, SettingsT]:
        chosen = {'auto_preset': auto_preset} if auto_preset else {}
        try:
            with building(is_allowed=self._may_build):
                processor = self._open(settings, progress=self._progress, **chosen)
            return Loaded(processor=processor, error=None)
        except DepthRosError as error:
            return Loaded(processor=None, error=error)
        except Exception as error:
            logger.exception('opening a processor failed')
            return Loaded(
                processor=None,
                error=EngineError(
                    f'opening {settings.model!r} failed unexpectedly ({error!r}); '
                    'try it with: depth-ros info'
                ),
            )
