"""Findings that may come of another one: causes stand first, and the others say so. No ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from depth_ros.ros.doctor.finding import Finding
from depth_ros.ros.doctor.snapshot import RobotSnapshot

LOST = 'messages-lost'
NO_PROFILE = ('dds-profile-missing', 'dds-profile')
CAUSES: Mapping[str, str] = {
    LOST: 'of lost messages',
    **dict.fromkeys(NO_PROFILE, 'of messages that are lost without the Fast DDS profile'),
}
"""What loses messages, by check, the surest first, and how its consequences are told."""

CONSEQUENCES = ('topic-silent', 'rate-low', 'rate-unequal', 'rate-gaps', 'node-error', 'dropped')
SILENT_INPUT = ('no image on ', 'no camera_info on ')
"""What an error of a node has in it that may come of lost messages; others do not."""

LOST_PARTNERS = ('no_partner', 'nearer_partner', 'queue_full', 'no_camera_info')


def causes_first(seen: RobotSnapshot, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst first, but before all what may have caused others of them.

    Lost messages may explain what is told of their own node and its inputs, a missing profile
    what is told of any.

    Args:
        seen: What was seen.
        findings: What was found, each thing once.
    """
    checks = {finding.check for finding in findings}
    cause = next((name for name in CAUSES if name in checks), None)
    ordered = sorted(findings, key=lambda finding: -finding.severity)
    if cause is None:
        return ordered
    losers = set() if checks.intersection(NO_PROFILE) else _losers(seen, findings)
    told = [_with_cause(finding, cause, losers) for finding in ordered]
    if told == ordered:
        return ordered
    return sorted(told, key=lambda finding: finding.check not in CAUSES)


def _losers(seen: RobotSnapshot, findings: Sequence[Finding]) -> set[str]:
    """Return the nodes that lost messages, and their inputs."""
    lossy = {entry.fault.about.partition(' ')[0] for entry in findings if entry.check == LOST}
    images = {
        camera.images for node in seen.nodes if node.name in lossy for camera in node.cameras
    }
    return lossy | images


def _with_cause(finding: Finding, cause: str, losers: set[str]) -> Finding:
    """Return a finding that names its possible cause; unchanged where that is none.

    Args:
        finding: What was found.
        cause: Check that found the cause.
        losers: Nodes and topics that it may explain; empty for all.
    """
    fault = finding.fault
    subject, _, reason = fault.about.partition(' ')
    is_of_another = bool(losers) and subject not in losers
    is_other_error = finding.check == 'node-error' and not any(
        words in fault.text for words in SILENT_INPUT
    )
    is_other_drop = finding.check == 'dropped' and reason not in LOST_PARTNERS
    if finding.check not in CONSEQUENCES or is_of_another or is_other_error or is_other_drop:
        return finding
    text = f'{fault.text} (this may come {CAUSES[cause]}: see {cause} first)'
    return replace(finding, fault=replace(fault, text=text))
