"""Keeps what nodes say on ``/diagnostics``, first and last, by the names of their statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from depth_ros.ros.doctor.snapshot import StatusReport
from depth_ros.ros.node.diagnostics import state_name

TOPIC_ENDING = ' topic status'
MAX_STATUSES = 2000
MAX_VALUES = 300
LONGEST = 500


class StatusBook:
    """Statuses by name."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._reports: dict[str, StatusReport] = {}

    def take(self, message: DiagnosticArray) -> None:
        """Keep every status of a message."""
        for status in message.status:
            first = self._reports.get(status.name)
            if first is not None or len(self._reports) < MAX_STATUSES:
                values = _values(status)
                self._reports[status.name] = StatusReport(
                    level=int.from_bytes(status.level, 'little'),
                    message=status.message[:LONGEST],
                    first=first.first if first else values,
                    last=values,
                )

    def state_of(self, node: str) -> StatusReport | None:
        """Return a node's own status; None where it said nothing."""
        return self._reports.get(state_name(node))

    def topics_of(self, node: str) -> Mapping[str, StatusReport]:
        """Return a node's statuses of topics, by topic, in its order."""
        start = f'{node.removeprefix("/")}: '
        return {
            name.removeprefix(start).removesuffix(TOPIC_ENDING): report
            for name, report in self._reports.items()
            if name.startswith(start) and name.endswith(TOPIC_ENDING)
        }


def _values(status: DiagnosticStatus) -> dict[str, str]:
    pairs: Sequence = status.values[:MAX_VALUES]
    return {pair.key[:LONGEST]: pair.value[:LONGEST] for pair in pairs}
