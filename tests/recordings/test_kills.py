"""A job that dies at any write, before it or half-way through it, ends with the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.child_environment import child_environment
from tests.kit.job_kit import process
from tests.kit.plane_drive import Drive
from tests.kit.shared_data import REPOSITORY
from tests.recordings.conftest import stereo_job, without_parts

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')


def test_killed_at_every_write_and_begun_again_gives_the_same_bytes(tmp_path: Path) -> None:
    bag = Drive(num_frames=3).write(tmp_path / 'drive.mcap')
    process(stereo_job(), bag, tmp_path / 'whole')
    result = subprocess.run(
        [sys.executable, '-m', 'tests.kit.killed_job', str(bag), str(tmp_path / 'killed')],
        cwd=REPOSITORY,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)
    assert counts['kills'] > 30
    assert counts['by_kind'].keys() >= {'write', 'half', 'fsync', 'replace', 'unlink', 'mkdir'}
    every_file = {path.name for path in (tmp_path / 'whole').rglob('*') if path.is_file()}
    whole = without_parts(tmp_path / 'whole')
    folders = sorted((tmp_path / 'killed').iterdir())
    assert len(folders) == counts['kills']
    for folder in folders:
        assert without_parts(folder) == whole, folder.name
        left = {path.name for path in folder.rglob('*') if path.is_file()}
        assert left == every_file, folder.name
