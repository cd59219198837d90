"""A finding of the doctor, and the form of a check. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from depth_ros.ros.doctor.snapshot import RobotSnapshot


class Severity(IntEnum):
    """How bad it is; the exit code depends on it."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """The name for people and programs."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What a check found, once for every topic, node or frame.

    Attributes:
        about: Name of it.
        text: What was expected and what came, one sentence.
        remedy: The line to type, or what to do where nothing can be typed.
    """

    about: str
    text: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthCheck:
    """One check.

    Attributes:
        name: Stable id, e.g. ``'stamp-skew'``.
        severity: Of what it finds.
        meaning: What a finding means, for the page.
        remedy: What to do about it, for the page.
        find: Judges what was seen.
    """

    name: str
    severity: Severity
    meaning: str
    remedy: str
    find: Callable[[RobotSnapshot], Iterable[Fault]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A fault with the name and severity of its check."""

    check: str
    severity: Severity
    fault: Fault

    def as_dict(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return {
            'id': self.check,
            'severity': self.severity.word,
            'about': self.fault.about,
            'text': self.fault.text,
            'type': self.fault.remedy,
        }
