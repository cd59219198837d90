"""Nav2's costmaps: whether what marks from our clouds is ever cleared. Imports no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import RobotSnapshot

SOURCES = 'observation_sources'
DECAYING = 'SpatioTemporal'
"""Part of the name of the plugin whose marks end by themselves."""

CLOUD = 'sensor_msgs/msg/PointCloud2'


def find_no_clearing(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find layers that mark from a cloud of ours and clear from nothing that can clear.

    Our clouds leave out what is far: their rays end at obstacles, and open space behind a person
    that walks away stays marked. ``points/clearing`` and a laser scan have rays into open space.
    """
    ours = {node.name for node in seen.nodes}
    clouds = {end.topic for end in seen.publishers if end.node in ours and end.kind == CLOUD}
    for costmap, parameters in seen.costmaps.items():
        for layer, names in _layers(parameters):
            if DECAYING in str(parameters.get(f'{layer}.plugin', '')):
                continue
            topics = {name: _topic(parameters, layer, name) for name in names}
            marking = [
                name
                for name in names
                if topics[name] in clouds
                and parameters.get(f'{layer}.{name}.marking', True) is True
            ]
            clearing = [name for name in names if _clears(parameters, layer, name, topics[name])]
            if marking and not clearing:
                yield Fault(
                    about=f'{costmap} {layer}',
                    text=f'{layer} of {costmap} marks from {topics[marking[0]]}, and nothing in '
                    'it clears: that cloud has no points where nothing is, so that what went '
                    'away stays; add a source on points/clearing, or a laser scan, with clearing '
                    'true (docs/topics.md)',
                    remedy=f'ros2 param get {costmap} {layer}.{SOURCES}',
                )


def _layers(parameters: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    for name, value in parameters.items():
        if name.endswith(f'.{SOURCES}') and isinstance(value, str):
            yield name.removesuffix(f'.{SOURCES}'), value.split()


def _topic(parameters: Mapping[str, object], layer: str, source: str) -> str:
    return str(parameters.get(f'{layer}.{source}.topic', ''))


def _clears(parameters: Mapping[str, object], layer: str, source: str, topic: str) -> bool:
    is_scan = parameters.get(f'{layer}.{source}.data_type') == 'LaserScan'
    wants = parameters.get(f'{layer}.{source}.clearing', False) is True
    return wants and (is_scan or topic.endswith(('/clearing', '/scan')))


COSTMAP_CHECKS = (
    HealthCheck(
        name='costmap-no-clearing',
        severity=Severity.WARNING,
        meaning='A costmap marks from a cloud of ours, and nothing in that layer can clear.',
        remedy='a source on points/clearing with clearing: true, in the costmap parameters',
        find=find_no_clearing,
    ),
)
