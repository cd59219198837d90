"""``depth-ros finetune``: better on a strange rig, refused where useless, taken back, hostile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.cli.main import main
from tests.kit.bag_writer import info, raw, stamp, write_bag

torch = pytest.importorskip('torch', reason='fine-tuning needs torch')

from depth_ros.training.finetune.students import student_of
from depth_ros.training.monodepth2.network import NetworkSize
from depth_ros.training.monodepth2.task import Monodepth2Task
from depth_ros.training.trainer import save_weights
from tests.kit import tint_rig

SHIPPED = Path(__file__).parents[2] / 'weights' / 'crestereo_tiny.safetensors'
SIZE = ('--size', f'{tint_rig.HEIGHT}x{tint_rig.WIDTH}')
SMALL = ('--size', '32x80')
NOTHING_LEARNT = ('--steps', 1, '--learning-rate', 1e-12)


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def finetune(tmp_path: Path):
    def run(*words: object) -> int:
        places = ('--out', tmp_path / 'kept', '--report', tmp_path / 'report.html')
        return main([str(word) for word in ('finetune', *words, *places)])

    return run


@pytest.fixture(scope='module')
def filmed() -> list[tint_rig.TruePair]:
    return tint_rig.film(28, seed=2)


@pytest.fixture
def rig(filmed, tmp_path: Path) -> Path:
    return tint_rig.write_folder(tmp_path / 'rig', filmed[:8])


def mean_error(weights: Path, pairs: list[tint_rig.TruePair]) -> float:
    student = student_of('crestereo_tiny')
    network = student.load(weights)
    found = [student.disparity(network, pair.left, pair.right) for pair in pairs]
    errors = [np.abs(a - b.disparity).mean() for a, b in zip(found, pairs, strict=True)]
    return float(np.mean(errors))


def test_strange_rig_is_learnt_without_truth_and_taken_back(
    filmed, finetune, tmp_path: Path, capsys
) -> None:
    train, test = filmed[:20], filmed[20:]
    folder = tint_rig.write_folder(tmp_path / 'rig', train)
    words = ('--folder', folder, '--calibration', folder / 'calib.txt', *SIZE)
    words += ('--steps', 24, '--learning-rate', 4e-4)
    assert finetune(*words) == 0
    new = tmp_path / 'kept' / 'finetuned.safetensors'
    before, after = mean_error(SHIPPED, test), mean_error(new, test)
    assert after < 0.8 * before

    told = capsys.readouterr().out
    assert re.search(r'kept, \+\d+\.\d %', told) and f'--weights {new}' in told
    record = json.loads(new.with_suffix('.json').read_text())
    assert record['parent']['file'] == SHIPPED.name and len(record['parent']['sha256']) == 64
    assert record['after']['consistency'] > record['before']['consistency']

    page = (tmp_path / 'report.html').read_text()
    assert 'Kept: +' in page and page.count('data:image/jpeg;base64,') >= 5
    assert set(re.findall(r'(?:src|href)="(\w+:?)', page)) == {'data:'}

    assert finetune('--rollback') == 0
    assert SHIPPED.name in capsys.readouterr().out
    assert not new.exists()
    assert finetune('--rollback') == 2
    assert 'no fine-tuned weights' in capsys.readouterr().err


def test_weights_are_taken_back_without_torch(tmp_path: Path) -> None:
    kept = tmp_path / 'kept'
    (kept / 'earlier').mkdir(parents=True)
    (kept / 'finetuned.safetensors').write_bytes(b'new')
    (kept / 'earlier' / 'finetuned-0001.safetensors').write_bytes(b'old')
    program = (
        'import sys; sys.modules["torch"] = None; from depth_ros.cli.main import main; '
        f'sys.exit(main(["finetune", "--rollback", "--out", {str(kept)!r}]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (kept / 'finetuned.safetensors').read_bytes() == b'old'


@pytest.mark.parametrize(
    ('model', 'what'),
    [('nonsense', 'is no model'), ('crestereo_tiny_half', 'cannot be fine-tuned')],
)
def test_a_model_that_cannot_be_is_refused_before_anything(
    finetune, tmp_path: Path, capsys, model: str, what: str
) -> None:
    for words in (('--rollback',), ('--folder', tmp_path / 'nowhere')):
        assert finetune(*words, '--model', model) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert error.startswith(f"depth-ros: '{model}' {what}; set --model to one of: crestereo, ")


def test_weights_that_are_no_better_are_refused_by_how_much(
    rig, finetune, tmp_path: Path, capsys
) -> None:
    words = ('--folder', rig, '--calibration', rig / 'calib.txt', *SMALL, *NOTHING_LEARNT)
    assert finetune(*words) == 3
    error = capsys.readouterr().err
    assert '+0.0 %' in error and 'crestereo_tiny.safetensors stay in use' in error
    assert not (tmp_path / 'kept').exists()
    assert 'Refused: its gain is +0.0 %' in (tmp_path / 'report.html').read_text()


def test_shuffled_recording_is_refused(filmed, finetune, tmp_path: Path, capsys) -> None:
    folder = tint_rig.write_folder(tmp_path / 'rig', tint_rig.shuffled(filmed)[:8])
    words = ('--folder', folder, '--calibration', folder / 'calib.txt', *SMALL, '--steps', 2)
    assert finetune(*words) == 2
    assert 'same moment' in capsys.readouterr().err
    assert not (tmp_path / 'kept').exists()


def rig_cameras():
    size = {'height': tint_rig.HEIGHT, 'width': tint_rig.WIDTH}
    numbers = {'fx': 150.0, 'fy': 150.0, 'cx': 80.0, 'cy': 32.0, **size}
    return ideal_camera(**numbers), ideal_camera(**numbers, tx=-18.0)


def rig_bag(path: Path, pairs: list[tint_rig.TruePair], sides: tuple[str, ...]) -> Path:
    recorded = []
    for side, camera in zip(sides, rig_cameras(), strict=False):
        recorded.append((f'/{side}/camera_info', info(camera, stamp_ns=stamp(0))))
    for index, pair in enumerate(pairs):
        for side in sides:
            image = raw(getattr(pair, side), stamp_ns=stamp(index))
            recorded.append((f'/{side}/image_rect', image))
    return write_bag(path, recorded, storage='mcap')


def test_bag_of_the_rig_is_read(filmed, finetune, tmp_path: Path, capsys) -> None:
    bag = rig_bag(tmp_path / 'bag', filmed[:18], ('left', 'right'))
    words = ('--bag', bag, *SMALL, *NOTHING_LEARNT, '--max-frames', 8)
    assert finetune(*words) == 3
    page = (tmp_path / 'report.html').read_text()
    assert '<td>bag</td>' in page and '<td>pairs learnt from</td><td>6</td>' in page
    assert finetune('--bag', bag, '--calibration', tmp_path / 'c', *SMALL) == 2
    assert 'brings its own camera_info' in capsys.readouterr().err


def test_what_cannot_be_learnt_from_is_one_sentence(
    filmed, rig, finetune, tmp_path: Path, capsys
) -> None:
    calibration = ('--calibration', rig / 'calib.txt')
    mono = rig_bag(tmp_path / 'mono', filmed[:8], ('left',))
    few = tint_rig.write_folder(tmp_path / 'few', filmed[:3])
    cases = [
        (('--folder', few, *calibration, *SIZE), 'got 3'),
        (('--folder', rig, *SIZE), 'need a calibration'),
        (
            ('--folder', rig, *SIZE, '--model', 'monodepth2', '--weights', 'w'),
            'need a calibration',
        ),
        (('--bag', mono, *SIZE), '/left/image_rect'),
        (('--bag', rig), 'is no bag'),
        (('--bag', tmp_path / 'nowhere'), 'nowhere'),
        (('--folder', rig, *calibration, '--size', '60x160'), 'multiples of 16'),
        (('--folder', rig, *calibration, *SIZE, '--minutes', 0), 'minutes'),
        (('--folder', rig, *calibration, *SIZE, '--model', 'sgbm'), 'cannot be fine-tuned'),
        (('--folder', rig, *calibration, '--model', 'crestereo'), 'add --weights FILE'),
        (('--folder', rig, *calibration, *SIZE, '--weights', rig / 'calib.txt'), 'calib.txt'),
        (('--folder', rig, '--bag', mono), 'not allowed'),
        ((), 'required'),
    ]
    for words, expected in cases:
        assert finetune(*words) == 2, words
        *told, error = capsys.readouterr().err.splitlines()
        assert expected in error and told in ([], ['depth-ros: reading frames']), (words, error)
    assert not (tmp_path / 'kept').exists()


def test_damaged_image_is_left_out(filmed, finetune, tmp_path: Path, capsys) -> None:
    folder = tint_rig.write_folder(tmp_path / 'rig', filmed[:8])
    (folder / 'left' / '0002.png').write_bytes(b'no image')
    words = ('--folder', folder, '--calibration', folder / 'calib.txt', *SIZE)
    assert finetune(*words) == 2
    error = capsys.readouterr().err
    assert '0002.png is not a whole image' in error and 'got 7' in error


def test_video_of_one_camera(finetune, tmp_path: Path, capsys) -> None:
    torch.manual_seed(0)
    task = Monodepth2Task(size=NetworkSize(widths=(8, 16, 16, 16)), height=64, width=96)
    weights = tmp_path / 'video.safetensors'
    save_weights(task.weights(task.build()), weights, task.notes())
    folder = tmp_path / 'video'
    folder.mkdir()
    wide = np.random.default_rng(0).integers(0, 255, (64, 200, 3)).astype(np.uint8)
    for index in range(24):
        cv2.imwrite(str(folder / f'{index:04d}.png'), wide[:, 3 * index : 3 * index + 96])
    calibration = tint_rig.CALIBRATION.replace('width=160', 'width=96')
    (tmp_path / 'calib.txt').write_text(calibration)
    words = ('--folder', folder, '--calibration', tmp_path / 'calib.txt', '--size', '64x96')
    words += ('--model', 'monodepth2', '--weights', weights, *NOTHING_LEARNT)
    assert finetune(*words) == 3
    assert 'video.safetensors stay in use' in capsys.readouterr().err
    page = (tmp_path / 'report.html').read_text()
    assert 'inverse depth before' in page and '<td>frames held out</td><td>4</td>' in page
