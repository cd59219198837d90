"""Robots for the doctor: real nodes beside stand-in cameras, and the doctor in its own process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.kit.child_environment import child_environment
from tests.kit.live_node import wait_until

DOCTOR_S = 5.0
STOP_S = 15.0
NUM_TRIES = 3
Findings = set[tuple[str, str]]


def environment(**changes: str) -> dict[str, str]:
    """Give what a child needs: the checkout before what was there."""
    return child_environment(**{'PYTHONUNBUFFERED': '1', **changes})


@contextmanager
def process(folder: Path, name: str, *words: str, **changes: str) -> Iterator[subprocess.Popen]:
    """Run a Python module; its words go to ``NAME.log``; end it whatever happens."""
    with (folder / f'{name}.log').open('wb') as log:
        child = subprocess.Popen(
            [sys.executable, '-m', *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(**changes),
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def cameras(folder: Path, *rigs: str) -> Iterator[None]:
    """Run rigs of ``sick_cameras``."""
    with process(folder, 'cameras', 'tests.kit.nodes.sick_cameras', *rigs):
        assert wait_until(lambda: 'sending' in (folder / 'cameras.log').read_text()), 'no cameras'
        yield


@contextmanager
def nodes(folder: Path, kinds: Mapping[str, str], parameters: Mapping[str, Any]) -> Iterator[None]:
    """Run real nodes in one process.

    Args:
        folder: Where logs and parameters go.
        kinds: ``'stereo'`` and the like by rig.
        parameters: Of each, beside the model.
    """
    models = {'stereo': 'sgbm', 'odometry': 'orb'}
    values = {
        f'/{rig}/{rig}_node': {
            'ros__parameters': {
                **({'model': models[kind]} if kind in models else {}),
                **parameters.get(rig, {}),
            }
        }
        for rig, kind in kinds.items()
    }
    path = folder / 'parameters.yaml'
    path.write_text(yaml.safe_dump(values), encoding='utf-8')
    words = [f'{rig}={kind}' for rig, kind in kinds.items()]
    words += ['--ros-args', '--params-file', str(path)]
    with process(folder, 'nodes', 'tests.kit.nodes.several_nodes', *words):
        yield


def run_doctor(
    *words: str, seconds: float = DOCTOR_S, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run the doctor; ``changes`` are of its environment."""
    command = [sys.executable, '-m', 'depth_ros.ros', 'doctor', '--seconds', str(seconds)]
    return subprocess.run(
        [*command, *words],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(**changes),
        check=False,
    )


def diagnosis(
    *words: str,
    of: Sequence[str] = (),
    with_faults: Sequence[tuple[str, str]] = (),
    without: Sequence[tuple[str, str]] = (),
    **changes: Any,
) -> dict[str, Any]:
    """Run the doctor and give its JSON.

    On a machine that is short of time processes find each other late and best effort loses
    messages; the doctor is run again, as a person would, up to ``NUM_TRIES`` times in all.

    Args:
        words: Of its command line.
        of: Nodes that must be there.
        with_faults: Run it again while one of these is not found; the test judges the last.
        without: Run it again while one of these is found.
        changes: As of ``run_doctor``.
    """
    record: dict[str, Any] = {}
    for _ in range(NUM_TRIES):
        result = run_doctor('--json', *words, **changes)
        assert result.returncode in (0, 1), result.stderr
        assert 'Traceback' not in result.stderr, result.stderr
        record = json.loads(result.stdout)
        is_seen = set(of) <= {node['name'] for node in record['nodes']}
        if is_seen and set(with_faults) <= found(record) and not set(without) & found(record):
            break
    return record


def found(record: Mapping[str, Any]) -> Findings:
    """Give (id, about) of all findings."""
    return {(entry['id'], entry['about']) for entry in record['findings']}


def line_of(record: Mapping[str, Any], name: str, about: str) -> str:
    """Give the line to type of one finding."""
    entries: Sequence[Mapping[str, str]] = record['findings']
    lines = [e['type'] for e in entries if (e['id'], e['about']) == (name, about)]
    assert lines, f'{name} about {about} is not among {sorted(found(record))}'
    return lines[0]
