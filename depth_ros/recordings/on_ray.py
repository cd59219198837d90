"""Places work on a Ray cluster: a task an item; where, when and on how many machines is Ray's.

A worker process keeps its recording and its engines from one item to the next. What comes back is
a name and counts; the parts themselves go straight to the folder of results, which all machines
must see.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from depth_ros.errors import DepthRosError
from depth_ros.recordings.local import MAX_TRIES, THREAD_VARIABLES, Finished
from depth_ros.recordings.plan import WorkItem
from depth_ros.recordings.workshop import FinishedPart, WorkFailure, Workshop

LOCAL = 'local'
"""Starts a cluster on this machine for the job's time."""
CONNECT_S = 5.0
MIN_WAITING, WAITING_PER_CPU = 64, 4
"""Items that are given out: more than there are processors, so that Ray sees what is needed."""


def run_on_ray(
    items: Sequence[WorkItem],
    out: str,
    *,
    address: str,
    gpus: float = 0.0,
    report: Callable[[int, int], None] = lambda number, frames: None,
    restart: Callable[[int], None] = lambda number: None,
) -> Iterator[Finished]:
    """Return the items as they are done, in any order.

    Args:
        items: Work.
        out: Folder of results; of a cluster of several machines one that all of them see.
        address: ``auto``, the address of a cluster, or ``local``.
        gpus: GPUs for each item.
        report: Called with the place of an item and its frames when it is done.
        restart: Not called: Ray does not say that it begins an item again.

    Raises:
        DepthRosError: If there is no Ray or no cluster, an item fails, or its workers keep dying.
    """
    ray = _connected(address)
    try:
        yield from _finished(ray, items, out, gpus, report)
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise DepthRosError(
            '--ray needs the package ray; type: pip install ray, or leave --ray out'
        ) from None
    try:
        _expect_somebody(address)
        ray.init(
            address=address,
            log_to_driver=False,
            include_dashboard=False if address == LOCAL else None,
            runtime_env={'env_vars': dict.fromkeys(THREAD_VARIABLES, '1')},
        )
    except (OSError, ValueError, RuntimeError) as error:
        text = ' '.join(str(error).split())[:200]
        raise DepthRosError(
            f'there is no Ray cluster at {address!r} ({text}); start one with: ray start --head, '
            f'or use this machine alone with --ray {LOCAL}'
        ) from None
    return ray


def _expect_somebody(address: str) -> None:
    """Require that something listens at ``host:port``: Ray itself would wait for minutes.

    Raises:
        OSError: If nothing does.
    """
    host, separator, port = address.rpartition(':')
    if separator and '/' not in host:
        with socket.create_connection((host, int(port)), timeout=CONNECT_S):
            pass


def _finished(
    ray: Any,
    items: Sequence[WorkItem],
    out: str,
    gpus: float,
    report: Callable[[int, int], None],
) -> Iterator[Finished]:
    """Keep a window of items given out."""
    width = max(MIN_WAITING, round(WAITING_PER_CPU * ray.cluster_resources().get('CPU', 1)))
    todo = iter(enumerate(items))
    running: dict[Any, int] = {}
    while True:
        for number, item in todo:
            running[_given_out(ray, item, out, gpus)] = number
            if len(running) >= width:
                break
        if not running:
            return
        (done,), _ = ray.wait(list(running), num_returns=1)
        number = running.pop(done)
        part = _result(ray, done, items[number])
        report(number, items[number].segment.num_frames)
        yield Finished(number=number, part=part)


def _given_out(ray: Any, item: WorkItem, out: str, gpus: float) -> Any:
    task = ray.remote(_do).options(
        num_cpus=item.task.threads, num_gpus=gpus, max_retries=MAX_TRIES
    )
    return task.remote(item, out, str(Path.cwd()))


def _do(item: WorkItem, out: str, folder: str) -> FinishedPart | WorkFailure:
    """Do an item; relative paths are those of the program that gave it out."""
    with suppress(OSError):
        os.chdir(folder)
    return _workshop(out).attempt(item)


@cache
def _workshop(out: str) -> Workshop:
    return Workshop(out)


def _result(ray: Any, done: Any, item: WorkItem) -> FinishedPart:
    try:
        answer = ray.get(done)
    except ray.exceptions.RayError as error:
        raise DepthRosError(
            f'Ray gave up segment {item.segment.number} of {item.bag} ({item.task.kind}) after '
            f'{MAX_TRIES} tries: {type(error).__name__}; give workers more memory, or make '
            'segments smaller (segments.frames in the job)'
        ) from None
    if isinstance(answer, WorkFailure):
        raise DepthRosError(answer.text)
    found: FinishedPart = answer
    return found
