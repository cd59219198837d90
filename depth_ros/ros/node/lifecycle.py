"""A managed node (ROS 2 design, "Managed nodes"): what each transition does, and its errors.

The node comes up by itself unless ``autostart`` is false; then whoever manages it asks for the
transitions (``ros2 lifecycle set``, Nav2's lifecycle_manager).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.lifecycle.managed_entity import ManagedEntity
from rclpy.lifecycle.node import LifecycleState

from depth_ros.errors import DepthRosError
from depth_ros.ros.node.bond import Bond
from depth_ros.ros.node.guarded_executor import defect_text

UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = 'unconfigured', 'inactive', 'active', 'finalized'


class Managed(Protocol):
    """What is managed; each step refuses by raising ``DepthRosError``."""

    def configure(self) -> None:
        """Open what takes long."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working; what is open stays open."""

    def cleanup(self) -> None:
        """Close what ``configure`` opened."""


class NothingToManage:
    """Steps of a node that only looks whether it is active."""

    def configure(self) -> None:
        """Do nothing."""

    def activate(self) -> None:
        """Do nothing."""

    def deactivate(self) -> None:
        """Do nothing."""

    def cleanup(self) -> None:
        """Do nothing."""


class Lifecycle(ManagedEntity):
    """Runs the steps of a node in its transitions.

    Attributes:
        state: One of the four primary states.
        error: Why the last transition failed; None if it did not.
    """

    def __init__(self, node: LifecycleNode, managed: Managed) -> None:
        """Begin unconfigured."""
        self.state = UNCONFIGURED
        self.error: DepthRosError | None = None
        self._node = node
        self._managed = managed
        self._log = node.get_logger()
        self._bond = Bond(node)
        node.add_managed_entity(self)
        answer_impossible_requests(node)

    @property
    def is_active(self) -> bool:
        """Whether the node works."""
        return self.state == ACTIVE

    def bring_up(self) -> bool:
        """Configure and activate the node, as far as it is not; return whether it is active."""
        if self.state == UNCONFIGURED:
            self._node.trigger_configure()
        if self.state == INACTIVE:
            self._node.trigger_activate()
        return self.is_active

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the engine."""
        return self._run('configure', self._managed.configure, INACTIVE)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        return self._run('activate', self._managed.activate, ACTIVE)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe."""
        return self._run('deactivate', self._managed.deactivate, INACTIVE)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the engine."""
        return self._run('clean up', self._managed.cleanup, UNCONFIGURED)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and close the engine."""
        return self._run('shut down', self._end, FINALIZED)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the beginning, whatever failed; the reason is logged already."""
        return self._run('recover', self._end, UNCONFIGURED, keeps_error=True)

    def _end(self) -> None:
        self._managed.deactivate()
        self._managed.cleanup()

    def _run(
        self, name: str, step: Callable[[], None], state: str, *, keeps_error: bool = False
    ) -> TransitionCallbackReturn:
        """Run a step; rclpy alone would be silent about what it raises."""
        try:
            step()
        except DepthRosError as error:
            self.error = error
            self._log.error(f'cannot {name}: {error}')
            return TransitionCallbackReturn.ERROR
        except Exception as error:  # noqa: BLE001 - one per transition, told where rclpy is silent
            self.error = DepthRosError(repr(error))
            self._log.error(f'cannot {name}: {defect_text(error)}')
            return TransitionCallbackReturn.ERROR
        self.state = state
        (self._bond.form if self.is_active else self._bond.end)()
        self.error = self.error if keeps_error else None
        return TransitionCallbackReturn.SUCCESS


def answer_impossible_requests(node: LifecycleNode) -> None:
    """Answer requests for transitions that the present state does not have.

    Until Jazzy rclpy raises instead, and whoever asked would wait for ever.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _answering(service.callback)


def _answering(
    answer: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
) -> Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]:
    def on_request(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return answer(request, response)
        except rclpy_implementation.RCLError:
            response.success = False
            return response

    return on_request
