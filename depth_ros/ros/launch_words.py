"""Arguments of a launch file as words, ``left:=/camera/left``, without starting anything.

They give what matters to a security policy: namespace, enclave, remappings and parameters. A test
compares them with what the launch files make of the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import ParameterError
from depth_ros.files.given_file import given_text
from depth_ros.files.yaml_text import parse_yaml
from depth_ros.ros.launch_names import (
    check_cameras,
    check_names,
    check_node_name,
    check_once,
)
from depth_ros.ros.parameter_docs import parameters_of
from depth_ros.ros.topic_names import NAMES, Remappings, camera_remappings

CAMERAS: dict[str, dict[str, str]] = {
    'stereo': {'left': 'left', 'right': 'right'},
    'mono': {'camera': ''},
    'multiview': {'camera': ''},
    'matcher': {'camera': ''},
    'odometry': {'left': 'left', 'right': 'right', 'camera': ''},
}
"""Arguments that name a camera's namespace, and the namespace that the node uses for it."""
TOPICS: dict[str, dict[str, str]] = {
    'mono': {'reference': 'reference/depth/image', 'odometry': 'odometry'},
    'multiview': {'odometry': 'odometry', 'pose': 'pose', 'range_points': 'range/points'},
    'odometry': {'depth': 'depth/image'},
}
"""Arguments that name a topic, and the name that the node uses for it."""
WITHOUT_TOPICS = ('rviz', 'fixed_frame', 'log_level', 'respawn', 'container', 'image_size')
"""Arguments that open no topic of the node."""
USE_SIM_TIME = 'use_sim_time'


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchWords:
    """What the words say.

    Attributes:
        namespace: Of the node.
        enclave: Its security enclave; empty where none is named.
        remappings: As the launch file makes them.
        values: Parameters, those of ``params_file`` included.
    """

    namespace: str
    enclave: str
    remappings: Remappings
    values: Mapping[str, object]


def read_launch_words(stem: str, words: Sequence[str]) -> LaunchWords:
    """Read the words behind ``ros2 launch depth_ros STEM.launch.py``.

    Args:
        stem: E.g. ``'stereo'``.
        words: ``NAME:=VALUE`` each; any parameter of the node too.

    Raises:
        ParameterError: If a word has no such form, is given twice, names nothing that there is,
            or has a name that ROS would refuse.
        InputError: If the parameter file cannot be read.
    """
    pairs = [_split(word) for word in words]
    check_once(name for name, _ in pairs)
    given = dict(pairs)
    cameras, topics = CAMERAS[stem], TOPICS.get(stem, {})
    check_node_name(given, f'{stem}_node')
    check_names(given, (*cameras, *topics))
    check_cameras(given, cameras)
    taken = {'namespace', 'enclave', 'names', 'params_file', *WITHOUT_TOPICS, *cameras, *topics}
    names = given.get('names', '')
    if names not in NAMES:
        raise ParameterError(f'there are no names {names!r}; use {", ".join(filter(None, NAMES))}')
    remappings = [
        rule
        for argument, name in cameras.items()
        for rule in camera_remappings(name, given.get(argument, name))
    ]
    remappings += [
        (name, given[argument]) for argument, name in topics.items() if given.get(argument)
    ]
    values = parameters_in(Path(given['params_file']), stem) if given.get('params_file') else {}
    own = {name: parse_yaml(text) for name, text in given.items() if name not in taken and text}
    _check(stem, own)
    return LaunchWords(
        namespace='/' + given.get('namespace', '').strip('/'),
        enclave=given.get('enclave', ''),
        remappings=[*remappings, *NAMES[names]],
        values={**values, **own},
    )


def parameters_in(path: Path, stem: str) -> dict[str, object]:
    """Return the parameters of a node in a parameter file; those of other nodes are left out.

    Raises:
        InputError: If it cannot be read, or is no parameter file.
    """
    document = parse_yaml(given_text(path))
    found: dict[str, object] = {}
    known = {setting.name for setting in parameters_of(stem).specs()} | {USE_SIM_TIME}
    for key, section in document.items() if isinstance(document, dict) else ():
        is_ours = str(key).strip('/') in ('**', f'**/{stem}_node', f'{stem}_node')
        listed = section.get('ros__parameters') if isinstance(section, dict) else None
        if is_ours and isinstance(listed, dict):
            found |= {name: value for name, value in _flat(listed) if name in known}
    return found


def _flat(values: Mapping[str, object], prefix: str = '') -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for name, value in values.items():
        inner = f'{prefix}{name}'
        pairs += _flat(value, f'{inner}.') if isinstance(value, dict) else [(inner, value)]
    return pairs


def _split(word: str) -> tuple[str, str]:
    name, sign, value = word.partition(':=')
    if not (name and sign):
        raise ParameterError(f'expected NAME:=VALUE as behind ros2 launch, got {word!r}')
    return name, value


def _check(stem: str, values: Mapping[str, object]) -> None:
    """Raise where a word is neither an argument nor a parameter."""
    given = {name: value for name, value in values.items() if name != USE_SIM_TIME}
    parameters_of(stem).from_values(given)
