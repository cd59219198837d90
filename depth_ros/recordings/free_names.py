"""Whether results may have their names: they never replace an input or a stranger's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from depth_ros.errors import InputError
from depth_ros.recordings.bag_writer import LIBRARY, MAGIC
from depth_ros.recordings.places import identity, join, names_in, open_to_read
from depth_ros.recordings.plan import RecordingPlan, result_files
from depth_ros.recordings.result_mark import cloud_name, mark_name, read_mark
from depth_ros.recordings.sinks import SINKS

_HEAD_BYTES = 64


def expect_free_names(
    plans: Sequence[RecordingPlan], out: str, other_inputs: Sequence[str] = ()
) -> None:
    """Require that no result has the name of an input or of a file that no job wrote.

    Args:
        plans: What is to be done; nothing has been written for it.
        out: Folder of results.
        other_inputs: Files that are read beside recordings and calibrations.

    Raises:
        InputError: Reason ``'out'``; names both.
    """
    inputs = _with_folders([*(name for plan in plans for name in _inputs_of(plan)), *other_inputs])
    there = set(names_in(out))
    for plan in plans:
        files = result_files(out, plan.name)
        mark, cloud = mark_name(out, plan.name), cloud_name(out, plan.name)
        folders = [join(out, f'{plan.name}.{kind}') for kind in SINKS]
        results = [files.bag, files.ledger, files.figures, mark, cloud, *folders]
        for result in results:
            _expect_no_input(result, inputs)
        foreign = [files.bag, mark, cloud, *folders]
        found = [name for name in foreign if name.rpartition('/')[2] in there]
        if found and read_mark(out, plan.name) is None and not _is_ours(files.bag, found):
            raise InputError(
                'out',
                f'{found[0]} is there, no job is known to have written it, and a result of '
                f'{plan.bag} would replace it; move it away, or name another --out',
            )


def _inputs_of(plan: RecordingPlan) -> Iterator[str]:
    yield from plan.files
    for item in plan.items:
        calibration = getattr(item.task.input, 'calibration', '')
        if calibration:
            yield str(calibration)


def _with_folders(names: Sequence[str]) -> dict[str, str]:
    """Return the inputs by their identity and by that of every folder that they lie in."""
    found: dict[str, str] = {}
    for name in names:
        place = identity(name)
        while place.strip('/'):
            found.setdefault(place, name)
            place = place.rpartition('/')[0]
    return found


def _expect_no_input(result: str, inputs: dict[str, str]) -> None:
    name = inputs.get(identity(result))
    if name is not None:
        raise InputError(
            'out',
            f'the result {result} would replace the input {name}; name another --out',
        )


def _is_ours(bag: str, found: Sequence[str]) -> bool:
    """Return whether the bag says in its head that a job wrote it."""
    if bag not in found:
        return False
    try:
        with open_to_read(bag) as file:
            head = file.read(_HEAD_BYTES)
    except (InputError, OSError):
        return False
    return head.startswith(MAGIC) and LIBRARY.encode() in head
