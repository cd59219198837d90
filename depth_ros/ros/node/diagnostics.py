"""Diagnostics and the report at exit: one record, written as key-values or as JSON."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from depth_ros.ros.node.roles import InputCounts
from depth_ros.ros.node.statistics import StatisticsSnapshot
from depth_ros.tasks.pipeline import Identity

QUIET_DROPS = ('superseded', 'no_subscriber', 'shutdown')
"""Drops that do not indicate a fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeReport:
    """State of a node at one moment.

    Attributes:
        identity: What runs; None while it is prepared.
        engine_description: The same with exact versions, in one line.
        lifecycle: State as a managed node.
        input: Which topics are subscribed to, e.g. ``'raw'``; empty while undecided.
        inputs: NodeStatistics of the messages before they were jobs.
        incompatible_qos: Publishers and subscribers whose QoS did not match.
        callback_failures: Callbacks that ended with an exception nobody foresaw.
        in_flight: Jobs being computed; every job is an output, dropped or in flight.
        statistics: Outputs, drops, rate, stage times.
        versions: Version by package.
        details: Further values of the task, e.g. ``scale_factor``.
    """

    identity: Identity | None
    engine_description: str
    lifecycle: str
    input: str
    inputs: InputCounts
    incompatible_qos: int
    callback_failures: int
    in_flight: int
    statistics: StatisticsSnapshot
    versions: Mapping[str, str]
    details: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the record as JSON has it; see ``docs/topics.md``."""
        statistics = self.statistics
        return {
            **self._identity(),
            'engine_description': self.engine_description,
            'lifecycle': self.lifecycle,
            'input': self.input,
            **self._counts(),
            **{name: dict(reasons) for name, reasons in self.inputs.by_reason.items()},
            'dropped': dict(statistics.dropped),
            'rate_hz': round(statistics.mean_rate_hz, 3),
            'valid_fraction': None
            if math.isnan(statistics.valid_fraction)
            else statistics.valid_fraction,
            'stages_ms': {
                name: {'p50': times.p50_ms, 'p95': times.p95_ms, 'p99': times.p99_ms}
                for name, times in statistics.stages.items()
            },
            **self.details,
            'versions': dict(self.versions),
        }

    def key_values(self) -> dict[str, str]:
        """Return the record flat, as diagnostics have it."""
        statistics = self.statistics
        values = self._identity()
        values['engine_description'] = self.engine_description
        values['lifecycle'] = self.lifecycle
        values['input'] = self.input
        values['rate_hz'] = f'{statistics.rate_hz:.2f}'
        values['valid_fraction'] = f'{statistics.valid_fraction:.4f}'
        values |= self.details
        counts = {**self._counts(), 'dropped': statistics.num_dropped}
        by_reason = {**self.inputs.by_reason, 'dropped': statistics.dropped}
        for what, reasons in by_reason.items():
            counts |= {f'{what}_{reason}': count for reason, count in reasons.items()}
        values |= {name: str(count) for name, count in counts.items()}
        for name, times in statistics.stages.items():
            values |= {f'{name}_{key}': f'{value:.3f}' for key, value in asdict(times).items()}
        return values

    def _identity(self) -> dict[str, str]:
        return asdict(self.identity) if self.identity else dict.fromkeys(IDENTITY_KEYS, '')

    def _counts(self) -> dict[str, int]:
        """Return the counters that are not by reason."""
        return {
            **self.inputs.totals,
            'outputs': self.statistics.outputs,
            'in_flight': self.in_flight,
            'incompatible_qos': self.incompatible_qos,
            'callback_failures': self.callback_failures,
        }


DIAGNOSTICS = '/diagnostics'
"""Absolute, as diagnostic_updater has it: one topic for the whole robot."""
LEFT_OUT = 'left_out'
"""Why outputs that have subscribers are not published."""
HINT_LEFT_OUT = 'hint_left_out'
"""Why nothing was told on of what another sensor measured."""
NOTHING_KNOWN = 'nothing_known'
"""Why no pixel of the last pair is known."""
WARNING_DETAILS = (LEFT_OUT, HINT_LEFT_OUT, NOTHING_KNOWN)
"""Details that make the state a warning."""
IDENTITY_KEYS = ('model', 'engine', 'precision', 'size')


def status_from(
    name: str, level: bytes, message: str, values: Mapping[str, str], *, hardware_id: str = ''
) -> DiagnosticStatus:
    """Return a status message with key-values; by default its hardware is this computer."""
    status = DiagnosticStatus(
        name=name, level=level, message=message, hardware_id=hardware_id or socket.gethostname()
    )
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def state_name(node: str) -> str:
    """Return the name of a node's own status, in the form of diagnostic_updater."""
    return f'{node.removeprefix("/")}: state'


def own_states(statuses: Sequence[DiagnosticStatus], namespace: str) -> list[DiagnosticStatus]:
    """Return the states of nodes of this package's form within a namespace, without topics."""
    within = namespace.strip('/')
    return [
        status
        for status in statuses
        if status.name.endswith(': state') and status.name.startswith(within)
    ]


def diagnostic_array(statuses: Sequence[DiagnosticStatus], stamp: object) -> DiagnosticArray:
    """Wrap statuses with the node's time."""
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = stamp
    return message


def faults_since(last: StatisticsSnapshot | None, now: StatisticsSnapshot) -> dict[str, int]:
    """Return the drops between two snapshots that indicate a fault, by reason."""
    before = last.dropped if last else {}
    new = {reason: count - before.get(reason, 0) for reason, count in now.dropped.items()}
    return {reason: n for reason, n in new.items() if n and reason not in QUIET_DROPS}
