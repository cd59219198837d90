"""Reports that nodes wrote at their end (``report_file``), as nodes to judge. Imports no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_text, printable_path
from depth_ros.files.json_text import parse_json
from depth_ros.ros.doctor.finding import Finding
from depth_ros.ros.doctor.snapshot import DepthNode, RobotSnapshot, StatusReport

JUDGED = ('dropped', 'messages-lost', 'node-slow', 'node-defect')
"""Checks of counters alone: a report says nothing of a node that runs."""

GROUPS = ('dropped', 'unpaired', 'refused')
SIGNS = ('outputs', 'dropped')
LONGEST_NAME = 80


def read_report(path: Path) -> DepthNode:
    """Return a node with the counters of its whole run.

    Raises:
        InputError: If the file is no report of a node.
    """
    name = printable_path(path)
    try:
        record = parse_json(given_text(path))
    except ValueError as error:
        raise InputError('file', f'{name} is no JSON ({error}); give a report_file') from None
    if not isinstance(record, Mapping) or not all(sign in record for sign in SIGNS):
        raise InputError(
            'file',
            f'{name} is no report of a node: outputs and dropped are missing; give a file that '
            'the parameter report_file names, after the node has ended',
        )
    state = StatusReport(level=0, message='', first={}, last=_counters(record))
    return DepthNode(name=name, state=state)


def reported(paths: list[Path]) -> RobotSnapshot:
    """Return a robot of which nothing but these reports is known.

    Raises:
        InputError: As ``read_report``.
    """
    return RobotSnapshot(seconds=0.0, nodes=tuple(read_report(path) for path in paths))


def judged(findings: list[Finding]) -> list[Finding]:
    """Return the findings that follow from counters."""
    return [finding for finding in findings if finding.check in JUDGED]


def _counters(record: Mapping[str, object]) -> dict[str, str]:
    """Return the counters flat, as diagnostics have them."""
    flat = {key: str(value) for key, value in record.items() if isinstance(value, int | float)}
    for group in GROUPS:
        reasons = record.get(group)
        if isinstance(reasons, Mapping):
            flat |= {f'{group}_{str(key)[:LONGEST_NAME]}': str(n) for key, n in reasons.items()}
    return flat
