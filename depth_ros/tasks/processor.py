"""Base of every task's processor: a pipeline and its settings."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from depth_ros.errors import EngineError, ParameterError
from depth_ros.tasks.pipeline import Identity, NetworkSettings, Pipeline, identity_of

SettingsT = TypeVar('SettingsT', bound=NetworkSettings)
ProcessorT = TypeVar('ProcessorT', bound='Processor')


class Processor(Generic[SettingsT]):
    """A pipeline and its settings; a task adds ``process``. One worker thread owns it.

    Nodes, commands and ``depth_ros.open_...`` all run the same one.
    """

    needs_another: ClassVar[str]
    """Sentence about what cannot change while it runs, and how to open another one."""

    opener: ClassVar[str]
    """Function of ``depth_ros`` that opens one."""

    is_closed = False

    frame_size: tuple[int, int] | None = None
    """``(height, width)`` of the last frame; None before the first, and where nobody asks."""

    def __init__(self, pipeline: Pipeline, settings: SettingsT) -> None:
        """Take ownership of the pipeline; raises as ``check_settings``."""
        self.pipeline = pipeline
        self.check_settings(settings)
        self.settings = settings

    def __enter__(self: ProcessorT) -> ProcessorT:
        self.expect_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def identity(self) -> Identity:
        """Model, engine, precision and size in words."""
        return identity_of(self.pipeline, self.settings.model)

    @property
    def is_untrained(self) -> bool:
        """Whether the weights are made up, so that results mean nothing."""
        return self.pipeline.is_untrained

    def describe(self) -> str:
        """Return model and engines in one line."""
        return self.pipeline.describe()

    def check_settings(self, settings: SettingsT) -> None:
        """Raise what ``set_settings`` would raise for a value; change nothing.

        Raises:
            ParameterError: Saying what to set instead.
        """

    def set_settings(self, settings: SettingsT) -> None:
        """Take over settings that need no new pipeline.

        Raises:
            ParameterError: If they need another pipeline, or a value is refused.
        """
        if settings.pipeline_key != self.settings.pipeline_key:
            raise ParameterError(self.needs_another)
        self.check_settings(settings)
        self.settings = settings

    def close(self) -> None:
        """Close the engines; a closed one refuses frames."""
        self.is_closed = True
        self.pipeline.close()

    def expect_open(self) -> None:
        """Refuse what a closed one cannot do, whether its model has engines or not.

        Raises:
            EngineError: If it is closed; names the function that opens another one.
        """
        if self.is_closed:
            raise EngineError(
                f'this {type(self).__name__} of {self.settings.model!r} is closed, e.g. at the '
                f'end of a with block; open another one with depth_ros.{self.opener}()'
            )
