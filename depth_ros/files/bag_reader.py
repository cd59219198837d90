"""Opens what people call a bag: a rosbag2 folder, its storage files alone, cut or compressed ones.

What cannot be read is refused with the command that makes it readable.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, cast

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.bag_topics import BagTopic, printable
from depth_ros.files.cut_bags import MCAP_MAGIC, CutBag, is_cut, mcap_repair
from depth_ros.files.given_file import given_text, regular_file
from depth_ros.files.yaml_text import parse_yaml

METADATA = 'metadata.yaml'
SUFFIXES = ('.mcap', '.db3')
COMPRESSED = '.zstd'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
NEWEST_METADATA = 9
"""Version of the metadata that rosbags knows; a newer folder is read by its storage files."""

_LARGEST_BAG = 1 << 46

_READ_ERRORS = (
    sqlite3.Error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AssertionError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,
)
"""What the readers raise on truncated or altered files, beside their own errors."""


class Connection(Protocol):
    """A topic of one publisher, as rosbags has it."""

    topic: str
    msgtype: str
    msgcount: int


class BagReader(Protocol):
    """The part of ``rosbags.rosbag2.Reader`` that is used."""

    @property
    def connections(self) -> Sequence[Connection]:
        """Topics, once it is open."""

    def open(self) -> None:
        """Open the files."""

    def close(self) -> None:
        """Close the files."""

    def messages(
        self, connections: Sequence[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Return the messages in order of recording."""


class SplitBag:
    """Storage files of one recording without metadata, read one after the other."""

    def __init__(self, readers: Sequence[BagReader]) -> None:
        """Remember the readers, in order of recording."""
        self._readers = tuple(readers)
        self._opened = ExitStack()

    @property
    def connections(self) -> Sequence[Connection]:
        """Topics of all files."""
        return [connection for reader in self._readers for connection in reader.connections]

    def open(self) -> None:
        """Open every file."""
        for reader in self._readers:
            reader.open()
            self._opened.callback(reader.close)

    def close(self) -> None:
        """Close every file."""
        self._opened.close()

    def messages(
        self, connections: Sequence[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Return the messages of the first file, then those of the next."""
        for reader in self._readers:
            own = [wanted for wanted in reader.connections if wanted in connections]
            if own:
                yield from reader.messages(connections=own)


def is_bag(path: Path) -> bool:
    """Whether a path looks like a rosbag2 folder or one of its storage files."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(_storage_files(path))
    return path.is_file() and _is_storage_name(path)


@contextmanager
def open_bag(path: Path) -> Iterator[BagReader]:
    """Open a bag while the block runs.

    Raises:
        InputError: If it cannot be read; says what to type.
        DepthRosError: If the library is missing.
    """
    reader = _reader_of(path)
    with reading(path):
        reader.open()
    try:
        yield reader
    finally:
        reader.close()


def messages_of(
    reader: BagReader, names: Sequence[str], path: Path
) -> Iterator[tuple[str, object]]:
    """Read and deserialise the messages of some topics in order of recording.

    Raises:
        InputError: Where the bag is damaged.
    """
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    wanted = [connection for connection in reader.connections if connection.topic in names]
    messages = iter(reader.messages(connections=wanted))
    while True:
        with reading(path):
            found = next(messages, None)
            if found is None:
                return
            connection, _, data = found
            _expect_plain(data, path)
            message = store.deserialize_cdr(data, connection.msgtype)
        yield connection.topic, message


def topics_of(reader: BagReader) -> tuple[BagTopic, ...]:
    """List topics; a topic with several publishers is one."""
    counts: Counter[tuple[str, str]] = Counter()
    for connection in reader.connections:
        counts[connection.topic, connection.msgtype] += connection.msgcount
    return tuple(
        BagTopic(name=name, type=kind, count=count) for (name, kind), count in counts.items()
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors of a damaged bag into ``InputError``."""
    try:
        yield
    except _read_errors() as error:
        text = printable(str(error)[:200])
        raise InputError(
            'bag',
            f'{path} cannot be read further ({type(error).__name__}: {text}); it may be cut off '
            f'or damaged: copy it again, or type: {_repair(path)}',
        ) from error


def _expect_plain(data: bytes, path: Path) -> None:
    """Refuse a compressed message: only the metadata says how messages are compressed.

    Raises:
        InputError: If it is one; CDR begins with a zero.
    """
    if bytes(data[:4]) == ZSTD_MAGIC:
        raise InputError(
            'bag',
            f'{path} holds compressed messages, which only {METADATA} says how to read; give the '
            f'folder that was recorded, with its {METADATA}',
        )


def _reader_of(path: Path) -> BagReader:
    """Choose what to open: the folder, or its storage files where metadata does not help."""
    if not path.exists():
        raise InputError('file', f'there is no bag {path}; check the path')
    try:
        from rosbags.rosbag2 import Reader
    except ImportError:
        raise DepthRosError(
            'reading a bag needs the package rosbags; type: pip install rosbags'
        ) from None
    files = _storage_files(path) if path.is_dir() else [path]
    for file in files:
        _check_storage(file)
    if path.is_dir() and _has_metadata(path):
        return _whole_or_cut(files[0]) if len(files) == 1 and is_cut(files[0]) else Reader(path)
    if not files or any(file.suffix == COMPRESSED for file in files):
        raise InputError('bag', _unreadable_files(path, files))
    readers: list[BagReader] = [_whole_or_cut(file) for file in files]
    return readers[0] if len(readers) == 1 else SplitBag(readers)


def _whole_or_cut(file: Path) -> BagReader:
    from rosbags.rosbag2 import Reader

    if is_cut(file):
        return cast(BagReader, CutBag(file))
    with reading(file):
        return cast(BagReader, Reader(file))


def _has_metadata(path: Path) -> bool:
    """Whether the metadata of a folder can be used; that of a newer version cannot.

    Raises:
        InputError: If it is there and damaged.
    """
    file = path / METADATA
    if not file.exists():
        return False
    try:
        content = parse_yaml(given_text(file))
        information = cast(dict, content)['rosbag2_bagfile_information']
        return int(information['version']) <= NEWEST_METADATA
    except (InputError, ValueError, KeyError, TypeError) as error:
        is_other = isinstance(error, (KeyError, TypeError))
        words = 'it does not describe a recording' if is_other else str(error)
        raise InputError(
            'bag',
            f'{file} cannot be read ({words}); move it away, the recording is read without it, or '
            f'type: ros2 bag reindex {path}',
        ) from None


def _check_storage(file: Path) -> None:
    """Refuse what another program has to convert first.

    Raises:
        InputError: With the command.
    """
    regular_file(file, max_bytes=_LARGEST_BAG)
    if file.suffix == '.bag':
        raise InputError(
            'bag',
            f'{file} is a ROS 1 bag; convert it with: '
            f'rosbags-convert --src {file} --dst {file.stem}',
        )
    if file.suffix == '.mcap' and not _is_mcap(file):
        raise InputError(
            'bag',
            f'{file} is no MCAP file ({file.stat().st_size} bytes that do not begin as one does); '
            'copy or record it again',
        )
    if file.suffix == '.mcap' and _mcap_profile(file) == 'ros1':
        raise InputError(
            'bag',
            f'{file} holds ROS 1 messages (profile ros1); convert the .bag that it was made from '
            f'with: rosbags-convert --src {file.stem}.bag --dst {file.stem}',
        )


def _is_mcap(file: Path) -> bool:
    with file.open('rb') as stream:
        return stream.read(len(MCAP_MAGIC)) == MCAP_MAGIC


def _mcap_profile(file: Path) -> str:
    """Return the profile of an MCAP file's header (mcap.dev/spec, Header); empty if damaged."""
    with file.open('rb') as stream:
        head = stream.read(len(MCAP_MAGIC) + 9 + 4 + 64)
    if not head.startswith(MCAP_MAGIC) or len(head) < len(MCAP_MAGIC) + 13:
        return ''
    at = len(MCAP_MAGIC) + 9
    (length,) = struct.unpack_from('<I', head, at)
    return head[at + 4 : at + 4 + min(length, 64)].decode('utf-8', 'replace')


def _unreadable_files(path: Path, files: Sequence[Path]) -> str:
    """Say why the files of a folder without metadata, or a file alone, cannot be opened."""
    compressed = [file for file in files if file.suffix == COMPRESSED]
    if compressed:
        return (
            f'{compressed[0]} is compressed as a whole, which only a folder with its {METADATA} '
            f'says how to read; decompress it with: zstd -d {compressed[0]}'
        )
    kinds = ' or '.join(SUFFIXES)
    return (
        f'{path} has no {METADATA} and no files ending in {kinds}; if it is a bag, type: '
        f'ros2 bag reindex {path}'
    )


def _repair(path: Path) -> str:
    files = [path] if path.suffix == '.mcap' else sorted(path.glob('*.mcap'))
    return mcap_repair(files[0]) if files else f'ros2 bag reindex {path}'


def _read_errors() -> tuple[type[Exception], ...]:
    """Return what damage raises: rosbags' own errors, those of what it uses, and the rest."""
    from rosbags.rosbag2 import ReaderError
    from rosbags.serde import SerdeError

    known: list[type[Exception]] = [ReaderError, SerdeError, *_READ_ERRORS]
    for module, name in _ERRORS_OF_LIBRARIES:
        try:
            known.append(getattr(__import__(module, fromlist=[name]), name))
        except (ImportError, AttributeError):
            continue
    return tuple(known)


_ERRORS_OF_LIBRARIES = (
    ('apsw', 'Error'),
    ('backports.zstd', 'ZstdError'),
    ('compression.zstd', 'ZstdError'),
    ('mcap.exceptions', 'McapError'),
    ('zstandard', 'ZstdError'),
)
"""Errors of what rosbags and mcap use, which differs with their versions."""


def _is_storage_name(path: Path) -> bool:
    name = path.name.removesuffix(COMPRESSED)
    return name.endswith((*SUFFIXES, '.bag'))


def _storage_files(folder: Path) -> list[Path]:
    """Return the storage files of a folder by the numbers in their names."""
    found = [file for file in folder.iterdir() if _is_storage_name(file) and file.suffix != '.bag']
    return sorted(found, key=lambda file: _by_number(file.name))


def _by_number(name: str) -> list[tuple[int, str]]:
    words = re.findall(r'\d+|\D+', name)
    return [(int(word), '') if word.isdigit() else (-1, word) for word in words]
