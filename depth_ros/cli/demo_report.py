"""What the demo shows and writes: a live table, a picture, a point cloud, a summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from depth_ros.cli.versions import package_version
from depth_ros.errors import DepthRosError
from depth_ros.pictures import stereo_panel, write_picture
from depth_ros.pointcloud_file import points_of_cloud, write_ply

if TYPE_CHECKING:
    from rich.table import Table

    from depth_ros.ros.observer import Observer, Seen

Report = Mapping[str, Any]

COUNTED = ('received_left', 'paired', 'unpaired_left', 'unpaired_right', 'outputs')
WATCHED_TOPICS = {
    'camera': 'left/image_raw',
    'disparity': 'disparity',
    'depth': 'depth/image',
    'points': 'points',
}
PACKAGES = ('openvino', 'onnxruntime', 'rclpy')


def demo_summary(camera: Report, node: Report) -> dict[str, object]:
    """Join the camera's and the node's own books.

    ``lost_in_transport`` is the only number found by subtraction: pairs sent less left images
    received.

    Args:
        camera: Report that ``sample_camera`` wrote at its end.
        node: Report that ``stereo_node`` wrote at its end.
    """
    sent, received = int(camera['sent']), int(node['received_left'])
    copied = ('model', 'engine', 'precision', 'size')
    counted = ('received_right', 'paired', 'unpaired_left', 'unpaired_right', 'refused')
    closing = ('waiting_left', 'waiting_right', 'outputs', 'dropped')
    measured = ('rate_hz', 'valid_fraction', 'stages_ms')
    return {
        **{name: node[name] for name in copied},
        'sent': sent,
        'lost_in_transport': sent - received,
        'received': received,
        **{name: node[name] for name in (*counted, *closing, *measured)},
        'versions': versions(node),
    }


def versions(node: Report) -> dict[str, str]:
    """Give the node's own versions and those of the runtimes that are installed."""
    found = {name: version for name in PACKAGES if (version := package_version(name))}
    return {**node['versions'], **found}


def write_outputs(folder: Path, seen: Seen, summary: Mapping[str, object]) -> list[str]:
    """Write picture, cloud and summary; give one line for each.

    Raises:
        DepthRosError: If a topic stayed silent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    if seen.left is None or seen.disparity is None or seen.depth is None or seen.cloud is None:
        raise DepthRosError(
            'the node published no complete result; see dropped and refused in '
            f'{folder / "summary.json"}'
        )
    title = (
        f'{summary["model"]} on {summary["engine"]} ({summary["precision"]}), '
        f'size {summary["size"]} | {np.isfinite(seen.disparity).mean():.0%} of pixels valid'
    )
    panel = stereo_panel(left=seen.left, disparity=seen.disparity, depth=seen.depth, title=title)
    write_picture(folder / 'stereo.png', panel)
    points, colors = points_of_cloud(seen.cloud)
    write_ply(folder / 'cloud.ply', points, colors)
    return [
        f'picture:     {folder / "stereo.png"}',
        f'point cloud: {folder / "cloud.ply"} ({len(points)} points, metres)',
        f'summary:     {folder / "summary.json"} ({summary["outputs"]} outputs)',
        "images:      OAK-D pairs of 'stereodemo' by Nicolas Burrus, CC BY 4.0",
    ]


def status_table(observer: Observer, *, elapsed_s: float, total_s: float) -> Table:
    """Draw rates, stage latencies, drops and valid fraction as the node reports them."""
    from rich.table import Table

    values: dict[str, str] = {}
    for pairs in observer.diagnostics.values():
        values.update(pairs)
    engine = ' '.join(values.get(key, '') for key in ('model', 'engine', 'precision', 'size'))
    title = f'depth_ros demo  {elapsed_s:.0f}/{total_s:.0f} s   {engine}'
    table = Table(title=title, title_justify='left', show_header=False)
    table.add_column('what', style='bold')
    table.add_column('value')
    rates = [f'{name} {observer.rate_hz(topic):.1f}' for name, topic in WATCHED_TOPICS.items()]
    table.add_row('rates, Hz', '   '.join(rates))
    table.add_row('stages, ms (p50 / p95)', stage_text(values))
    table.add_row('pairs', count_text(values))
    table.add_row('valid pixels', f'{100 * float(values.get("valid_fraction", "nan")):.0f} %')
    return table


def stage_text(values: Mapping[str, str]) -> str:
    """Say each stage's median and 95th percentile."""
    names = [key.removesuffix('_p50_ms') for key in values if key.endswith('_p50_ms')]
    cells = [
        f'{name} {milliseconds(values, name, "p50")}/{milliseconds(values, name, "p95")}'
        for name in names
    ]
    return '   '.join(cells) or 'waiting for the first pair'


def milliseconds(values: Mapping[str, str], stage: str, percentile: str) -> str:
    """Give one figure of one stage, rounded to a tenth."""
    return f'{float(values.get(f"{stage}_{percentile}_ms", "nan")):.1f}'


def count_text(values: Mapping[str, str]) -> str:
    """Say the counters that are not zero, drops and refusals by reason included."""
    keys = [key for key in values if key in COUNTED or key.startswith(('dropped_', 'refused_'))]
    cells = [f'{key} {values[key]}' for key in keys if values[key] != '0']
    return '   '.join(cells) or '-'
