"""``depth-ros evaluate``: every task on folders of rendered frames, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import depth_ros.cli.evaluate.match as match_command
import depth_ros.cli.evaluate.mono as mono_command
import depth_ros.cli.evaluate.multiview as multiview_command
from depth_ros.cli.main import main
from depth_ros.evaluation.match import YARDSTICKS
from depth_ros.evaluation.posed_views import MultiViewSet, rendered
from depth_ros.pictures.panels import write_picture
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.multiview.processor import MultiViewOutput
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.child_environment import child_environment
from tests.kit.match_scenes import shifted_pair
from tests.kit.mono_doubles import open_truth as open_true_mono
from tests.kit.shared_data import shared_path
from tests.kit.stereo_pairs import textured_pair, write_motorcycle
from tests.kit.truth_folders import write_hololens, write_iclnuim

TASKS = ('stereo', 'mono', 'multiview', 'match')
Cells = dict[tuple[str, str], list[str]]


def evaluate(*words: object) -> int:
    return main(['evaluate', *map(str, words)])


def rows_of(text: str) -> Cells:
    """Read a Markdown table: the cells of a line by its first two."""
    lines = [line.strip('| ').split(' | ') for line in text.splitlines() if line.startswith('|')]
    return {(line[0], line[1]): line[2:] for line in lines[2:]}


# What is typed wrongly


def test_an_unknown_word_lists_what_can_be_evaluated(capsys: pytest.CaptureFixture) -> None:
    assert evaluate('sterio', '--data', '.') == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and "'sterio'" in error
    assert all(task in error for task in TASKS)


@pytest.mark.parametrize('task', TASKS)
def test_a_folder_without_the_sets_is_told(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert evaluate(task, '--data', tmp_path / 'absent') == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and 'no such folder' in error and '--data' in error
    assert evaluate(task) == 2
    assert '--data' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('stereo', '--model', 'monodepth2'), "no stereo model 'monodepth2'"),
        (('stereo', '--model', 'sgbm', '--size', '240x320'), 'leave --size out'),
        (('stereo', '--model', 'sgbm', '--gallery', 'x.png'), '--gallery'),
        (('stereo', '--engine', 'magic'), "no engine 'magic'"),
        (('stereo', '--engine', 'auto', '--size', 'native'), 'engines have one size'),
        (('stereo', '--precision', 'f32', '--size', '17'), 'HEIGHTxWIDTH'),
        (('stereo', '--engine', 'auto', '--hint-kind', 'none'), 'models that take hints'),
        (('stereo', '--engine', 'auto', '--weights', 'absent.pth'), "'absent.pth'"),
        (('mono', '--model', 'mvsnet'), "no mono model 'mvsnet'"),
        (('mono', '--weights', 'absent.zip'), "'absent.zip'"),
        (('multiview', '--model', 'sgbm'), "no multi-view model 'sgbm'"),
        (('multiview', '--depths', '97'), 'depths'),
        (('multiview', '--weights', 'absent.ckpt'), "'absent.ckpt'"),
        (('match', '--pairs', '-1'), '--pairs must be 0'),
        (('match', '--variant', 'huge'), 'huge'),
        (('match', '--weights', 'absent.ckpt'), "'absent.ckpt'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    words: tuple[str, ...], said: str, data: Path, capsys: pytest.CaptureFixture
) -> None:
    assert evaluate(*words, '--data', data) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if 'left out' not in line]
    assert len(error) == 1 and said in error[0]


# What is measured


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with some of the sets."""
    folder = tmp_path_factory.mktemp('data')
    write_motorcycle(folder, textured_pair(9))
    names = [f'{number:05d}' for number in range(65, 77)]
    write_hololens(folder, names=names, size=(360, 540), step_m=0.03)
    write_iclnuim(folder, count=2)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))


def test_sgbm_on_a_shifted_pair(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / 'rows.json'
    assert evaluate('stereo', '--model', 'sgbm', '--data', data, '--json', file) == 0
    printed = capsys.readouterr()
    assert f'{data} has no opencv_aloe: left out' in printed.err
    rows = rows_of(printed.out)
    assert [row[0] for row in rows] == ['motorcycle', 'motorcycle', *['motorcycle/2'] * 2]
    assert float(rows['motorcycle', 'sgbm filled'][0]) < 0.1
    records = json.loads(file.read_text())
    assert records[1]['method'] == 'sgbm filled' and records[1]['everywhere']['bad3'] == 0.0


def test_true_depth_of_one_image_in_any_unit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(mono_command, 'open_mono', open_true_mono)
    file = tmp_path / 'rows.json'
    assert evaluate('mono', '--data', data, '--json', file) == 0
    printed = capsys.readouterr().out
    assert 'ratio of the two medians' in printed
    rows = rows_of(printed)
    flat, found = (rows['ICL-NUIM', name] for name in ('one depth everywhere', 'monodepth2'))
    # The double sees the first image's room in both; the second is 0.2 m beside it.
    assert float(found[1]) < 0.5 * float(flat[1])
    assert rows['HoloLens', 'monodepth2'][0] == '12'
    # The model and four maps that look at no image, on two sets.
    assert len(json.loads(file.read_text())) == 10
    assert evaluate('mono', '--data', data, '--model', 'tio_depth') == 0
    assert 'made up (untrained)' in capsys.readouterr().err


@cache
def slanted() -> MultiViewSet:
    return rendered('slanted', num_sources=1)


class TrueViews:
    """Gives the exact depth of rendered views, and of others the farthest searched."""

    def __init__(self, settings: MultiViewSettings) -> None:
        self.settings = settings
        self.pipeline = Pipeline(NoGraphs())

    def process(self, frame):
        camera = frame.reference.camera
        depth = np.full((camera.height, camera.width), frame.depth_max_m, np.float32)
        truth = slanted()
        if (frame.reference.image == truth.frame.reference.image).all():
            depth = truth.truth.astype(np.float32)
        result = DepthResult(
            depth=depth,
            camera=camera,
            stamp_ns=0,
            scale=DepthScale.METRIC,
            confidence=np.ones_like(depth),
        )
        return MultiViewOutput(frame=frame, depth=result, stages_s={})

    def close(self) -> None:
        pass


class NoGraphs:
    name, graphs = 'double', ()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[MultiViewSettings]:
    """Settings of what the command opens; a double in its place."""
    seen = []

    def open_double(settings, *, progress=None):
        seen.append(settings)
        return TrueViews(settings)

    monkeypatch.setattr(multiview_command, 'open_multiview', open_double)
    return seen


def test_views_are_judged_beside_sgbm(
    data: Path, opened: list[MultiViewSettings], capsys: pytest.CaptureFixture
) -> None:
    assert evaluate('multiview', '--data', data) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 3 * (11 + 3)
    assert rows['rendered slanted', 'MVSNet, inverse'][:2] == ['0.0000', '100.0']
    assert float(rows['rendered slanted', 'SGBM, one neighbour'][0]) < 0.05
    assert float(rows['hololens 71, centre crop', 'MVSNet, linear'][0]) > 0.2
    assert [settings.sampling for settings in opened] == ['linear', 'inverse']


def test_shipped_graphs_serve_the_recipes_own_options(
    data: Path, opened: list[MultiViewSettings], capsys: pytest.CaptureFixture
) -> None:
    assert evaluate('multiview', '--data', data, '--quick', '--depths', 96, '--sources', 2) == 0
    assert {row[0] for row in rows_of(capsys.readouterr().out)} == {
        'hololens 71, centre crop', 'hololens 71, top left crop',
    }  # fmt: skip
    assert evaluate('multiview', '--data', data, '--quick') == 0
    assert evaluate('multiview', '--data', data, '--quick', '--weights', 'mine.ckpt') == 0
    names = [Path(settings.engine.weights).name for settings in opened[::2]]
    assert names == ['', 'mvsnet.safetensors', 'mine.ckpt']
    assert {settings.engine.size for settings in opened} == {(352, 512)}


def test_matchers_are_judged_side_by_side(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """SIFT in LoFTR's place: equal counts are then all of both."""
    seen = []

    def open_sift(settings, *, progress=None):
        seen.append(settings)
        return open_matcher(settings if settings.model == 'orb' else SIFT)

    SIFT = match_command.MatchSettings(model='sift', max_matches=0)
    monkeypatch.setattr(match_command, 'open_matcher', open_sift)
    file = tmp_path / 'rows.json'
    words = ('--pairs', 1, '--student', 'student.pt', '--size', '240x320', '--json', file)
    assert evaluate('match', '--data', data, *words) == 0
    printed = capsys.readouterr()
    assert 'scannet_posed_mini, loftr_pairs, opencv_planar_pairs: left out' in printed.err
    name = 'HoloLens neighbours (reprojection)'
    rows = rows_of(printed.out)
    assert rows[name, 'LoFTR tiny'] == rows[name, 'SIFT for LoFTR tiny, equal count']
    assert float(rows[name, 'LoFTR tiny'][3]) > 90.0 and rows[name, 'ORB'][0] == '1'
    assert len(json.loads(file.read_text())) == len(rows) == 8
    tiny, student = seen[:2]
    assert (tiny.model, tiny.engine.weights, tiny.engine.size) == ('loftr_tiny', '', (240, 320))
    assert (student.model, student.engine.weights, student.engine.size) == (
        'loftr_coarse',
        'student.pt',
        None,
    )
    assert [settings.model for settings in seen[2:]] == list(YARDSTICKS.values())


def test_figures_that_are_not_known_are_null(
    data: Path, tmp_path: Path, opened: list[MultiViewSettings]
) -> None:
    """Matches of a plane have no pose: NaN in JSON would not be JSON."""
    folder = tmp_path / 'data' / 'opencv_planar_pairs'
    folder.mkdir(parents=True)
    pair = shifted_pair(0, 200, 280)
    write_picture(folder / 'graf1.png', pair.first)
    write_picture(folder / 'graf3.png', pair.second)
    (folder / 'H1to3p.xml').write_text('<data>1 0 -24 0 1 -16 0 0 1</data>')
    file = tmp_path / 'rows.json'
    assert evaluate('match', '--data', folder.parent, '--json', file) == 0
    record = json.loads(file.read_text())[1]
    assert record['epipolar'] is None and record['within'][0] > 0.9


# The shared data, with bounds that what was measured keeps with a margin


def test_shipped_mvsnet_on_shared_frames(capsys: pytest.CaptureFixture) -> None:
    """AbsRel 0.0565 and 0.0568 on the standard split."""
    data = shared_path('data/hololens_mvs').parent
    words = ('--quick', '--depths', 96, '--sources', 2, '--threads', 1)
    assert evaluate('multiview', '--data', data, *words) == 0
    rows = rows_of(capsys.readouterr().out)
    for method in ('MVSNet, linear', 'MVSNet, inverse'):
        assert float(rows['hololens 71, centre crop', method][0]) < 0.065


def test_shipped_loftr_on_shared_pairs(capsys: pytest.CaptureFixture) -> None:
    """Of the first HoloLens pair 94.9 % within 3 px, of graf 99.0 % within 16 px."""
    data = shared_path('data/opencv_planar_pairs').parent
    assert evaluate('match', '--data', data, '--pairs', 1, '--threads', 1) == 0
    rows = rows_of(capsys.readouterr().out)
    name = 'LoFTR tiny, equal count'
    assert float(rows['HoloLens neighbours (reprojection)', name][3]) > 90.0
    assert float(rows['graf (homography)', name][5]) > 95.0


def test_shipped_crestereo_tiny_as_nodes_run_it_on_shared_pairs(
    capsys: pytest.CaptureFixture,
) -> None:
    """2.70 px and 1.36 px at 240x320 in torch."""
    data = shared_path('data/middlebury_motorcycle').parent
    words = ('--engine', 'auto', '--size', '240x320', '--threads', 1)
    assert evaluate('stereo', '--data', data, *words) == 0
    rows = rows_of(capsys.readouterr().out)
    found = {pair: cells for (pair, method), cells in rows.items() if 'tiny' in method}
    assert float(found['motorcycle'][0]) < 2.9 and float(found['motorcycle/2'][0]) < 1.5


def test_made_up_weights_on_shared_images_are_worse_than_one_depth(
    capsys: pytest.CaptureFixture,
) -> None:
    """Figures of trained weights are not asserted: none may be shipped."""
    pytest.importorskip('torch', reason='exporting made-up weights needs torch')
    data = shared_path('data/iclnuim_rgbd').parent
    words = ('--weights', 'synthetic:1', '--size', '64x96', '--threads', 1)
    assert evaluate('mono', '--data', data, *words) == 0
    printed = capsys.readouterr()
    assert 'made up (untrained)' in printed.err
    rows = rows_of(printed.out)
    for name in ('ICL-NUIM', 'HoloLens'):
        flat, found = (rows[name, method] for method in ('one depth everywhere', 'monodepth2'))
        assert 0.2 < float(flat[1]) < 0.3 < float(found[1])


WITHOUT_TORCH = """
import sys
sys.modules['torch'] = None
from depth_ros.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('stereo',), '--engine auto'),
        (
            ('crestereo_tiny', '--weights', 'x'),
            'stereo, mono, multiview, match, odometry or a training',
        ),
    ],
)
def test_without_torch_a_way_out_is_told(words: tuple[str, ...], said: str, data: Path) -> None:
    result = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, 'evaluate', *words, '--data', str(data)],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    (error,) = [line for line in result.stderr.splitlines() if 'left out' not in line]
    assert result.returncode == 2 and said in error and 'pip install torch' in error
