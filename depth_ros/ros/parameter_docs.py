"""Write ``docs/parameters.md`` and ``config/*.yaml`` from the parameters. Needs no ROS.

Type ``python -m depth_ros.ros.parameter_docs`` in the checkout after changing a parameter.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from depth_ros.files.settings_text import allowed_text, entry_text, yaml_value
from depth_ros.ros.node.parameters import NodeParameters
from depth_ros.settings import KIND_NAMES, Setting

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = 'python -m depth_ros.ros.parameter_docs'

NODES: dict[str, str] = {
    'stereo': 'depth_ros.ros.stereo.parameters:StereoParameters',
    'mono': 'depth_ros.ros.mono.parameters:MonoParameters',
    'matcher': 'depth_ros.ros.matcher.parameters:MatcherParameters',
    'odometry': 'depth_ros.ros.odometry.parameters:OdometryParameters',
    'multiview': 'depth_ros.ros.multiview.parameters:MultiviewParameters',
}
"""Dataclass of parameters by the stem of node, launch file and parameter file."""

DOCS_HEAD = f"""\
# Parameters of the nodes

Written by `{COMMAND}` from the settings of every task and
`depth_ros/ros/*/parameters.py`; do not edit by hand.

Set them in a parameter file (`params_file:=` of the launch file; `config/stereo.yaml` and its
neighbours show all defaults), with `--ros-args -p name:=value`, or while the node runs with
`ros2 param set`. A name that does not exist is a warning at start, with the nearest name, and is
refused at run time. Quality of service of every topic can be set at start with
`qos_overrides./TOPIC.publisher.reliability` and its like (`history`, `depth`, `durability`;
`subscription` for inputs). A change of model, engine, size or matcher is prepared in the
background and swapped between two frames. If that fails the old one goes on: a failure within
half a second refuses the change, a later one is logged and sets the parameters back.
`ros2 param set` sets one at a time: set `weights` before `model`.
"""

TABLE_HEAD = """\

## {stem}_node

| parameter | type | default | allowed | at run time | meaning |
| --- | --- | --- | --- | --- | --- |
"""

YAML_HEAD = f"""\
# Parameters of {{stem}}_node with their defaults.
# Written by `{COMMAND}`; copy it, change it, pass it with params_file:=
# (docs/parameters.md has the ranges).
/**:
  ros__parameters:
"""


def parameters_of(stem: str) -> type[NodeParameters]:
    """Import a node's dataclass of parameters."""
    module, name = NODES[stem].split(':')
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def parameters_markdown() -> str:
    """Return the text of ``docs/parameters.md``."""
    return DOCS_HEAD + ''.join(
        TABLE_HEAD.format(stem=stem) + ''.join(map(_row, parameters_of(stem).specs()))
        for stem in NODES
    )


def parameters_yaml(stem: str) -> str:
    """Return the text of a node's parameter file."""
    entries = '\n'.join(_entry(spec) for spec in parameters_of(stem).specs())
    return YAML_HEAD.format(stem=stem) + entries


def outputs() -> dict[Path, str]:
    """Return every generated file, relative to the checkout, with its text."""
    files = {Path(f'config/{stem}.yaml'): parameters_yaml(stem) for stem in NODES}
    return {Path('docs/parameters.md'): parameters_markdown(), **files}


def main() -> None:
    """Write the files into the checkout."""
    for path, text in outputs().items():
        (CHECKOUT / path).write_text(text, encoding='utf-8')


def _row(spec: Setting) -> str:
    cells = (
        f'`{spec.name}`',
        KIND_NAMES[spec.kind],
        f'`{yaml_value(spec.default)}`',
        allowed_text(spec),
        'no, set at start' if spec.is_read_only else 'yes',
        spec.description,
    )
    return f'| {" | ".join(cells)} |\n'


def _entry(spec: Setting) -> str:
    note = '; set at start only' if spec.is_read_only else ''
    return entry_text(spec, spec.default, indent='    ', note=note)


if __name__ == '__main__':
    main()
