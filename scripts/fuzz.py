"""Feed altered bytes to every reader of files until the time is over; ``make fuzz``.

Each reader runs in a process of its own under atheris, which follows the branches of depth_ros.
What ends one is kept in ``fuzz_out/`` and tried again first the next time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=['depth_ros']):
    from tests.kit.hostile_files import HOSTILE_FILES, HostileFile, outcome_of

FOUND = Path('fuzz_out')
MEMORY_MIB = 4096
LONGEST_S = 10
"""A reader that takes longer for a few kilobytes hangs."""


def main() -> int:
    """Fuzz every reader, or the one that is named; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=int, default=10, help='for each reader')
    parser.add_argument('--reader', default='', help='part of a name; default: all')
    parser.add_argument('--one', default='', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _fuzz(next(h for h in HOSTILE_FILES if h.name == arguments.one), arguments.seconds)
        return 0
    FOUND.mkdir(exist_ok=True)
    chosen = [h.name for h in HOSTILE_FILES if arguments.reader in h.name]
    failed = [name for name in chosen if not _survives(name, arguments.seconds)]
    print(f'{len(chosen) - len(failed)} of {len(chosen)} readers hold for {arguments.seconds} s')
    for name in failed:
        print(f'failed: {name}; what did it is in {FOUND}/{_file_name(name)}-*')
    return int(bool(failed))


def _survives(name: str, seconds: int) -> bool:
    """Fuzz one reader in a process of its own, which atheris ends."""
    command = [sys.executable, __file__, '--one', name, '--seconds', str(seconds)]
    print(f'{name} ...', flush=True)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], sep='\n')
    return not done.returncode


def _fuzz(hostile: HostileFile, seconds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, corpus = Path(place) / 'input', Path(place) / 'corpus'
        folder.mkdir()
        corpus.mkdir()
        hostile.make(folder)
        (corpus / 'valid').write_bytes((folder / hostile.file).read_bytes())
        kept = sorted(FOUND.glob(f'{_file_name(hostile.name)}-*'))
        for number, path in enumerate(kept):
            (corpus / f'kept-{number}').write_bytes(path.read_bytes())
        options = [
            f'-max_total_time={seconds}',
            f'-timeout={LONGEST_S}',
            f'-rss_limit_mb={MEMORY_MIB}',
            f'-artifact_prefix={FOUND}/{_file_name(hostile.name)}-',
            str(corpus),
        ]
        atheris.Setup([sys.argv[0], *options], lambda data: outcome_of(hostile, folder, data))
        atheris.Fuzz()


def _file_name(name: str) -> str:
    return name.replace(' ', '_').replace('.', '_').replace('/', '_')


if __name__ == '__main__':
    sys.exit(main())
