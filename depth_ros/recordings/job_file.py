"""A job as YAML: read with every key checked, and written with comments for a recording."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import CAMERA_INFO, BagTopic, image_candidates, pairs_of
from depth_ros.files.given_file import given_text
from depth_ros.files.settings_text import WIDTH, entry_text
from depth_ros.files.yaml_text import OnceLoader, parse_yaml
from depth_ros.models.registry import models
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import TASK_KINDS, JobTask, RecordingJob, WorkerSettings
from depth_ros.recordings.posed_camera import pose_topics
from depth_ros.recordings.result_settings import FusedCloudSettings, SinkSettings
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.settings import Naming, Settings, SettingsT, check_names, settings_from, settings_of
from depth_ros.settings import values_of as written_values

TASKS = 'tasks'
GROUPS: dict[str, type[Settings]] = {
    'segments': SegmentSettings,
    'workers': WorkerSettings,
    'copy': CopySettings,
    'sinks': SinkSettings,
    'fusion': FusedCloudSettings,
}
MONO_NEEDS = (
    '{model} ships without weights, so this job does not run as it is: name yours as weights in '
    'settings (where there are some says: depth-ros weights list), or record the poses of the '
    'camera, too: a job of them (mono_refined) needs none'
)
OTHER_ROBOTS = (
    'this is the job of {images}; the recording also has cameras of {others}: make a job for '
    'each of them, of the task in brackets with its topics in input, and give it another --out'
)
_PLACING = frozenset({'odometry', 'multiview'})
"""Tasks that make poses."""
HEAD = """\
# A job for recordings (docs/recordings.md). Every key but tasks may be left out; what is missing
# takes its default, which is what this file shows.

tasks:
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Body:
    """A mapping of a job file, with the file and the place in it."""

    path: Path
    where: str
    values: Mapping[str, object]

    def inner(self, key: str) -> _Body:
        """Return a mapping below; nothing there is an empty one."""
        value = self.values.get(key)
        return _body(self.path, f'{self.where}.{key}'.strip('.'), {} if value is None else value)


def read_job(path: Path) -> RecordingJob:
    """Read a job.

    Raises:
        InputError: If the file cannot be read or is no YAML.
        ParameterError: If a key is unknown, with the nearest there is, or a value is refused.
    """
    try:
        body = _body(path, '', parse_yaml(given_text(path), loader=OnceLoader))
    except ValueError as error:
        raise InputError('job', f'{path} is no YAML ({error}); correct it') from None
    _expect_keys(body, (TASKS, *GROUPS))
    segments = _group(body.inner('segments'), SegmentSettings)
    workers = _group(body.inner('workers'), WorkerSettings)
    tasks = body.inner(TASKS)
    _expect_keys(tasks, TASK_KINDS)
    if not tasks.values:
        raise ParameterError(
            f'{path}: tasks must name at least one of {", ".join(TASK_KINDS)}, got none; add one; '
            'an example is written by: depth-ros process --init BAG'
        )
    fusion = _group(body.inner('fusion'), FusedCloudSettings)
    if fusion.cloud and not _PLACING & tasks.values.keys():
        raise ParameterError(
            f'{path}: fusion.cloud needs poses of the same job, and no task makes any; add '
            'odometry or multiview to tasks, or set fusion.cloud to false'
        )
    return RecordingJob(
        tasks=tuple(_task(tasks.inner(kind), kind, workers) for kind in tasks.values),
        segments=segments,
        workers=workers,
        copy=_group(body.inner('copy'), CopySettings),
        sinks=_group(body.inner('sinks'), SinkSettings),
        fusion=fusion,
    )


def default_task(kind: str, **given: Settings) -> JobTask:
    """Return a task with its defaults, but for the groups that are given."""
    groups = {key: group() for key, group in TASK_KINDS[kind].groups().items()}
    found = {**groups, **given}
    return JobTask(
        kind=kind,
        input=found['input'],
        settings=found['settings'],
        outputs=found['outputs'],
    )


def written_job(topics: Sequence[BagTopic]) -> tuple[str, list[str]]:
    """Return a job for a recording, with its topics named, and what to do before it runs, if any.

    Of a rig stereo; of one camera ``mono_refined`` where one topic has its poses, else ``mono``,
    whose network has no weights. Of several robots the first; what to do is in comments, too.

    Raises:
        InputError: If its topics are not clear; lists them.
    """
    robots = _robots(topics)
    try:
        task = _fitting_task(topics)
    except InputError:
        if len(robots) < 2:
            raise
        task = _fitting_task(robots[min(robots)])
    notes = [*_others(robots, task), *_missing_first(task)]
    groups = {'input': task.input, 'settings': task.settings, 'outputs': task.outputs}
    blocks = [_block(key, group, indent='    ') for key, group in groups.items()]
    rest = [_block(key, group(), indent='') for key, group in GROUPS.items()]
    comments = [textwrap.indent(textwrap.fill(note, width=WIDTH), '  # ') for note in notes]
    return HEAD + '\n'.join([*comments, f'  {task.kind}:', *blocks, *rest]), notes


def _fitting_task(topics: Sequence[BagTopic]) -> JobTask:
    """Return the first task that the topics of a recording are enough for; raises as it does."""
    return default_task(_fitting_kind(topics)).guessed(tuple(topics))[0]


def _fitting_kind(topics: Sequence[BagTopic]) -> str:
    if pairs_of(topics):
        return 'stereo'
    return 'mono_refined' if len(pose_topics(topics)) == 1 else 'mono'


def _robots(topics: Sequence[BagTopic]) -> dict[str, list[BagTopic]]:
    """Return the topics below each first name that has images and a calibration, as cameras."""
    infos = {_robot(topic.name) for topic in topics if topic.type == CAMERA_INFO and topic.count}
    images = {_robot(topic.name) for topic in image_candidates(topics)}
    names = sorted(infos & images)
    return {name: [topic for topic in topics if _robot(topic.name) == name] for name in names}


def _robot(topic: str) -> str:
    return topic.strip('/').partition('/')[0]


def _others(robots: Mapping[str, Sequence[BagTopic]], task: JobTask) -> list[str]:
    """Return which robots the job of a task leaves out, each with the task that fits it."""
    given = task.values['input']
    taken = {_robot(str(name)) for name in given.values()}
    others = [
        f'/{name} ({_fitting_kind(topics)})'
        for name, topics in robots.items()
        if name not in taken
    ]
    if not others:
        return []
    images = given.get('left') or given['image']
    return [OTHER_ROBOTS.format(images=images, others=', '.join(others))]


def _missing_first(task: JobTask) -> list[str]:
    """Return what a task still needs before it runs; nothing where it runs as written."""
    model = task.values['settings'].get('model')
    if task.kind != 'mono' or models()[str(model)].ships_weights:
        return []
    return [MONO_NEEDS.format(model=model)]


def _task(body: _Body, kind: str, workers: WorkerSettings) -> JobTask:
    groups = TASK_KINDS[kind].groups()
    _expect_keys(body, groups)
    _expect_own_groups(body, groups)
    found = {key: _group(body.inner(key), group) for key, group in groups.items()}
    return JobTask(
        kind=kind,
        input=found['input'],
        settings=found['settings'],
        outputs=found['outputs'],
        threads=workers.threads,
    )


def _expect_own_groups(body: _Body, groups: Mapping[str, type[Settings]]) -> None:
    """Refuse a key that belongs to another group of its task."""
    names = {key: {setting.name for setting in settings_of(kind)} for key, kind in groups.items()}
    for group, own in names.items():
        for key in body.inner(group).values.keys() - own:
            for other in (other for other in names if key in names[other]):
                raise ParameterError(
                    f'there is no key {key!r} in {body.where}.{group} of {body.path}; it belongs '
                    f'to {body.where}.{other}, write it there'
                )


def _expect_plain(body: _Body, known: Iterable[str]) -> None:
    """Refuse mappings and lists where a job has single values, with how those are written."""
    names = list(known)
    for key, value in body.values.items():
        inner = value if isinstance(value, dict) else {}
        for name in (f'{key}.{word}' for word in inner):
            if name in names:
                raise ParameterError(
                    f'{body.path}: {body.where}.{key} is no mapping; write its keys in full, '
                    f'like {name}: {inner[name.removeprefix(f"{key}.")]}'
                )


def _expect_text(body: _Body, texts: Iterable[str]) -> None:
    """Refuse a list where a job has words in one text."""
    for key in texts:
        value = body.values.get(key)
        if isinstance(value, list):
            words = ' '.join(map(str, value))
            raise ParameterError(
                f'{body.path}: {body.where}.{key} is one text, got a list; write it with spaces '
                f"between the words: {key}: '{words}'"
            )


def _group(body: _Body, kind: type[SettingsT]) -> SettingsT:
    noun = f'key in {body.where} of {body.path}'
    settings = settings_of(kind)
    _expect_plain(body, [setting.name for setting in settings])
    _expect_text(body, [setting.name for setting in settings if setting.kind is str])
    known = ', '.join(setting.name for setting in settings)
    check_names(body.values, settings, noun=noun, list_hint=f'known are {known}')
    naming = Naming(
        alone=lambda setting: f'{body.path}: {body.where}.{setting.name}',
        among=lambda setting: setting.name,
    )
    return settings_from(kind, body.values, naming=naming)


def _expect_keys(body: _Body, known: Iterable[str]) -> None:
    names = list(known)
    for key in body.values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else f'known are {", ".join(names)}'
            where = f' in {body.where}' if body.where else ''
            raise ParameterError(f'there is no key {key!r}{where} of {body.path}; {hint}')


def _body(path: Path, where: str, value: object) -> _Body:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ParameterError(
            f'{path}: {where or "the file"} must be a mapping of names, got {value!r}; indent '
            'what belongs to it; an example is written by: depth-ros process --init BAG'
        )
    return _Body(path=path, where=where, values=value)


def _block(key: str, group: Settings, *, indent: str) -> str:
    values = written_values(group)
    entries = [
        entry_text(setting, values[setting.name], indent=f'{indent}  ')
        for setting in settings_of(type(group))
    ]
    return f'{indent}{key}:\n' + ''.join(entries)
