"""Interleaved timing and reports that every benchmark here shares.

Contenders take turns within one run, so that a drift of the machine's speed hits all alike;
what counts are the ratios within one table.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parent / 'out'


def interleave(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Run every contender once a round; give wall milliseconds by name."""
    for _ in range(warmup):
        for run in contenders.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            times[name].append(1000.0 * (time.perf_counter() - start))
        show_progress(index + 1, rounds)
    return times


def show_progress(done: int, total: int) -> None:
    """Draw a progress line on a terminal; say nothing in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f'\rround {done} of {total}' + ('\n' if done == total else ''))
        sys.stderr.flush()


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """Give p50, p95 and p99, rounded to a hundredth of a millisecond."""
    cuts = np.percentile(values_ms, [50, 95, 99])
    return {
        name: round(float(cut), 2) for name, cut in zip(('p50', 'p95', 'p99'), cuts, strict=True)
    }


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


def write_report(name: str, record: Mapping[str, object]) -> Path:
    """Write the raw figures as ``benchmarks/out/<name>.json`` and say where."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f'{name}.json'
    path.write_text(json.dumps({'machine': machine(), **record}, indent=1), encoding='utf-8')
    print(f'raw figures: {path}')
    return path
