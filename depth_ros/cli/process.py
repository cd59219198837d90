"""``depth-ros process``: recordings in, recordings with depth out, exactly and resumably."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.progress import open_progress, time_text
from depth_ros.cli.kit.tables import counted
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.whole_file import whole_file
from depth_ros.recordings.calibration_look import calibration_sources
from depth_ros.recordings.estimate import estimate
from depth_ros.recordings.free_names import expect_free_names
from depth_ros.recordings.job import RecordingJob
from depth_ros.recordings.job_file import read_job, written_job
from depth_ros.recordings.job_progress import JobProgress, JobState
from depth_ros.recordings.ledger import UNAVOIDABLE
from depth_ros.recordings.local import Finished, run_locally
from depth_ros.recordings.on_ray import run_on_ray
from depth_ros.recordings.places import join, named_files
from depth_ros.recordings.plan import RecordingPlan, WorkItem, plan_sound
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.run_job import RecordingResult, run_plans
from depth_ros.tensors import Progress

Placing = Callable[..., Iterable[Finished]]
"""``run_locally`` or ``run_on_ray`` with what is theirs alone filled in."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'process',
        description='Process recordings (MCAP) as a job file says: a bag with depth for each. '
        'The same command, typed again, goes on where it was stopped.',
    )
    parser.add_argument('bags', nargs='+', metavar='BAG', help='MCAP file, or folder of a bag')
    parser.add_argument(
        '-o', '--out', type=_results, metavar='FOLDER', help='where the results go'
    )
    parser.add_argument('--job', type=Path, metavar='FILE', help='what to do, as YAML')
    parser.add_argument(
        '--init', action='store_true', help='print a job for BAG, or write it to --job'
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help="processes; default as many as cores, divided by the job's threads",
    )
    parser.add_argument(
        '--ray',
        default='',
        metavar='ADDRESS',
        help="run on a Ray cluster: auto finds this machine's, local starts one",
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='say what there is to do and how long it takes'
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write a job, or do one."""
    if arguments.init:
        return _write_job(arguments.bags, arguments.job)
    if arguments.job is None:
        raise ParameterError(
            'process needs --job FILE; have one written: depth-ros process --init '
            f'{arguments.bags[0]} --job job.yaml'
        )
    job = read_job(arguments.job)
    bags = [name for pattern in arguments.bags for name in named_files(pattern)]
    num_workers = arguments.workers
    if num_workers is None:
        num_workers = max(1, _num_cores() // job.workers.threads)
    if num_workers < 1:
        raise ParameterError(f'--workers must be 1 or more, got {num_workers}')
    plans, refused = plan_sound(job, bags)
    if not plans:
        for error in [*refused.values()][1:]:
            warn(str(error))
        raise next(iter(refused.values()))
    if arguments.out is not None:
        expect_free_names(plans, arguments.out, [str(arguments.job)])
    elif not arguments.dry_run:
        raise ParameterError('process needs --out FOLDER for its results; add it')
    if arguments.dry_run:
        _print_costs(plans, num_workers)
        return _told(refused)
    on_this_machine = partial(run_locally, num_workers=num_workers, tell=warn)
    on_ray = partial(run_on_ray, address=arguments.ray, gpus=job.workers.gpus)
    code = _process(job, plans, arguments.out, on_ray if arguments.ray else on_this_machine)
    return max(code, _told(refused))


def _told(refused: Mapping[str, InputError]) -> int:
    """Say which recordings were left out; the exit code says so too."""
    for bag, error in refused.items():
        text = str(error)
        warn(f'left out: {text if bag in text else f"{bag}: {text}"}')
    return EXIT_FAILED if refused else 0


def _write_job(bags: Sequence[str], target: Path | None) -> int:
    if len(bags) != 1:
        raise ParameterError(f'--init writes a job for one recording, got {len(bags)}; name one')
    recording = Recording(bags[0])
    try:
        text, notes = written_job(recording.topics)
    finally:
        recording.close()
    for note in notes:
        warn(note)
    if target is None:
        print(text, end='')
        return 0
    if target.exists():
        raise InputError('file', f'{target} is there already; delete it, or name another --job')
    with whole_file(target) as draft:
        draft.write_text(text, encoding='utf-8')
    print(f'{target} is a job for {bags[0]}; change it, then type:')
    print(f'depth-ros process {bags[0]} --out out --job {target}')
    return 0


def _process(job: RecordingJob, plans: tuple[RecordingPlan, ...], out: str, place: Placing) -> int:
    with open_progress() as show:
        schedule = partial(_shown, out=out, place=place, show=show)
        results = list(run_plans(job, plans, out, schedule))
    for result in results:
        print(_result_line(result))
        for topic, times in result.calibration_changes.items():
            warn(_change_line(result, topic, times))
        if result.again.count:
            warn(_again_line(result))
    print(f'what became no output is in {join(out, "*.ledger.jsonl")}, with its reason')
    empty = [(result, kind) for result in results for kind in result.empty]
    for result, kind in empty:
        warn(f'{result.bag}: {kind} made nothing of any image; {result.empty[kind]}')
    return EXIT_FAILED if empty else 0


def _shown(
    items: Sequence[WorkItem], *, out: str, place: Placing, show: Progress
) -> Iterable[Finished]:
    """Have the work done and show how far it is."""
    progress = JobProgress(items)

    def report(number: int, frames: int) -> None:
        progress.count(number, frames)
        state = progress.state()
        show(_words(state), state.fraction)

    for finished in place(items, out, report=report, restart=progress.restart):
        progress.finish(finished)
        yield finished


def _words(state: JobState) -> str:
    left = '' if state.left_s is None else f', {time_text(state.left_s)} left'
    return (
        f'{state.bags_done} of {state.num_bags} bags, {state.done} of {state.total} frames, '
        f'{state.rate_hz:.1f}/s{left}'
    )


def _result_line(result: RecordingResult) -> str:
    before = f', {result.made_before} of them before' if result.made_before else ''
    lost = {name: count for name, count in result.refused.items() if name not in UNAVOIDABLE}
    beside = {name: count for name, count in result.refused.items() if name in UNAVOIDABLE}
    more = f'; no loss: {_reasons(beside)}' if beside else ''
    made = counted(result.made, 'frame')
    return f'{result.bag}: {made}{before}; refused: {_reasons(lost) or "none"}{more}'


def _reasons(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{number} {reason}' for reason, number in sorted(counts.items()))


def _change_line(result: RecordingResult, topic: str, times: Sequence[int]) -> str:
    first_s = (times[0] - result.start_ns) / 1e9
    return (
        f'{result.bag}: the calibration on {topic} changes {counted(len(times), "time")}, first '
        f'{first_s:.1f} s after the beginning; each image was taken with that of its moment'
    )


def _again_line(result: RecordingResult) -> str:
    first_s = (result.again.first_log_ns - result.start_ns) / 1e9
    return (
        f'{result.bag}: {counted(result.again.count, "frame")} of the result have stamps that are '
        f'not later than one before, the first {first_s:.1f} s after the beginning: the recording '
        'looped, or a clock was set back. Whoever looks results up by their stamp finds two; '
        'record a bag that is played without --loop'
    )


def _print_costs(plans: tuple[RecordingPlan, ...], num_workers: int) -> None:
    for plan in plans:
        print(
            f'{plan.bag}: {counted(plan.num_frames, "frame")} in '
            f'{counted(len(plan.items), "segment")}, '
            f'{plan.num_bytes / 2**20:.0f} MiB'
        )
        for source in calibration_sources(plan):
            print(f'{source.task}: {source.text}')
    for cost in estimate(plans):
        if cost.refusal:
            warn(f'{cost.task}: none of the first frames became an output: {cost.refusal}')
            continue
        print(
            f'{cost.task}: {1e3 * cost.frame_s:.0f} ms a frame in one worker; about '
            f'{time_text(cost.seconds(num_workers))} with {num_workers}, '
            f'{cost.frames * cost.frame_bytes / 2**20:.0f} MiB before compression'
        )


def _results(text: str) -> str:
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f'{text} is a file, and results need a folder')
    return text


def _num_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1
