"""CPU facts from made-up machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_ros.engines import cpu_runtime as cpu

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 207
flags\t\t: avx2 amx_bf16 avx512f

processor\t: 1
flags\t\t: other
"""
ARM = """processor\t: 0
Features\t: fp asimd bf16
CPU implementer\t: 0x41
CPU part\t: 0xd42
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    cpu.cpu_flags.cache_clear()
    cpu.cpu_identity.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> None:
    path.write_text(text)
    monkeypatch.setattr(cpu, '_CPUINFO', path)
    cpu.cpu_flags.cache_clear()
    cpu.cpu_identity.cache_clear()


def test_flags_of_x86_and_arm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / 'x86', X86)
    assert cpu.cpu_flags() == {'avx2', 'amx_bf16', 'avx512f'}
    assert 'model=207' in cpu.cpu_identity() and 'amx_bf16' in cpu.cpu_identity()
    pretend(monkeypatch, tmp_path / 'arm', ARM)
    assert cpu.cpu_flags() == {'fp', 'asimd', 'bf16'}
    assert 'CPU part=0xd42' in cpu.cpu_identity()


def test_unreadable_cpuinfo_means_no_flags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu, '_CPUINFO', tmp_path / 'absent')
    cpu.cpu_flags.cache_clear()
    assert cpu.cpu_flags() == frozenset()


@pytest.mark.parametrize(('cores', 'threads'), [(1, 1), (2, 2), (3, 2), (4, 3), (8, 7)])
def test_one_core_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int
) -> None:
    monkeypatch.setattr(cpu.os, 'sched_getaffinity', lambda pid: set(range(cores)))
    monkeypatch.setattr(cpu, '_siblings', str)
    assert cpu.default_threads() == threads


def test_hyper_threads_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.os, 'sched_getaffinity', lambda pid: set(range(8)))
    monkeypatch.setattr(cpu, '_siblings', lambda index: str(index % 4))
    assert cpu.default_threads() == 3
