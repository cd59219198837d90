"""What the doctor says: for people in 80 columns, for programs as JSON. Imports no ROS."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Sequence

from depth_ros.ros.doctor.checks import CHECKS
from depth_ros.ros.doctor.finding import Finding, Severity
from depth_ros.ros.doctor.overview import node_lines, node_records
from depth_ros.ros.doctor.snapshot import RobotSnapshot

WIDTH = 80
INDENT = '  '
LARGEST_TEXT = 1200
_WORD = r"""(?:[^\s'"]|'[^']*'|"[^"]*")+"""
_TOGETHER = re.compile(rf'-\S+ (?!-){_WORD}|{_WORD}')
"""A word of a shell's line; an option and its value are one."""


def text_report(
    seen: RobotSnapshot, findings: Sequence[Finding], *, has_topics: bool = False
) -> str:
    """Return the findings in lines of 80 columns, the worst first.

    Only a word that is longer than a line makes a longer one.

    Args:
        seen: What was seen.
        findings: What is wrong with it.
        has_topics: Whether to list our nodes and their inputs before.
    """
    parts = [_heading(seen)]
    if has_topics:
        parts += ['\n'.join(_entry(name, text)) for name, text in node_lines(seen)]
    parts += [_paragraph(finding) for finding in findings]
    parts += [_summary(seen, findings)]
    return '\n\n'.join(parts) + '\n'


def _heading(seen: RobotSnapshot) -> str:
    names = ', '.join(node.name for node in seen.nodes) or 'no node of depth_ros'
    if not seen.seconds:
        return '\n'.join(_wrapped(f'depth_ros doctor: report of {names}', ''))
    text = (
        f'depth_ros doctor: watched {seen.seconds:.0f} s in domain {seen.machine.domain} '
        f'({seen.machine.middleware}): {len(seen.node_names)} nodes, '
        f'{len({end.topic for end in seen.publishers})} topics; {names}'
    )
    return '\n'.join(_wrapped(text, ''))


def _entry(name: str, text: str) -> list[str]:
    return [_clean(name)[:WIDTH], *_wrapped(text, INDENT)]


def _paragraph(finding: Finding) -> str:
    """Return a finding: its id and what it is about, what is wrong, what to type."""
    head = f'{finding.severity.word.upper()} {finding.check}: {finding.fault.about}'
    lines = [_clean(head)[:WIDTH], *_wrapped(finding.fault.text, INDENT)]
    return '\n'.join([*lines, *_command(finding.fault.remedy)])


def _command(line: str) -> list[str]:
    """Return a line to type, broken as a shell takes it."""
    lines, current = [], f'{INDENT}$'
    for words in _TOGETHER.findall(_clean(line)):
        if len(current) + 1 + len(words) > WIDTH - 2 and current.strip() != '$':
            lines.append(f'{current} \\')
            current = f'{INDENT}   '
        current = f'{current} {words}'
    return [*lines, current]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        _clean(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _clean(text: str) -> str:
    """Return a text that no terminal takes for a command, of bounded length."""
    shown = ''.join(letter if letter.isprintable() else '?' for letter in text[:LARGEST_TEXT])
    return shown + ('...' if len(text) > LARGEST_TEXT else '')


def _summary(seen: RobotSnapshot, findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    words = [
        f'{counts[severity]} {severity.word}{"s" if counts[severity] != 1 else ""}'
        for severity in sorted(Severity, reverse=True)
    ]
    verdict = 'HEALTHY' if not any(finding.severity for finding in findings) else 'NOT WELL'
    return f'{verdict}: {", ".join(words)} of {len(CHECKS)} checks'


def json_report(seen: RobotSnapshot, findings: Sequence[Finding]) -> str:
    """Return the findings as one JSON object."""
    record = {
        'seconds': round(seen.seconds, 3),
        'domain': seen.machine.domain,
        'middleware': seen.machine.middleware,
        'nodes': node_records(seen),
        'listened_to': {topic.topic: len(topic.headers) for topic in seen.topics.values()},
        'is_healthy': not any(finding.severity for finding in findings),
        'findings': [finding.as_dict() for finding in findings],
    }
    return json.dumps(record, indent=2) + '\n'
