"""Run several nodes in one process: one executor, a lifecycle and an end for each node."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.logging import get_logger
from rclpy.node import Node

from depth_ros.errors import DepthRosError
from depth_ros.ros.node.guarded_executor import CALLBACK, CrewExecutor, defect_text
from depth_ros.ros.node.parameter_services import refuse_unknown_types
from depth_ros.ros.node.runner import SPIN_S, Runnable, forward_log
from depth_ros.ros.node.speaker import SPEAKER, in_same_name
from depth_ros.ros.node.stop_request import StopRequest


class Crew:
    """The nodes of one process that have not ended.

    Attributes:
        code: Largest exit code of those that have; 0 while all ended well.
    """

    def __init__(self, name: str, makes: Mapping[str, Callable[[], Runnable]]) -> None:
        """Make every node; one that cannot be made is told, and the others go on.

        Args:
            name: Of the program, for its log.
            makes: What makes a node, by its name.
        """
        self.code = 0
        self._log = get_logger(name)
        forward_log(self._log)
        self._alive: dict[str, Runnable] = {}
        self._executor = CrewExecutor(self._tell, num_nodes=len(makes))
        for node_name, make in makes.items():
            try:
                self._alive[node_name] = in_same_name(make)()
            except DepthRosError as error:
                get_logger(node_name).fatal(str(error))
                self._count_out(node_name, 1)

    def spin(self, stop: StopRequest) -> int:
        """Run until every node has ended or a signal comes; return the exit code."""
        for member in self._alive.values():
            self._executor.add_node(member.node)
            refuse_unknown_types(member.node)
        context = self._executor.context
        try:
            while self._alive and context.ok() and not stop.is_set:
                self._executor.spin_once(SPIN_S)
                for name in [name for name, one in self._alive.items() if one.is_finished]:
                    self._count_out(name, self._end(name))
            while self._alive:
                self.code = max(self.code, self._end(next(iter(self._alive))))
        finally:
            self._executor.shutdown()
        return self.code

    def _end(self, name: str) -> int:
        """Close one node, whatever that raises, and return its exit code."""
        member = self._alive.pop(name)
        self._executor.wait_until_idle(member.node)
        SPEAKER.set(member.node.get_logger())
        try:
            return member.close()
        except Exception as error:  # noqa: BLE001 - the last of one node, not of the others
            get_logger(name).fatal(defect_text(error))
            return 1
        finally:
            SPEAKER.set(None)
            self._executor.remove_node(member.node)
            member.node.destroy_node()

    def _count_out(self, name: str, code: int) -> None:
        self.code = max(self.code, code)
        others = ', '.join(self._alive) or 'none is left'
        self._log.error(f'{name} has ended with code {code}; the others go on: {others}')

    def _tell(self, node: Node | None, text: str) -> None:
        """Tell what a callback raised to the node it belongs to, which counts it."""
        for member in self._alive.values():
            if member.node is node:
                member.warn(CALLBACK, text)
                return
        self._log.error(f'[{CALLBACK}] {text}')
