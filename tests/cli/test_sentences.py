"""Mistakes on the command line: what came, and what to type next."""

from __future__ import annotations

import pytest

from depth_ros.cli.kit.tables import counted
from depth_ros.cli.main import main


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        ('run stereo a b --modell sgbm', ('--model', 'depth-ros run stereo --help')),
        ('run stereo a b --modell=sgbm', ('the nearest is --model;',)),
        ('run sterio a b', ("'sterio'", 'the nearest is stereo', 'depth-ros run --help')),
        ('runn stereo', ("no command 'runn', the nearest is run;",)),
        ('weights lst', ('the nearest is list', 'depth-ros weights --help')),
        ('run stereo -left.png b.png', ('./-left.png',)),
        ('run match -left.png b.png', ('./-left.png',)),
        ('demo --duration -5', ('--duration', "got '-5'")),
        ('demo --duration nan', ('--duration', "got 'nan'")),
        ('demo --rate 0', ('--rate', 'within 0.1..1000', "got '0'")),
        ('demo --rate x', ('--rate', "got 'x'")),
    ],
)
def test_a_wrong_word_is_named_with_what_to_type(
    words: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    for part in parts:
        assert part in said


def test_a_wrong_recipe_is_told_before_a_missing_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip('torch', reason='training needs torch')
    assert main(['train', 'foo']) == 2
    assert "no training recipe 'foo'" in capsys.readouterr().err


@pytest.mark.parametrize('words', ['weights list', 'report --help', 'evaluate --help'])
def test_lists_fit_a_terminal(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '80')
    if words.startswith('report'):
        pytest.importorskip('mcap')
    if words.endswith('--help'):
        with pytest.raises(SystemExit):
            main(words.split())
    else:
        assert main(words.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    wide = [line for line in lines if len(line) > 80 and not line.startswith('imported: ')]
    assert lines and not wide


def test_one_is_not_many() -> None:
    assert (counted(1, 'frame'), counted(0, 'frame')) == ('1 frame', '0 frames')
