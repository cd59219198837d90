"""A service whose answers may come later and from another thread, without blocking the executor.

rclpy sends what a service's callback returns. Here the callback is a coroutine that waits for a
future; a guard condition wakes the executor when another thread has set it. If the caller is gone
by then, a debug line is logged; rclpy alone would end the node.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from depth_ros.ros.node.qos import profile

QUEUE_DEPTH = 64
"""Requests that DDS keeps until the executor takes them; with rclpy's 10 a flood loses some,
and their callers would wait for ever."""
FLUSH_SPINS = 200
logger = logging.getLogger(__name__)

Handle = Callable[[object, Callable[[object], None]], None]


class PatientService:
    """Offers a service; every request is handed over with a function that sends its response."""

    def __init__(self, node: Node, kind: type, name: str, handle: Handle) -> None:
        """Offer it.

        Args:
            node: Owner of the service.
            kind: Generated service class.
            name: Relative name.
            handle: Takes a request, in the executor's thread, and a function that takes its
                response: once, at once or later, in any thread.
        """
        self._node = node
        self._handle = handle
        self._num_open = 0
        # Reentrant: otherwise a waiting request would block every other callback.
        group = ReentrantCallbackGroup()
        self._wake = node.create_guard_condition(_nothing, callback_group=group)
        service = node.create_service(
            kind,
            name,
            self._on_request,
            qos_profile=profile('reliable', QUEUE_DEPTH),
            callback_group=group,
        )
        service.send_response = _forgiving(service.send_response)

    def flush(self) -> None:
        """Send pending responses when the node ends; call it outside of callbacks."""
        executor = self._node.executor
        for _ in range(FLUSH_SPINS):
            if executor is None or not self._num_open:
                return
            executor.spin_once(timeout_sec=0.0)

    async def _on_request(self, request: object, response: object) -> object:
        future: Future = Future()
        self._num_open += 1

        def send(answer: object) -> None:
            future.set_result(answer)
            self._wake.trigger()

        self._handle(request, send)
        try:
            return await future
        finally:
            self._num_open -= 1


def _nothing() -> None:
    """Do nothing: the call only wakes the executor."""


def _forgiving(send_response: Callable[[object, object], None]) -> Callable[..., None]:
    """Drop a response that cannot be sent, where rclpy would raise."""

    def send(response: object, header: object) -> None:
        try:
            send_response(response, header)
        except RuntimeError as error:
            logger.debug('a caller is gone: %s', error)

    return send
