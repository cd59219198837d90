"""Adapter of a processor for a node's worker: ``process`` differs, the rest is forwarded."""

from __future__ import annotations

from typing import Generic

from depth_ros.tasks.pipeline import Identity
from depth_ros.tasks.processor import Processor, SettingsT


class WrappedProcessor(Generic[SettingsT]):
    """Base of processors around another one; a subclass adds ``process``."""

    def __init__(self, opened: Processor[SettingsT]) -> None:
        """Take ownership."""
        self._opened = opened

    @property
    def settings(self) -> SettingsT:
        """Its current settings."""
        return self._opened.settings

    @property
    def identity(self) -> Identity:
        """Model, engine, precision and size in words."""
        return self._opened.identity

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """``(height, width)`` of the last frame; None before the first, and where unknown."""
        return self._opened.frame_size

    def describe(self) -> str:
        """Return model and engines in one line."""
        return self._opened.describe()

    def check_settings(self, settings: SettingsT) -> None:
        """Refuse what ``set_settings`` would refuse."""
        self._opened.check_settings(settings)

    def set_settings(self, settings: SettingsT) -> None:
        """Take over settings of the same pipeline."""
        self._opened.set_settings(settings)

    def close(self) -> None:
        """Close the engines."""
        self._opened.close()
