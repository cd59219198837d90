"""Kill a job at every step that changes the disk; each time run it again to its end.

``python -m tests.kit.killed_job BAG FOLDER`` makes a folder of results for every kill and prints
how many there were. Each job runs in a fork of this process, so that all start from one state.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from tests.kit.job_kit import process
from tests.recordings.conftest import stereo_job

KILLED = 9


class Killer:
    """Ends the process at one step; a write is two steps: before it, and half-way through."""

    def __init__(self, at: int, note: Path) -> None:
        self.at, self.note, self.count = at, note, 0

    def step(self, kind: str) -> bool:
        """Count a step; True at the one that is to be the last."""
        self.count += 1
        if self.count == self.at:
            self.note.write_text(kind)
        return self.count == self.at

    def die_at(self, kind: str) -> None:
        if self.step(kind):
            os._exit(KILLED)


class DyingFile:
    """A file whose writes may be cut."""

    def __init__(self, file: Any, killer: Killer) -> None:
        self._file, self._killer = file, killer

    def __enter__(self) -> DyingFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._killer.die_at('write')
        if self._killer.step('half'):
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            os._exit(KILLED)
        return int(self._file.write(data))

    def flush(self) -> None:
        self._file.flush()


def arm(killer: Killer) -> None:
    """Let every change of the disk be a step."""
    opened = Path.open

    def open_(path: Path, mode: str = 'r', *words: Any, **more: Any) -> Any:
        file = opened(path, mode, *words, **more)
        return DyingFile(file, killer) if mode == 'wb' else file

    Path.open = open_  # type: ignore[method-assign]
    for owner, name in ((os, 'fsync'), (Path, 'replace'), (Path, 'unlink'), (Path, 'mkdir')):
        setattr(owner, name, _dying(getattr(owner, name), name, killer))


def _dying(function: Callable[..., Any], name: str, killer: Killer) -> Callable[..., Any]:
    def call(*words: Any, **more: Any) -> Any:
        killer.die_at(name)
        return function(*words, **more)

    return call


def forked(work: Callable[[], None]) -> int:
    """Run in a fork; give its exit code."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
            sys.stderr.write(f'{error!r}\n')
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(bag: Path, folder: Path) -> int:
    cv2.setNumThreads(0)
    process(stereo_job(), bag, folder.parent / 'warm')  # what is loaded now, every fork has
    folder.mkdir()
    kinds: Counter[str] = Counter()
    note = folder.parent / 'step'
    for at in range(1, 10_000):
        out = folder / f'{at:04d}'

        def dying(at: int = at, out: Path = out) -> None:
            killer = Killer(at, note)
            arm(killer)
            process(stereo_job(), bag, out)

        code = forked(dying)
        if code == 0:
            for path in sorted(out.rglob('*'), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            out.rmdir()
            break
        if code != KILLED or forked(lambda out=out: process(stereo_job(), bag, out)) != 0:
            return 1
        kinds[note.read_text()] += 1
    print(json.dumps({'kills': kinds.total(), 'by_kind': kinds}))
    return 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
