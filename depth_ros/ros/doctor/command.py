"""``ros2 run depth_ros doctor`` and ``depth-ros doctor``: watch, judge, say, and an exit code."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from depth_ros.errors import DepthRosError, ParameterError
from depth_ros.ros.doctor.checks import CHECKS, judge
from depth_ros.ros.doctor.finding import Finding, Severity
from depth_ros.ros.doctor.node_reports import judged, reported
from depth_ros.ros.doctor.report import json_report, text_report
from depth_ros.ros.doctor.snapshot import RobotSnapshot
from depth_ros.ros.node.absence import absence_of_ros
from depth_ros.ros.node.stop_request import stop_request

SECONDS = 8.0
SECONDS_RANGE = (1.0, 3600.0)
WELL, NOT_WELL, CANNOT_LOOK, INTERRUPTED = 0, 1, 2, 130
DESCRIPTION = (
    'Watch a running robot for some seconds and say what is wrong with it and what to type. '
    'Exit code: 0 healthy, 1 findings, 2 it could not look, 130 after Ctrl-C.'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        '--seconds', type=_seconds, default=SECONDS, help=f'how long, default {SECONDS:g}'
    )
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.add_argument(
        '--topics', action='store_true', help='also list our nodes and what they take in'
    )
    parser.add_argument(
        '--fail-on',
        choices=[severity.word for severity in Severity],
        default=Severity.WARNING.word,
        help='the least finding that makes the exit code 1, default warning',
    )
    parser.add_argument(
        '--ignore', action='append', default=[], metavar='ID', help='leave a check out; repeatable'
    )
    parser.add_argument(
        '--report',
        action='append',
        default=[],
        type=Path,
        metavar='FILE',
        help='judge what a node wrote to its report_file instead of a robot; repeatable',
    )
    parser.add_argument('--list', action='store_true', help='list the checks and end')
    parser.add_argument(
        '--host-root',
        type=Path,
        default=Path('/'),
        metavar='FOLDER',
        help="where the host's proc and dev/shm are, for a container; default /",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    low, high = SECONDS_RANGE
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(
            f'expected seconds within {low:g}..{high:g}, got {text!r}; type e.g. --seconds 10'
        )
    return value


def run(arguments: argparse.Namespace) -> int:
    """Watch and say what was found; return the exit code.

    Raises:
        DepthRosError: If ``--ignore`` names no check, or ``--report`` no report.
    """
    check_names(arguments.ignore)
    if arguments.list:
        sys.stdout.write(listing(is_json=arguments.json))
        return WELL
    if arguments.report:
        seen = reported(arguments.report)
        return say(seen, judged(judge(seen)), arguments)
    watched = watch(arguments.seconds, arguments.host_root)
    if watched is None:
        sys.stderr.write('doctor: interrupted, nothing was judged\n')
        return INTERRUPTED
    return say(watched, judge(watched), arguments)


def say(seen: RobotSnapshot, findings: Sequence[Finding], arguments: argparse.Namespace) -> int:
    """Write the findings that are not left out; return the exit code."""
    findings = [entry for entry in findings if entry.check not in arguments.ignore]
    if arguments.json:
        sys.stdout.write(json_report(seen, findings))
    else:
        sys.stdout.write(text_report(seen, findings, has_topics=arguments.topics))
    return exit_code(findings, Severity[arguments.fail_on.upper()])


def watch(seconds: float, root: Path) -> RobotSnapshot | None:
    """Watch a robot; return None if a signal stopped it.

    Raises:
        DepthRosError: If ROS is not there.
    """
    stop = stop_request()
    try:
        from depth_ros.ros.doctor.watch import RobotWatch, joined
    except ModuleNotFoundError as error:
        raise DepthRosError(absence_of_ros('the doctor', error)) from error
    with joined() as node:
        robot = RobotWatch(node, root=root)
        try:
            elapsed_s = robot.run(seconds, is_stopped=lambda: stop.is_set)
            return None if stop.is_set else robot.snapshot(elapsed_s)
        finally:
            robot.close()


def exit_code(findings: Sequence[Finding], least: Severity) -> int:
    """Return 1 where something at least that bad was found, else 0."""
    return NOT_WELL if any(finding.severity >= least for finding in findings) else WELL


def check_names(names: Sequence[str]) -> None:
    """Refuse names of checks that there are not.

    Raises:
        ParameterError: Naming those that there are.
    """
    known = [check.name for check in CHECKS]
    for name in names:
        if name not in known:
            raise ParameterError(f'there is no check {name!r}; use one of: {", ".join(known)}')


def listing(*, is_json: bool) -> str:
    """Return every check and what it means."""
    if is_json:
        rows = [
            {'id': check.name, 'severity': check.severity.word, 'meaning': check.meaning}
            for check in CHECKS
        ]
        return json.dumps(rows, indent=2) + '\n'
    return ''.join(
        f'{check.name} ({check.severity.word})\n  {check.meaning}\n' for check in CHECKS
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with the process's words; return the exit code."""
    parser = argparse.ArgumentParser(prog='doctor', description=DESCRIPTION)
    add_arguments(parser)
    words = list(sys.argv[1:] if args is None else args)
    try:
        return run(parser.parse_args(without_ros_words(words)))
    except BrokenPipeError:
        return NOT_WELL
    except DepthRosError as error:
        sys.stderr.write(f'doctor: {error}\n')
        return CANNOT_LOOK


def without_ros_words(words: Sequence[str]) -> list[str]:
    """Return the words before ``--ros-args``, which launch adds to every node."""
    return list(words[: words.index('--ros-args')] if '--ros-args' in words else words)
