"""The table of all checks, and their judgement of what was seen. Imports no ROS."""

from __future__ import annotations

import logging

from depth_ros.ros.doctor.causes import causes_first
from depth_ros.ros.doctor.clock_checks import CLOCK_CHECKS
from depth_ros.ros.doctor.costmap_checks import COSTMAP_CHECKS
from depth_ros.ros.doctor.finding import Fault, Finding, HealthCheck, Severity
from depth_ros.ros.doctor.frame_checks import FRAME_CHECKS
from depth_ros.ros.doctor.graph_checks import GRAPH_CHECKS
from depth_ros.ros.doctor.image_checks import IMAGE_CHECKS
from depth_ros.ros.doctor.machine_checks import MACHINE_CHECKS
from depth_ros.ros.doctor.node_checks import NODE_CHECKS
from depth_ros.ros.doctor.snapshot import RobotSnapshot
from depth_ros.ros.doctor.stream_checks import STREAM_CHECKS

CHECKS: tuple[HealthCheck, ...] = (
    *GRAPH_CHECKS,
    *STREAM_CHECKS,
    *CLOCK_CHECKS,
    *IMAGE_CHECKS,
    *FRAME_CHECKS,
    *NODE_CHECKS,
    *COSTMAP_CHECKS,
    *MACHINE_CHECKS,
)
"""Every check, in the order of the page."""

CHECK_FAILED = 'check-failed'
"""Id of the note that a check did not survive what it saw."""

logger = logging.getLogger(__name__)


def judge(seen: RobotSnapshot) -> list[Finding]:
    """Return what is wrong, causes of other findings and then the worst first; each thing once.

    A check that fails on what nobody foresaw costs its own findings, not those of the others.
    """
    found: dict[tuple[str, str], Finding] = {}
    for check in CHECKS:
        try:
            faults = list(check.find(seen))
        except Exception as error:
            logger.exception('check %s failed', check.name)
            faults = []
            found[CHECK_FAILED, check.name] = _failed(check, error)
        for fault in faults:
            finding = Finding(check=check.name, severity=check.severity, fault=fault)
            found.setdefault((check.name, fault.about), finding)
    return causes_first(seen, list(found.values()))


def _failed(check: HealthCheck, error: Exception) -> Finding:
    fault = Fault(
        about=check.name,
        text=f'check {check.name} failed on what it saw, a defect of depth_ros: {error!r}'[:400],
        remedy='depth-ros info',
    )
    return Finding(check=CHECK_FAILED, severity=Severity.NOTE, fault=fault)


def table() -> str:
    """Return every check as a row of Markdown, for the page."""
    cells = [
        (f'`{check.name}`', check.severity.word, check.meaning, f'`{check.remedy}`')
        for check in CHECKS
    ]
    rows = [' | '.join(cell.replace('|', r'\|') for cell in row) for row in cells]
    head = '| id | severity | what it means | what to type |\n| --- | --- | --- | --- |\n'
    return head + ''.join(f'| {row} |\n' for row in rows)
