"""Run ``depth-ros`` as a user does: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kit.child_environment import child_environment

TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def depth_ros(*words: object, cwd: Path, cache: Path | None = None) -> Outcome:
    """Run one command in ``cwd`` with a cache of its own."""
    environment = child_environment(
        DEPTH_ROS_CACHE=str(cache or cwd / 'cache'), OMP_NUM_THREADS='1'
    )
    result = subprocess.run(
        [sys.executable, '-m', 'depth_ros', *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Outcome(code=result.returncode, out=result.stdout, err=result.stderr)


def expect_one_sentence(outcome: Outcome, *parts: str) -> None:
    """Require exit code 2 and one line on stderr that has all the parts, and no traceback."""
    assert outcome.code == 2, outcome
    assert 'Traceback' not in outcome.err
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith('depth-ros: ')
    for part in parts:
        assert part in lines[0], (part, lines[0])
