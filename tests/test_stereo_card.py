"""The script that writes the stereo card anew: what it replaces and what it leaves alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.kit.shared_data import REPOSITORY


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        'stereo_card', REPOSITORY / 'scripts' / 'stereo_card.py'
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_between_the_marks_is_replaced(script: ModuleType) -> None:
    card = f'words\n{script.BEGIN}\n\n| old |\n\n{script.END}\nmore words\n'
    written = script.with_table(card, '| new |')
    assert written == f'words\n{script.BEGIN}\n\n| new |\n\n{script.END}\nmore words\n'
    assert script.with_table(written, '| new |') == written


def test_the_card_has_the_marks(script: ModuleType) -> None:
    card = script.CARD.read_text(encoding='utf-8')
    assert card.index(script.BEGIN) < card.index('| pair | method |') < card.index(script.END)


def test_a_card_without_marks_is_told_before_anything_is_measured(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[Any],
) -> None:
    card = tmp_path / 'card.md'
    card.write_text('words')
    monkeypatch.setattr('sys.argv', ['stereo_card', str(tmp_path), '--card', str(card)])
    assert script.main() == 2
    assert 'needs the lines <!-- stereo-card: begin -->' in capsys.readouterr().out
