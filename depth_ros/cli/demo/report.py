"""What the demo shows and writes: a live table, a picture, a point cloud, a summary.

``DemoTask`` is what a task provides for it: its node, the topics to watch, the files to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from depth_ros.cli.demo.processes import Parameters
from depth_ros.cli.kit.versions import package_version
from depth_ros.engines.runtime import CPU_ORDER, RUNTIMES
from depth_ros.errors import DepthRosError
from depth_ros.files.cloud import write_ply
from depth_ros.files.whole_file import write_json
from depth_ros.geometry.depth import points_of_cloud
from depth_ros.pictures.panels import write_picture

if TYPE_CHECKING:
    from rich.table import Table

    from depth_ros.ros.demo.observer import Observer

Report = Mapping[str, Any]

COUNTED = ('received', 'received_left', 'paired', 'unpaired_left', 'unpaired_right', 'outputs')
KEPT_SHARE = 0.9
"""Share of the camera's rate that counts as all of it: the first images come too early."""
IMAGES_LINE = "images:      OAK-D pairs of 'stereodemo' by Nicolas Burrus, CC BY 4.0"


def joined_summary(
    camera: Report, node: Report, *, received: str, counted: Sequence[str]
) -> dict[str, object]:
    """Join the counters of the camera and of the node.

    ``lost_in_transport`` is the only number found by subtraction: images sent less those
    received.

    Args:
        camera: Report that ``sample_camera`` wrote at its end.
        node: Report that the node wrote at its end.
        received: The node's counter of images of one camera.
        counted: Further entries of the node's report to take over.
    """
    copied = ('model', 'engine', 'precision', 'size')
    measured = ('outputs', 'dropped', 'rate_hz', 'valid_fraction', 'stages_ms')
    return {
        **{name: node[name] for name in copied},
        'sent': int(camera['sent']),
        'lost_in_transport': int(camera['sent']) - int(node[received]),
        'received': int(node[received]),
        **{name: node[name] for name in (*counted, *measured)},
        'versions': versions(node),
    }


def versions(node: Report) -> dict[str, str]:
    """Return the versions in the node's report and those of installed runtimes."""
    installed = {name: RUNTIMES[name].installed_version() for name in CPU_ORDER}
    found = {**installed, 'rclpy': package_version('rclpy')}
    return {**node['versions'], **{name: text for name, text in found.items() if text}}


def write_summary(folder: Path, summary: Mapping[str, object]) -> str:
    """Write ``summary.json`` and return a line about it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'summary.json'
    write_json(path, summary)
    return f'summary:     {path} ({summary["outputs"]} outputs)'


def pace_lines(node: str, *, rate_hz: float, camera_hz: float, faster: str) -> list[str]:
    """Return a line on how many images a second became results, and what to type for more.

    Args:
        node: Its name.
        rate_hz: Of its results.
        camera_hz: Of the images.
        faster: Words of the command that make the node faster; empty says nothing at all.
    """
    if not faster or rate_hz >= KEPT_SHARE * camera_hz:
        return []
    line = (
        f'pace:        {rate_hz:.1f} results a second of {camera_hz:g} images: {node} takes the '
        f'newest when it is ready; faster: {faster}'
    )
    return [line]


def write_demo_cloud(folder: Path, cloud: np.ndarray) -> str:
    """Write ``cloud.ply`` of a ``(h, w, 4)`` float32 cloud and return a line about it."""
    points, colors = points_of_cloud(cloud)
    write_ply(folder / 'cloud.ply', points, colors)
    return f'point cloud: {folder / "cloud.ply"} ({len(points)} points, metres)'


def incomplete(folder: Path) -> DepthRosError:
    """Return the error that a topic had no messages."""
    return DepthRosError(
        'the node published no complete result; see dropped and refused in '
        f'{folder / "summary.json"}'
    )


def title_of(summary: Mapping[str, object]) -> str:
    """Return the title of a picture: model, engine and, of a network, precision and size."""
    title = f'{summary["model"]} on {summary["engine"]}'
    if not summary['precision']:
        return title
    return f'{title} ({summary["precision"]}), size {summary["size"]}'


def status_table(
    observer: Observer, topics: Mapping[str, str], valid: str, *, elapsed_s: float, total_s: float
) -> Table:
    """Draw rates, stage latencies, drops and valid fraction as the node reports them.

    Args:
        observer: Who watches.
        topics: What to show the rates of: words and topics.
        valid: What the node's valid fraction is of; empty leaves it out.
        elapsed_s: Seconds since the first output.
        total_s: Seconds the demo will run.
    """
    from rich.table import Table

    values: dict[str, str] = {}
    for pairs in observer.diagnostics.values():
        values.update(pairs)
    engine = title_of(values) if values.get('model') else ''
    title = f'depth_ros demo  {elapsed_s:.0f}/{total_s:.0f} s   {engine}'
    table = Table(title=title, title_justify='left', show_header=False)
    table.add_column('what', style='bold')
    table.add_column('value')
    rates = [f'{name} {observer.rate_hz(topic):.1f}' for name, topic in topics.items()]
    table.add_row('rates, Hz', '   '.join(rates))
    table.add_row('stages, ms (p50 / p95)', stage_text(values))
    table.add_row('counts', count_text(values))
    if valid and 'valid_fraction' in values:
        table.add_row(valid, f'{100 * float(values["valid_fraction"]):.0f} %')
    return table


def stage_text(values: Mapping[str, str]) -> str:
    """Return each stage's median and 95th percentile."""
    names = [key.removesuffix('_p50_ms') for key in values if key.endswith('_p50_ms')]
    cells = [
        f'{name} {milliseconds(values, name, "p50")}/{milliseconds(values, name, "p95")}'
        for name in names
    ]
    return '   '.join(cells) or 'waiting for the first output'


def milliseconds(values: Mapping[str, str], stage: str, percentile: str) -> str:
    """Return one figure of one stage, rounded to a tenth."""
    return f'{float(values.get(f"{stage}_{percentile}_ms", "nan")):.1f}'


def count_text(values: Mapping[str, str]) -> str:
    """Return the counters that are not zero, drops and refusals by reason included."""
    keys = [key for key in values if key in COUNTED or key.startswith(('dropped_', 'refused_'))]
    cells = [f'{key} {values[key]}' for key in keys if values[key] != '0']
    return '   '.join(cells) or '-'


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
        faster: What to type where results are slower than images; empty if they are meant to be.
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
    faster: str = ''

    def write(
        self, folder: Path, seen: Seen, camera: Report, node: Report, *, camera_hz: float
    ) -> list[str]:
        """Write summary, picture and, where there is one, a cloud; return one line for each.

        Args:
            folder: Where to.
            seen: What the topics brought.
            camera: Report that ``sample_camera`` wrote at its end.
            node: Report that the node wrote at its end.
            camera_hz: Pairs or images a second that the camera was to send.

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
        pace = pace_lines(
            self.node, rate_hz=float(node['rate_hz']), camera_hz=camera_hz, faster=self.faster
        )
        return [picture_line, *cloud, line, *pace, self.images_line, *self.notes]
