"""Cache of built engines: each key is built and checked once, then only verified.

One folder per key. It is filled under a temporary name and renamed when complete, so a folder
with the final name is always complete. ``entry.json`` in it repeats the key and
the hash of every file; both are verified before a runtime reads them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from depth_ros.engines.artifact import file_digest
from depth_ros.errors import ArtifactError, EngineError, InputError
from depth_ros.files.draft_folder import draft_folder
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.share import cache_root
from depth_ros.files.whole_file import flush_path

LOCK_TIMEOUT_S = 1800.0
_ENTRY = 'entry.json'
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheKey:
    """Everything a built engine depends on.

    Attributes:
        name: Name for messages and file names, e.g. ``'crestereo-240x320-it4'``.
        onnx_sha256: Hash of the graph.
        runtime: Runtime's name.
        version: Its exact version.
        precision: Precision asked for.
        device: Identity of the device: CPU flags, or GPU name, capability and driver.
        options: Build options and tolerances, as text.
    """

    name: str
    onnx_sha256: str
    runtime: str
    version: str
    precision: str
    device: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(_canonical(asdict(self)).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Folder name: readable beginning, unique end."""
        return f'{self.name}-{self.runtime}-{self.precision}-{self.digest[:16]}'


class EngineCache:
    """Folders of built engines below ``root``; safe to use from several processes."""

    def __init__(
        self, root: Path | None = None, *, lock_timeout_s: float = LOCK_TIMEOUT_S
    ) -> None:
        """Use ``root``, by default ``cache_root()``; nothing is created yet."""
        self._root = root
        self.lock_timeout_s = lock_timeout_s

    @cached_property
    def root(self) -> Path:
        """Where the folders are; only what needs an engine needs it.

        Raises:
            DepthRosError: If this user has no home and no folder was chosen.
        """
        return self._root or cache_root()

    def obtain(self, key: CacheKey, build: Callable[[Path], Mapping[str, object]]) -> Path:
        """Return the verified folder of a key, building it if it is missing.

        Args:
            key: What the engine depends on.
            build: Writes the engine's files into the folder it is given and returns what the
                check measured, kept in the sidecar. Runs at most once at a time per key.

        Raises:
            ArtifactError: If the folder there is damaged or belongs to another key.
            EngineError: If the cache cannot be written, or another builder takes too long.
        """
        final = self.root / 'engines' / key.folder
        if final.exists():
            return _verified(final, key)
        with self.lock(key.folder):
            if final.exists():
                return _verified(final, key)
            with _writing(self.root):
                _build(final, key, build)
        return final

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock of a name; the kernel frees it when its holder dies.

        Raises:
            EngineError: If another process holds it longer than the timeout.
        """
        path = self.root / 'locks' / f'{name}.lock'
        with _writing(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _lock_file(path)
        with file:
            self._wait(file.fileno(), name, path)
            yield

    def _wait(self, descriptor: int, name: str, path: Path) -> None:
        deadline = time.monotonic() + self.lock_timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise EngineError(
                    f'another process has been building {name!r} for over '
                    f'{self.lock_timeout_s:.0f} s; wait for it, or find and end it with: '
                    f'fuser -v {path}'
                )
            time.sleep(_POLL_S)


def _replace_folder(source: Path, final: Path) -> None:
    """Flush a finished folder to the disk and give it its final name, in one step."""
    for path in [*source.iterdir(), source]:
        flush_path(path)
    source.rename(final)
    flush_path(final.parent)


def _build(final: Path, key: CacheKey, build: Callable[[Path], Mapping[str, object]]) -> None:
    """Build under a temporary name, then rename; the caller holds the key's lock."""
    final.parent.mkdir(parents=True, exist_ok=True)
    prefix = f'.{key.folder}.'
    for abandoned in final.parent.glob(f'{prefix}*'):
        shutil.rmtree(abandoned)
    with draft_folder(final.parent, prefix=prefix) as folder:
        check = build(folder)
        _write_entry(folder, key, check)
        _replace_folder(folder, final)


def _write_entry(folder: Path, key: CacheKey, check: Mapping[str, object]) -> None:
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    record: dict[str, object] = {'key': asdict(key), 'files': files, 'check': dict(check)}
    record['entry_sha256'] = hashlib.sha256(_canonical(record).encode()).hexdigest()
    text = json.dumps(record, indent=2, sort_keys=True) + '\n'
    (folder / _ENTRY).write_text(text, encoding='utf-8')


def _verified(folder: Path, key: CacheKey) -> Path:
    record = _read_entry(folder)
    stated = record.pop('entry_sha256', None)
    _expect(folder, _ENTRY, stated, hashlib.sha256(_canonical(record).encode()).hexdigest())
    if _canonical(record.get('key')) != _canonical(asdict(key)):
        raise ArtifactError(
            f'{folder} was built for {record.get("key")!r}, asked for is {asdict(key)!r}; '
            f'{_remedy(folder)}'
        )
    files = record.get('files')
    present = {path.name for path in folder.iterdir()} - {_ENTRY}
    if not isinstance(files, dict) or present != set(files):
        raise ArtifactError(
            f'{folder} holds the files {sorted(present)}, its sidecar names {files!r}; '
            f'{_remedy(folder)}'
        )
    for name, expected in files.items():
        _expect(folder, name, expected, _sha256(folder, name))
    return folder


def _sha256(folder: Path, name: str) -> str:
    try:
        return file_digest(folder / name)
    except (InputError, OSError) as error:
        raise ArtifactError(f'{error}; {_remedy(folder)}') from error


def _read_entry(folder: Path) -> dict[str, object]:
    try:
        record = parse_json(given_text(folder / _ENTRY))
    except (InputError, ValueError) as error:
        raise ArtifactError(
            f'{folder / _ENTRY} cannot be read ({error}); {_remedy(folder)}'
        ) from error
    if not isinstance(record, dict):
        raise ArtifactError(f'{folder / _ENTRY} is not a sidecar: {record!r}; {_remedy(folder)}')
    return record


def _expect(folder: Path, name: str, stated: object, actual: str) -> None:
    if stated != actual:
        raise ArtifactError(
            f'{folder / name} was written with SHA-256 {stated}, this one has {actual}; '
            f'{_remedy(folder)}'
        )


def _remedy(folder: Path) -> str:
    return f'remove it, the next start builds it again: rm -r {str(folder)!r}'


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(',', ':'))


def _lock_file(path: Path) -> IO[bytes]:
    """Open the file that is locked; a pipe of that name is an ``OSError``, not a wait."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), 'ab')


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Turn a full or read-only disk into an error with the remedy."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f'the engine cache {root} cannot be written ({error}); free space there, or set '
            'DEPTH_ROS_CACHE to a folder that can'
        ) from error
