"""Asks nodes for parameters, as ``ros2 param`` does: names first, then only those that exist."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

from depth_ros.ros.doctor.typed import SIGNATURES

WANTED = frozenset(
    {
        'use_sim_time',
        'autostart',
        'build_if_missing',
        'input',
        'image_transport',
        'input_reliability',
        'output_reliability',
        'max_stamp_difference_s',
        'sync_queue_size',
        'depth_unit_m',
        'baseline_m',
        'base_frame',
        'base_from_camera',
        'diagnostics_period_s',
        'model',
        'engine',
        'precision',
        *SIGNATURES.values(),
    }
)
SOURCES = '.observation_sources'
COSTMAP_ENDINGS = ('.plugin', '.topic', '.clearing', '.marking', '.data_type', SOURCES)
MAX_NAMES = 5000
RETRY_S = 1.0


class Inquiry:
    """One node that is asked; ``poll`` goes on as its answers come.

    Attributes:
        parameters: What it answered; empty before.
        is_done: Whether it answered.
        state: As a managed node; empty of others, and before it answered.
    """

    def __init__(self, node: Node, target: str) -> None:
        """Begin.

        Args:
            node: Who asks.
            target: Full name of who is asked.
        """
        self.parameters: Mapping[str, object] = {}
        self.is_done = False
        self.state = ''
        self._names: list[str] = []
        self._list = node.create_client(ListParameters, f'{target}/list_parameters')
        self._get = node.create_client(GetParameters, f'{target}/get_parameters')
        self._get_state = node.create_client(GetState, f'{target}/get_state')
        self._state_future: Any = None
        self._future: Any = None
        self._asked_s = 0.0
        self._is_listed = False

    def poll(self) -> None:
        """Ask what can be asked, and take the answer that has come."""
        self._poll_state()
        if self.is_done:
            return
        if self._future is not None and self._future.done():
            self._take(self._future.result())
        elif self._future is None or time.monotonic() > self._asked_s + RETRY_S:
            self._ask()

    def _poll_state(self) -> None:
        """Ask a managed node for its state once its service is known, and take the answer."""
        if self._state_future is None:
            if self._get_state.service_is_ready():
                self._state_future = self._get_state.call_async(GetState.Request())
        elif self._state_future.done() and not self.state:
            self.state = self._state_future.result().current_state.label

    def _ask(self) -> None:
        """Ask, or ask again: an answer is lost where the other side does not know us yet."""
        self._asked_s = time.monotonic()
        if not self._is_listed and self._list.service_is_ready():
            self._future = self._list.call_async(ListParameters.Request())
        elif self._is_listed and self._get.service_is_ready():
            self._future = self._get.call_async(GetParameters.Request(names=self._names))

    def _take(self, answer: Any) -> None:
        self._future = None
        if not self._is_listed:
            self._names = wanted(answer.result.names[:MAX_NAMES])
            self._is_listed = True
            self.is_done = not self._names
            return
        values = map(parameter_value_to_python, answer.values)
        self.parameters = dict(zip(self._names, values, strict=False))
        self.is_done = True


def wanted(names: list[str]) -> list[str]:
    """Return those names that the doctor looks at: ours, and those of a costmap's layers."""
    is_costmap = any(name.endswith(SOURCES) for name in names)
    return [
        name for name in names if name in WANTED or (is_costmap and name.endswith(COSTMAP_ENDINGS))
    ]
