"""Open a processor in the background: building an engine may take minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from depth_ros.errors import DepthRosError, EngineError, ParameterError
from depth_ros.stereo import Progress, StereoProcessor, StereoSettings

OpenProcessor = Callable[..., StereoProcessor]
THREAD_NAME = 'depth-ros-loader'
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Loaded:
    """What became of a request: exactly one of the two is set.

    Attributes:
        processor: Ready to run; the taker owns it.
        error: Why there is none.
    """

    processor: StereoProcessor | None
    error: DepthRosError | None


class ProcessorLoader:
    """One request at a time, in a thread of its own; its result waits to be taken."""

    def __init__(self, open_processor: OpenProcessor, progress: Progress) -> None:
        """Take the opener (``open_stereo``) and who is told about the phases of long work."""
        self._open = open_processor
        self._progress = progress
        self._thread: threading.Thread | None = None
        self._loaded: Loaded | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way or its result has not been taken."""
        return self._thread is not None

    @property
    def is_running(self) -> bool:
        """Whether the thread still works."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, settings: StereoSettings) -> None:
        """Start opening.

        Raises:
            ParameterError: If another request is not finished.
        """
        if self.is_busy:
            raise ParameterError(
                'another model or engine is still being prepared; wait for its log line, '
                'then set the parameter again'
            )
        self._loaded = None
        self._thread = threading.Thread(
            target=self._run, args=(settings,), name=THREAD_NAME, daemon=True
        )
        self._thread.start()

    def take(self, timeout_s: float = 0.0) -> Loaded | None:
        """Give the result once; None if nothing is ready within the time."""
        if self._thread is None:
            return None
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return None
        self._thread = None
        loaded, self._loaded = self._loaded, None
        return loaded

    def _run(self, settings: StereoSettings) -> None:
        try:
            processor = self._open(settings, progress=self._progress)
            self._loaded = Loaded(processor=processor, error=None)
        except DepthRosError as error:
            self._loaded = Loaded(processor=None, error=error)
        except Exception as error:
            logger.exception('opening a processor failed')
            self._loaded = Loaded(
                processor=None,
                error=EngineError(
                    f'opening {settings.model!r} failed unexpectedly ({error!r}); '
                    'try it with: depth-ros info'
                ),
            )
