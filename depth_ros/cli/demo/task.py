"""What a task provides for the demo: its node, the topics to watch, the files to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.processes import Parameters
from depth_ros.cli.demo.report import (
    IMAGES_LINE,
    Report,
    incomplete,
    joined_summary,
    title_of,
    write_demo_cloud,
    write_summary,
)
from depth_ros.pictures.panels import write_picture

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
        received: The node's counter of images of one camera.
        counted: Further entries of the node's report that the summary takes over.
        valid: What the node's ``valid_fraction`` is of, in the live table; empty leaves it out.
        facts: What else the summary says.
        picture: File name of the picture.
        draw: Takes what was seen and a title and gives ``(H, W, 3)`` uint8 RGB; None if a topic
            stayed silent.
        images_line: Whose images these are.
        notes: Lines to end with.
    """

    node: str
    parameters: Parameters
    remappings: Mapping[str, str] = field(default_factory=dict)
    camera: Parameters = field(default_factory=dict)
    watched: Sequence[Watched]
    rates: Mapping[str, str]
    awaited: str
    received: str
    counted: Sequence[str]
    valid: str = 'valid pixels'
    facts: Mapping[str, object] = field(default_factory=dict)
    picture: str
    draw: Callable[[Seen, str], np.ndarray | None]
    images_line: str = IMAGES_LINE
    notes: Sequence[str] = ()

    def write(self, folder: Path, seen: Seen, camera: Report, node: Report) -> list[str]:
        """Write summary, picture and, where there is one, a cloud; return one line for each.

        Args:
            folder: Where to.
            seen: What the topics brought.
            camera: Report that ``sample_camera`` wrote at its end.
            node: Report that the node wrote at its end.

        Raises:
            DepthRosError: If a topic stayed silent.
        """
        joined = joined_summary(camera, node, received=self.received, counted=self.counted)
        summary = {**joined, **self.facts}
        line = write_summary(folder, summary)
        picture = self.draw(seen, title_of(summary))
        if picture is None:
            raise incomplete(folder)
        write_picture(folder / self.picture, picture)
        cloud = [] if seen.cloud is None else [write_demo_cloud(folder, seen.cloud)]
        picture_line = f'picture:     {folder / self.picture}'
        return [picture_line, *cloud, line, self.images_line, *self.notes]
