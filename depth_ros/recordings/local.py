"""Places work on processes of this machine: each loads the engine once, and works on its own.

A worker that dies is replaced and its work given out again; one that fails ends the job with its
sentence. Ctrl-C lets the work under way finish.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from depth_ros.errors import DepthRosError
from depth_ros.recordings.plan import WorkItem
from depth_ros.recordings.workshop import FinishedPart, WorkFailure, Workshop

MAX_TRIES = 3
"""Times that a segment is begun; one at which workers keep dying is named."""
THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Finished:
    """An item that is done.

    Attributes:
        number: Its place in the list.
        part: What came of it.
    """

    number: int
    part: FinishedPart


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    number: int | None = None
    """Item under way."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Watch:
    """Who is told what happens."""

    report: Callable[[int, int], None]
    restart: Callable[[int], None]
    tell: Callable[[str], None]


@dataclass(slots=True, eq=False)
class _Crew:
    """Workers, and what is left to give out."""

    out: str
    items: Sequence[WorkItem]
    waiting: deque[int]
    watch: _Watch
    workers: list[_Worker] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    is_stopping: bool = False


def run_locally(
    items: Sequence[WorkItem],
    out: str,
    *,
    num_workers: int,
    report: Callable[[int, int], None] = lambda number, frames: None,
    restart: Callable[[int], None] = lambda number: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Finished]:
    """Return the items as they are done, in any order.

    Args:
        items: Work.
        out: Folder of results.
        num_workers: Processes.
        report: Called with the place of an item and the number of frames done since.
        restart: Called with the place of an item that is begun again.
        tell: Called with a sentence for the user.

    Raises:
        DepthRosError: If a worker fails, or workers keep dying at one item.
        KeyboardInterrupt: After Ctrl-C, once the items under way are done.
    """
    watch = _Watch(report=report, restart=restart, tell=tell)
    crew = _Crew(out=out, items=items, waiting=deque(range(len(items))), watch=watch)
    try:
        for _ in range(min(num_workers, len(items))):
            crew.workers.append(_hired(out))
        yield from _rounds(crew)
    finally:
        for worker in crew.workers:
            _dismiss(worker)


def worker_main(pipe: Connection, out: str) -> None:
    """Do what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    workshop = Workshop(out)
    while True:
        try:
            number, item = pipe.recv()
        except (EOFError, OSError):
            break
        report = partial(_send_frames, pipe, number)
        try:
            pipe.send((number, workshop.attempt(item, report)))
        except OSError:
            break  # nobody waits for it any more
    workshop.close()


def _send_frames(pipe: Connection, number: int, frames: int) -> None:
    pipe.send((number, frames))


def _rounds(crew: _Crew) -> Iterator[Finished]:
    with _noticed_interrupts(crew):
        while True:
            if not crew.is_stopping:
                _give_out(crew)
            busy = [worker for worker in crew.workers if worker.number is not None]
            if not busy:
                break
            for worker in _ready(busy):
                answer = _received(crew, worker)
                if answer is not None:
                    yield answer
    if crew.waiting:
        raise KeyboardInterrupt


@contextmanager
def _noticed_interrupts(crew: _Crew) -> Iterator[None]:
    """Let the first Ctrl-C be a note, the second what it always is.

    An exception at any moment could tear a message of a worker in two.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def note(number: int, frame: object) -> None:
        if crew.is_stopping:
            raise KeyboardInterrupt
        crew.is_stopping = True
        crew.watch.tell('finishing the segments under way; Ctrl-C once more drops them')

    former = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _give_out(crew: _Crew) -> None:
    for worker in crew.workers:
        if worker.number is None and crew.waiting:
            number = crew.waiting.popleft()
            worker.number = number
            crew.tries[number] = crew.tries.get(number, 0) + 1
            with suppress(OSError):  # it has died: the next look at its pipe says so
                worker.pipe.send((number, crew.items[number]))


def _ready(busy: Sequence[_Worker]) -> list[_Worker]:
    ready = wait([worker.pipe for worker in busy])
    return [worker for worker in busy if worker.pipe in ready]


def _received(crew: _Crew, worker: _Worker) -> Finished | None:
    try:
        number, answer = worker.pipe.recv()
    except (EOFError, OSError):
        _replace(crew, worker)
        return None
    if isinstance(answer, int):
        crew.watch.report(number, answer)
        return None
    worker.number = None
    if isinstance(answer, WorkFailure):
        raise DepthRosError(answer.text)
    return Finished(number=number, part=answer)


def _replace(crew: _Crew, worker: _Worker) -> None:
    """Hire another one for a worker that died, and give out its work again."""
    _dismiss(worker)
    number = worker.number
    assert number is not None, 'only workers with work are listened to'
    item = crew.items[number]
    where = f'segment {item.segment.number} of {item.bag} ({item.task.kind})'
    ended = f'a worker ended with code {worker.process.exitcode} at {where}'
    if crew.tries[number] >= MAX_TRIES:
        raise DepthRosError(
            f'{ended}, {MAX_TRIES} times; -9 is often a lack of memory: use fewer workers '
            '(--workers 1) or smaller segments (segments.frames in the job)'
        )
    crew.watch.restart(number)
    crew.watch.tell(f'{ended}; it is done again')
    crew.waiting.appendleft(number)
    crew.workers[crew.workers.index(worker)] = _hired(crew.out)


def _hired(out: str) -> _Worker:
    """Start a worker whose libraries use one thread unless the job says more."""
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    former = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, '1'))
    try:
        process = context.Process(target=worker_main, args=(theirs, out), daemon=True)
        process.start()
    finally:
        for name, value in former.items():
            _restore(name, value)
    theirs.close()
    return _Worker(process=process, pipe=ours)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _dismiss(worker: _Worker) -> None:
    """End a worker: an idle one by itself, one at work at once (its part is written whole)."""
    worker.pipe.close()
    if worker.number is None:
        worker.process.join(timeout=5.0)
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()
