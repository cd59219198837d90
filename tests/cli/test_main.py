"""The entry point: help, errors in one sentence, exit codes."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from depth_ros import __version__
from depth_ros.cli import main as cli_main
from depth_ros.cli.kit.options import as_options
from depth_ros.cli.main import COMMANDS, main
from depth_ros.cli.run.stereo_outputs import KINDS
from depth_ros.files.maps import DISPARITY_SUFFIXES
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.shared_data import REPOSITORY


def test_help_lists_every_command(capsys):
    assert main(['--help']) == 0
    text = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f'  {name}' in text
        assert command.summary in text
    assert main([]) == 0


def test_version(capsys):
    assert main(['--version']) == 0
    assert capsys.readouterr().out.strip() == __version__


NEED_MCAP = ('process', 'report')


@pytest.mark.parametrize('name', list(COMMANDS))
def test_every_command_has_help(name, capsys):
    if name in NEED_MCAP:
        pytest.importorskip('mcap')
    with pytest.raises(SystemExit) as caught:
        main([name, '--help'])
    assert caught.value.code == 0
    assert f'depth-ros {name}' in capsys.readouterr().out


def test_unknown_command(tmp_path):
    outcome = depth_ros('fly', tmp_path, cwd=tmp_path)
    expect_one_sentence(outcome, "no command 'fly'", 'run', 'info', 'bench')


def test_debug_shows_where_an_error_came_from(tmp_path):
    words = ('run', 'stereo', 'a', 'b', '--calibration', 'c')
    assert 'Traceback' in depth_ros(*words, '--debug', cwd=tmp_path).err
    expect_one_sentence(depth_ros(*words, cwd=tmp_path), 'no file or folder a')


def test_missing_module_names_its_package(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'yaml', None)
    for name in list(sys.modules):
        if (
            name.startswith(('depth_ros.engines', 'depth_ros.files', 'depth_ros.cli.'))
            and name != 'depth_ros.cli.main'
        ):
            monkeypatch.delitem(sys.modules, name)
    assert cli_main.main(['info']) == 2
    assert 'pip install PyYAML' in capsys.readouterr().err


def test_a_missing_module_of_our_own_is_not_for_pip():
    said = cli_main._sentence(ModuleNotFoundError(name='depth_ros.models.no_such'))
    assert said.startswith('depth_ros.models.no_such is not there') and 'pip' not in said
    assert 'mend the recipe, or install depth_ros again' in said


def test_interrupt_ends_quietly(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_main, 'import_module', interrupted)
    assert main(['info']) == 130
    assert capsys.readouterr().err == 'depth-ros: interrupted\n'


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    program = (
        f'{sys.executable} -m depth_ros info --json | head -c 1 >/dev/null; '
        'echo ${PIPESTATUS[0]}'
    )
    result = subprocess.run(
        ['bash', '-c', program], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stdout.strip() in ('0', '1')
    assert result.stderr == ''


def test_the_page_about_it_names_every_command_and_format():
    page = (REPOSITORY / 'docs' / 'cli.md').read_text(encoding='utf-8')
    for name, command in COMMANDS.items():
        assert f'  {name:<8}  {command.summary}\n' in page
    for word in (*DISPARITY_SUFFIXES, *KINDS.values()):
        suffix = word if isinstance(word, str) else word.suffix
        assert suffix in page.replace('PNG', '.png'), suffix


def test_sentences_of_lower_floors_name_options():
    arguments = argparse.Namespace(scale_mode=None, model='sgbm', max_gap_s=1.0)
    said = 'set scale.mode or model, raise max_gap_s; set model to sgbm; see /a/max_gap_s.yaml'
    assert as_options(said, arguments) == (
        'set --scale-mode or model, raise --max-gap-s; set --model to sgbm; see /a/max_gap_s.yaml'
    )
