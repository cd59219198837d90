"""One process for the nodes of several launch files: ``container:=true`` in each of them.

Every file leaves its node here while launch goes through the description; the process starts when
all that is included at once has been gone through. What a bringup sets for the nodes of a group
(``PushRosNamespace``, ``SetParameter``, ``SetRemap``) is noted when a node is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from launch.actions import OpaqueFunction, TimerAction
from launch_ros.actions import Node

from depth_ros.errors import ParameterError

EXECUTABLE = 'perception'
KEY = 'depth_ros_container'
"""Of launch's context, where the nodes wait."""


@dataclass(frozen=True, kw_only=True)
class Contained:
    """A node for the common process.

    Attributes:
        stem: E.g. ``'stereo'``.
        namespace: As given to its launch file.
        params_file: Its parameter file; sections of other nodes do not concern it.
        parameters: What goes over that, YAML by name.
        remappings: Names the node uses, and names to use instead.
        enclave: Security enclave; a process has one.
        log_level: Its own; empty takes the default.
        options: Of launch's ``Node``: ``respawn`` and the like.
    """

    stem: str
    namespace: str
    params_file: str
    parameters: Mapping[str, str]
    remappings: Sequence[tuple[str, str]]
    enclave: str = ''
    log_level: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the node."""
        return f'{self.stem}_node'


def leave(node: Contained, context: Any) -> list[Any]:
    """Leave a node for the common process; return what starts it, at the first one.

    Raises:
        ParameterError: If there is such a node already.
    """
    waiting: list[tuple[Contained, list[str]]] | None = context.get_locals_as_dict().get(KEY)
    is_first = waiting is None
    if waiting is None:
        waiting = []
        context.extend_globals({KEY: waiting})
    if node.name in [other.name for other, _ in waiting]:
        raise ParameterError(
            f'two launch files ask for a {node.name} with container:=true, and one process has '
            'one of each kind; leave the argument out in one of them'
        )
    waiting.append((node, words_of(node, context.launch_configurations)))
    start = OpaqueFunction(function=lambda context: [_process(_taken(context))])
    return [TimerAction(period=0.0, actions=[start])] if is_first else []


def words_of(node: Contained, configurations: Mapping[str, Any]) -> list[str]:
    """Return the words behind ``--ros-args`` that make a node what it would be alone.

    Args:
        node: The node.
        configurations: Launch's, with what is set for the group: ``ros_namespace``,
            ``global_params`` and ``ros_remaps``.
    """
    namespace = _joined(configurations.get('ros_namespace', ''), node.namespace)
    words = ['-r', f'{node.name}:__ns:={namespace}'] if namespace else []
    for entry in configurations.get('global_params', ()):
        words += _parameter(node.name, entry)
    words += ['--params-file', f'{node.name}:{node.params_file}']
    for name, text in node.parameters.items():
        words += ['-p', f'{node.name}:{name}:={text}']
    for used, wanted in (*configurations.get('ros_remaps', ()), *node.remappings):
        words += ['-r', f'{node.name}:{used}:={wanted}']
    if node.log_level:
        logger = '.'.join(part for part in (*namespace.split('/'), node.name) if part)
        words += ['--log-level', f'{logger}:={node.log_level}']
    return words


def _taken(context: Any) -> list[tuple[Contained, list[str]]]:
    """Return the nodes that wait; who comes later gets another process."""
    waiting: list[tuple[Contained, list[str]]] = context.get_locals_as_dict()[KEY]
    context.extend_globals({KEY: None})
    return waiting


def _process(waiting: Sequence[tuple[Contained, list[str]]]) -> Node:
    enclaves = {node.enclave for node, _ in waiting if node.enclave}
    if len(enclaves) > 1:
        raise ParameterError(
            f'nodes of one process need one enclave, got {", ".join(sorted(enclaves))}; give all '
            'launch files with container:=true the same, or leave container out'
        )
    first = waiting[0][0]
    respawn = any(node.options.get('respawn') for node, _ in waiting)
    return Node(
        package='depth_ros',
        executable=EXECUTABLE,
        arguments=['--nodes', ','.join(node.stem for node, _ in waiting)],
        ros_arguments=[
            *(word for _, words in waiting for word in words),
            *(word for enclave in enclaves for word in ('--enclave', enclave)),
        ],
        **{**first.options, 'respawn': respawn},
    )


def _parameter(name: str, entry: Any) -> list[str]:
    """Return the words of what ``SetParameter`` or ``SetParametersFromFile`` left."""
    if isinstance(entry, str):
        return ['--params-file', f'{name}:{entry}']
    parameter, value = entry
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix('\n').removesuffix('\n...')
    return ['-p', f'{name}:{parameter}:={text}']


def _joined(pushed: str, given: str) -> str:
    """Return the namespace as launch_ros makes it: a given one that begins with / stands alone."""
    if given.startswith('/') or not (pushed or given):
        return given
    parts = [part.strip('/') for part in (pushed, given) if part.strip('/')]
    return '/' + '/'.join(parts)
