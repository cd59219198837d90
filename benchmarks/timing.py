"""Reports that every benchmark here shares; ``depth_ros.cli.kit.timing`` does the timing."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OUT = Path(__file__).resolve().parent / 'out'


def show_progress(fraction: float) -> None:
    """Draw a progress line on a terminal; say nothing in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f'\r{fraction:.0%}' + ('\n' if fraction >= 1.0 else ''))
        sys.stderr.flush()


def machine() -> dict[str, object]:
    """Describe the machine as far as timing depends on it."""
    lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    fields = {
        line.split(':')[0].strip(): line.split(':', 1)[1].strip() for line in lines if ':' in line
    }
    flags = fields.get('flags', '').split()
    return {
        'cpu': fields.get('model name', platform.processor()),
        'cores': os.cpu_count(),
        'isa': [flag for flag in ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16') if flag in flags],
        'load_1min': round(os.getloadavg()[0], 2),
        'python': platform.python_version(),
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Give a Markdown table."""
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(str(cell) for cell in line) + ' |' for line in lines)


def write_report(name: str, record: Mapping[str, object], *, is_quiet: bool = False) -> Path:
    """Write the raw figures as ``benchmarks/out/<name>.json`` and, unless quiet, say where."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f'{name}.json'
    path.write_text(json.dumps({'machine': machine(), **record}, indent=1), encoding='utf-8')
    if not is_quiet:
        print(f'raw figures: {path}')
    return path
