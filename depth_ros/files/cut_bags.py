"""Reads truncated bags (full disk, power loss, interrupted copy).

The index of a recording stands at its end, so readers that begin there find nothing. These begin
at the front and yield every message up to the damage, then report where it is.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import DepthRosError, InputError

MCAP_MAGIC = b'\x89MCAP0\r\n'
SQLITE_MAGIC = b'SQLite format 3\x00'


@dataclass(frozen=True, slots=True)
class CutTopic:
    """A topic of a cut bag, named as ``rosbags`` does; ``msgcount`` counts what can be read."""

    topic: str
    msgtype: str
    msgcount: int


@dataclass(frozen=True, slots=True)
class _Record:
    topic: str
    kind: str
    time_ns: int
    data: bytes


class CutBag:
    """Reads one storage file from the front; offers what is used of ``rosbags.rosbag2.Reader``."""

    def __init__(self, path: Path) -> None:
        """Remember the file; ``open`` goes through it once to count."""
        self.path = path
        self.connections: Sequence[CutTopic] = ()
        self._num_whole = 0

    def open(self) -> None:
        """Count the messages of every topic up to the damage.

        Raises:
            InputError: If not even the first message is whole.
            DepthRosError: If a library is missing.
        """
        counts: Counter[tuple[str, str]] = Counter()
        for record in self._records():
            counts[record.topic, record.kind] += 1
        self._num_whole = counts.total()
        if not counts:
            raise InputError('bag', self._sentence())
        self.connections = [CutTopic(*names, count) for names, count in counts.items()]

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def messages(self, connections: Sequence[CutTopic]) -> Iterator[tuple[CutTopic, int, bytes]]:
        """Return topic, time of recording and bytes of the whole messages, in order of recording.

        Raises:
            InputError: After the last one, saying where the damage is and how to repair it.
        """
        by_name = {connection.topic: connection for connection in connections}
        for record in self._records():
            if record.topic in by_name:
                yield by_name[record.topic], record.time_ns, record.data
        raise InputError('bag', self._sentence())

    def _records(self) -> Iterator[_Record]:
        is_mcap = self.path.suffix == '.mcap'
        return _mcap_records(self.path) if is_mcap else _sqlite_records(self.path)

    def _sentence(self) -> str:
        repair = (
            mcap_repair(self.path)
            if self.path.suffix == '.mcap'
            else f'sqlite3 {self.path} .recover | sqlite3 repaired.db3'
        )
        return (
            f'{self.path} is cut off or damaged after {self._num_whole} whole messages '
            f'({self.path.stat().st_size} bytes); those were read. To repair it, type: {repair}'
        )


def is_cut(path: Path) -> bool:
    """Whether a storage file has a valid beginning but no valid end."""
    if path.suffix not in ('.mcap', '.db3') or not path.is_file():
        return False
    size = path.stat().st_size
    with path.open('rb') as file:
        head = file.read(32)
        file.seek(max(0, size - len(MCAP_MAGIC)))
        tail = file.read()
    if path.suffix == '.mcap':
        return head.startswith(MCAP_MAGIC) and tail != MCAP_MAGIC
    return head.startswith(SQLITE_MAGIC) and size < _sqlite_size(head)


def mcap_repair(path: Path) -> str:
    """Return the command that mends an MCAP file: ``ros2 bag reindex`` does not."""
    return f'mcap recover {path} -o repaired.mcap'


def _sqlite_size(head: bytes) -> int:
    """Return the size that the header promises (sqlite.org/fileformat.html, offsets 16 and 28)."""
    page = int.from_bytes(head[16:18], 'big')
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], 'big')


def _mcap_records(path: Path) -> Iterator[_Record]:
    """Read messages until a record is not whole."""
    try:
        from mcap.exceptions import McapError
        from mcap.reader import NonSeekingReader
    except ImportError:
        raise DepthRosError(
            f'{path} is cut off; reading it up to the damage needs the package mcap: type '
            f'pip install mcap, or repair it with: {mcap_repair(path)}'
        ) from None
    with path.open('rb') as file:
        found = NonSeekingReader(file).iter_messages(log_time_order=False)
        while True:
            try:
                schema, channel, message = next(found)
            except (StopIteration, McapError, EOFError, ValueError, OSError, RuntimeError):
                return
            kind = schema.name if schema else ''
            yield _Record(channel.topic, kind, message.log_time, message.data)


def _sqlite_records(path: Path) -> Iterator[_Record]:
    """Read messages in the order of their rows until a page is missing."""
    try:
        base = sqlite3.connect(f'{path.resolve().as_uri()}?immutable=1', uri=True)
    except sqlite3.Error:
        return
    try:
        # Otherwise SQLite refuses a file that is shorter than its header says.
        base.execute('PRAGMA writable_schema=ON')
        topics = {
            number: (name, kind)
            for number, name, kind in base.execute('SELECT id, name, type FROM topics')
        }
        rows = base.execute('SELECT topic_id, timestamp, data FROM messages ORDER BY rowid')
        for number, time_ns, data in rows:
            yield _Record(*topics[number], time_ns, data)
    except (sqlite3.Error, KeyError):
        return
    finally:
        base.close()
