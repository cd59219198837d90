"""The report of a good and of a spoiled recording tell them apart."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.recordings.local import Finished
from depth_ros.recordings.measures import MEASURES, ranked
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.plan import WorkItem
from depth_ros.recordings.report_page import (
    num_marks,
    overview_page,
    recording_page,
    verdict,
    worst_lines,
)
from depth_ros.recordings.report_pictures import frame_pictures
from depth_ros.recordings.results import Results, read_results
from depth_ros.recordings.run_job import run_job
from depth_ros.scenes.paths import scene_path
from tests.kit.bag_writer import rig_messages
from tests.kit.job_kit import in_this_process, process
from tests.kit.plane_drive import Drive, write_mcap
from tests.recordings.conftest import SGBM, stereo_job

NUM_FRAMES = 6
KNOCKED_PX = 4


@pytest.fixture(scope='module')
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a walk, of one whose right camera is knocked half-way, and of a bleached one."""
    folder = tmp_path_factory.mktemp('report')
    outputs = PairOutputs(row_error_every=1, flicker_every=1, image=True)
    job = stereo_job(outputs=outputs, settings=SGBM)
    for name, change in RECORDINGS.items():
        messages = rig_messages(scene_path('room'), NUM_FRAMES)
        for number, (topic, message) in enumerate(messages):
            if change and 'image' in topic:
                change(topic, number // 4, message)
        process(job, write_mcap(folder / f'{name}.mcap', messages), folder / 'out')
    return folder / 'out'


def knocked(topic: str, index: int, message) -> None:
    if topic == '/right/image_rect' and index >= NUM_FRAMES // 2:
        step = KNOCKED_PX * message.step
        message.data = message.data[-step:] + message.data[:-step]


def bleached(topic: str, index: int, message) -> None:
    pixels = np.frombuffer(message.data, np.uint8).astype(np.float64)
    brighter = np.clip(2.5 * pixels, 0, 255).astype(np.uint8)
    message.data = type(message.data)('B', brighter.tobytes())


def flickering(topic: str, index: int, message) -> None:
    """Every other right image is shifted: rows stay right, and depth jumps."""
    if topic == '/right/image_rect' and index % 2:
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)
        shifted = np.roll(rows, -2 * (message.step // message.width), axis=1)
        message.data = type(message.data)('B', shifted.tobytes())


RECORDINGS = {'good': None, 'knocked': knocked, 'bleached': bleached, 'flickering': flickering}


def named(out: Path) -> dict[str, Results]:
    return {result.name: result for result in read_results(str(out))}


def test_the_knocked_camera_is_found_by_its_rows(out: Path) -> None:
    results = named(out)
    order = ranked(list(results.values()), 'row_error')
    assert order[0][0].name == 'knocked'
    assert order[0][1] == pytest.approx(KNOCKED_PX, abs=0.5)
    assert all(value < 0.5 for _, value in order[1:])
    lines = worst_lines(list(results.values()), 'row_error')
    assert lines[0].startswith('knocked: row error')
    assert 'beyond the limit' in lines[0]
    assert all('beyond' not in line for line in lines[1:])


def test_marks_tell_good_from_spoiled(out: Path) -> None:
    results = named(out)
    assert num_marks(results['good']) == 0
    assert num_marks(results['knocked']) >= 1
    assert MEASURES['saturated'].is_bad(MEASURES['saturated'].value(results['bleached']))
    page = overview_page(list(results.values()), {})
    assert page.index('bag_knocked.html') < page.index('bag_good.html')
    good = recording_page(results['good'], {})
    assert 'class="bad"' not in good
    assert verdict(results['good']) == 'nothing marked'
    assert 'row error' in verdict(results['knocked'])
    assert verdict(results['flickering']) == 'flicker'
    assert 'class="bad"' in recording_page(results['knocked'], {})


def test_flicker_is_told_from_the_motion_of_the_camera(out: Path) -> None:
    results = named(out)
    order = ranked(list(results.values()), 'flicker')
    assert order[0][0].name == 'flickering'
    measure = MEASURES['flicker']
    assert measure.is_bad(measure.value(results['flickering']))
    assert measure.value(results['good']) < 0.02
    assert not MEASURES['row_error'].is_bad(MEASURES['row_error'].value(results['flickering']))


def test_pictures_show_input_and_depth(out: Path) -> None:
    pictures = frame_pictures(named(out)['knocked'])
    labels = ' '.join(pictures)
    assert 'sharpest' in labels
    assert 'largest row error' in labels
    assert all(address.startswith('data:image/jpeg;base64,') for address in pictures.values())


def test_pictures_do_without_the_input(out: Path, tmp_path: Path) -> None:
    good = named(out)['good']
    moved = Results(
        name='good',
        bag=good.bag,
        recording=str(tmp_path / 'gone.mcap'),
        input_topics=good.input_topics,
        figures=good.figures,
        ledger=good.ledger,
    )
    assert len(frame_pictures(moved)) == len(frame_pictures(good))


def test_the_command_writes_pages_and_the_table(out: Path, capsys) -> None:
    assert main(['report', str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == 'good: nothing marked'
    assert 'open ' in lines[-1]
    folder = out / 'report'
    assert {path.name for path in folder.glob('*.html')} == {
        'index.html',
        'bag_good.html',
        'bag_knocked.html',
        'bag_bleached.html',
        'bag_flickering.html',
    }
    assert '<script' not in ''.join(path.read_text() for path in folder.glob('*.html'))
    rows = table_rows(folder)
    assert len(rows) == len(RECORDINGS) * NUM_FRAMES
    worst = max(rows, key=lambda row: float(row['row_error_px'] or 0))
    assert worst['recording'] == 'knocked'


def table_rows(folder: Path) -> list[dict[str, str]]:
    if (folder / 'figures.parquet').is_file():
        parquet = pytest.importorskip('pyarrow.parquet')
        return parquet.read_table(folder / 'figures.parquet').to_pylist()
    with (folder / 'figures.csv').open() as file:
        return list(csv.DictReader(file))


def test_names_and_reasons_are_no_markup() -> None:
    hostile = '<img src=x onerror=alert(1)>'
    result = Results(
        name=hostile,
        bag='',
        recording=hostile,
        input_topics={'stereo': '/left'},
        figures=[],
        ledger=[{'topic': '/left', 'reason': hostile}],
    )
    for page in (overview_page([result], {}), recording_page(result, {})):
        assert '<img src=x' not in page
        assert '&lt;img' in page


@pytest.mark.parametrize('damage', ['good.json', 'good.figures.jsonl', 'good.ledger.jsonl'])
def test_damaged_results_are_named(out: Path, tmp_path: Path, damage: str) -> None:
    for path in out.glob('good.*'):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / damage).write_text('{"half')
    assert main(['report', str(tmp_path)]) == 2


def killed_at_part(number: int) -> Callable[[Sequence[WorkItem], str], Iterator[Finished]]:
    """Give a scheduler that ends as a killed program does, when so many parts are made."""

    def schedule(items: Sequence[WorkItem], out: str) -> Iterator[Finished]:
        for finished in in_this_process(items, out):
            if finished.number == number:
                raise KeyboardInterrupt
            yield finished

    return schedule


def test_what_a_killed_job_left_is_called_unfinished(tmp_path: Path, capsys) -> None:
    """The first of two recordings is done when the program dies; later it goes on."""
    bags = [str(Drive().write(tmp_path / f'{name}.mcap')) for name in ('first', 'second')]
    out, job = str(tmp_path / 'out'), stereo_job(outputs=PairOutputs(row_error_every=0))

    def run(number: int) -> None:
        list(run_job(job, bags, out, lambda items: killed_at_part(number)(items, out)))

    with pytest.raises(KeyboardInterrupt):
        run(2)
    assert main(['report', out]) == 2
    error = capsys.readouterr().err
    assert f'holds no finished results: {bags[0]}, {bags[1]} are unfinished' in error
    with pytest.raises(KeyboardInterrupt):
        run(6)
    assert main(['report', out]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == 'second: unfinished, no results yet'
    assert 'type the command that began' in lines[2]
    assert (
        'second</td><td class="bad">unfinished' in (tmp_path / 'out/report/index.html').read_text()
    )
    run(100)
    assert main(['report', out]) == 0
    assert 'unfinished' not in capsys.readouterr().out


def test_results_of_an_earlier_job_are_told_from_those_of_a_killed_one(tmp_path: Path) -> None:
    bag, out = Drive().write(tmp_path / 'drive.mcap'), str(tmp_path / 'out')
    process(stereo_job(), bag, out)
    other = stereo_job(settings=replace(SGBM, max_depth_m=2.0))
    with pytest.raises(KeyboardInterrupt):
        list(run_job(other, [str(bag)], out, lambda items: killed_at_part(1)(items, out)))
    (results,) = read_results(out)
    assert verdict(results).startswith('unfinished')
    process(stereo_job(), bag, out)
    (results,) = read_results(out)
    assert 'unfinished' not in verdict(results)


def test_a_task_that_made_nothing_is_named_beside_one_that_did(out: Path) -> None:
    result = replace(named(out)['good'], input_topics={'stereo': '/left', 'mono': '/left'})
    assert verdict(result) == 'mono made nothing'
    assert 'class="bad"' in recording_page(result, {})


def test_a_folder_without_results_says_how_to_make_some(tmp_path: Path, capsys) -> None:
    assert main(['report', str(tmp_path)]) == 2
    words = f'make some with: depth-ros process BAG --out {tmp_path} --job job.yaml'
    assert words in capsys.readouterr().err


def test_a_recording_is_no_folder_of_results(tmp_path: Path, capsys) -> None:
    (tmp_path / 'drive_0.mcap').write_bytes(b'')
    assert main(['report', str(tmp_path)]) == 2
    assert f'process {tmp_path} --out out --job job.yaml' in capsys.readouterr().err


def test_addresses_of_pages_are_encoded(out: Path) -> None:
    result = replace(named(out)['good'], name='50% #1?')
    assert 'href="bag_50%25%20%231%3F.html"' in overview_page([result], {})
