"""What a task brings to the demo: its node, what to watch, and what to leave on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.cli.demo.processes import Parameters
from depth_ros.cli.demo.report import Report

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen, Watched


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoTask:
    """One kind of demo.

    Attributes:
        node: Module of the node below ``depth_ros.ros``; its report is ``NODE.json``.
        parameters: Its parameters, the report left out.
        remappings: Its names and those to use instead.
        camera: Further parameters of ``sample_camera``.
        watched: Topics to subscribe to.
        rates: Words for them and the topics whose rates are shown.
        awaited: Topic whose first message means that it runs.
        write: Takes folder, what was seen, the camera's and the node's report; writes picture,
            cloud and summary and gives one line for each.
    """

    node: str
    parameters: Parameters
    remappings: Mapping[str, str] = field(default_factory=dict)
    camera: Parameters = field(default_factory=dict)
    watched: Sequence[Watched]
    rates: Mapping[str, str]
    awaited: str
    write: Callable[[Path, Seen, Report, Report], list[str]]
