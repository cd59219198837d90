"""Bind described parameters to rclpy: descriptors with ranges, and refusals with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_ros.errors import DepthRosError, ParameterError
from depth_ros.ros.node.parameter_services import announce_descriptors
from depth_ros.ros.node.parameters import ParametersT
from depth_ros.ros.node.throttled_warnings import shortened
from depth_ros.settings import (
    PARAMETERS,
    Setting,
    SettingValue,
    UnknownNameError,
    check_names,
)

TYPES: dict[type, int] = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}
STANDARD_NAMES = ('use_sim_time', 'start_type_description_service')
STANDARD_PREFIX = 'qos_overrides.'


class DeclaredParameters(Generic[ParametersT]):
    """The node's parameters: declared once, always equal to ``current``."""

    def __init__(self, node: Node, kind: type[ParametersT]) -> None:
        """Declare everything and read the start values.

        Args:
            node: Made with ``allow_undeclared_parameters``, so that setting an unknown name gets
                to our refusal, which names the nearest one; rclpy's names nothing.
            kind: The node's dataclass of parameters.

        Raises:
            ParameterError: If a start value is refused, or a name was given that is another now.
        """
        self._node = node
        self.current: ParametersT = kind.from_values(given_values(node, kind.specs()))
        declare_all(node, kind.specs(), self.current.values())
        self._apply: Callable[[ParametersT], None] | None = None
        self._is_restoring = False

    def start(self, apply: Callable[[ParametersT], None]) -> None:
        """Call ``apply`` with the new values at every change; it refuses by raising."""
        self._apply = apply
        if hasattr(self._node, 'add_pre_set_parameters_callback'):  # not in Humble
            self._node.add_pre_set_parameters_callback(self._widened)
        self._node.add_on_set_parameters_callback(self._on_set)

    def restore(self, values: Mapping[str, object]) -> None:
        """Set values back without applying them: they are what still runs."""
        self._is_restoring = True
        try:
            parameters = [Parameter(name, value=value) for name, value in values.items()]
            self._node.set_parameters_atomically(parameters)
        finally:
            self._is_restoring = False

    def _widened(self, parameters: Sequence[Parameter]) -> list[Parameter]:
        """Turn integers that are given for doubles into doubles, so that they are kept as such."""
        doubles = {spec.name for spec in self.current.specs() if spec.kind is float}
        return [
            Parameter(entry.name, value=float(entry.value))
            if entry.name in doubles and entry.type_ is Parameter.Type.INTEGER
            else entry
            for entry in parameters
        ]

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Check and apply; called by rclpy before a change takes effect."""
        changes = {entry.name: entry.value for entry in parameters if not is_standard(entry.name)}
        if not changes:  # a change may subscribe, which declares qos_overrides while it applies
            return SetParametersResult(successful=True)
        try:
            wanted = self.current.changed(changes)
            if self._apply is not None and not self._is_restoring:
                self._check_read_only(wanted)
                self._apply(wanted)
        except DepthRosError as error:
            return SetParametersResult(successful=False, reason=shortened(str(error)))
        self.current = wanted
        return SetParametersResult(successful=True)

    def _check_read_only(self, wanted: ParametersT) -> None:
        before, after = self.current.values(), wanted.values()
        for spec in wanted.specs():
            if spec.is_read_only and before[spec.name] != after[spec.name]:
                raise ParameterError(
                    f'parameter {spec.name!r} is read at start only; restart the node with '
                    f'{spec.name}:={after[spec.name]}'
                )


def descriptor(spec: Setting) -> ParameterDescriptor:
    """Describe a parameter to ROS.

    Typing is dynamic and read-only is not told to rclpy, because its own refusals do not say
    what to do (and an integer such as ``max_depth_m:=10`` will do for a double);
    ``Setting.checked`` and ``DeclaredParameters`` see to both, and ``announce_descriptors`` tells
    them to whoever asks.
    """
    constraints = f'one of: {", ".join(spec.choices)}' if spec.choices else ''
    description = ParameterDescriptor(
        name=spec.name,
        type=TYPES[spec.kind],
        description=f'{spec.description} [{spec.unit}]' if spec.unit else spec.description,
        additional_constraints=constraints,
        dynamic_typing=True,
    )
    is_ranged = spec.minimum is not None or spec.maximum is not None
    if spec.kind is float and is_ranged:
        description.floating_point_range = [_float_range(spec)]
    if spec.kind is int and is_ranged:
        description.integer_range = [
            IntegerRange(from_value=int(spec.minimum or 0), to_value=int(spec.maximum or 0))
        ]
    return description


def _float_range(spec: Setting) -> FloatingPointRange:
    lowest = -math.inf if spec.minimum is None else spec.minimum
    highest = math.inf if spec.maximum is None else spec.maximum
    return FloatingPointRange(from_value=float(lowest), to_value=float(highest))


def start_parameter(
    name: str,
    default: SettingValue,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Setting:
    """Describe a parameter of a small node, set at start only."""
    return Setting(
        name=name,
        field=name,
        default=default,
        description=description,
        minimum=minimum,
        maximum=maximum,
        choices_of=lambda: choices,
        is_read_only=True,
    )


AUTOSTART = start_parameter(
    'autostart', True, 'configure and activate by itself; false: wait for the transitions'
)


def declare_once(node: Node, specs: Sequence[Setting]) -> Mapping[str, SettingValue]:
    """Declare parameters that are set at start only, and return their checked values.

    Raises:
        ParameterError: If a value is refused.
    """
    given = given_values(node, specs)
    values = {
        spec.name: spec.checked(given.get(spec.name, spec.default), what=PARAMETERS.alone(spec))
        for spec in specs
    }
    declare_all(node, specs, values)
    return values


def declare_all(node: Node, specs: Sequence[Setting], values: Mapping[str, SettingValue]) -> None:
    """Declare parameters with values that are checked already.

    rclpy would check the values given at start itself, in words that do not say what to do.
    """
    for spec in specs:
        node.declare_parameter(
            spec.name, values[spec.name], descriptor(spec), ignore_override=True
        )
    announce_descriptors(node, {spec.name: announced(spec) for spec in specs})


def announced(spec: Setting) -> ParameterDescriptor:
    """Return what tools are told about a parameter: its type is fixed, and whether it changes."""
    description = descriptor(spec)
    description.dynamic_typing, description.read_only = False, spec.is_read_only
    return description


def given_values(node: Node, specs: Sequence[Setting]) -> dict[str, object]:
    """Return the values set at start; warn of names that there are not, and leave them out.

    A bringup may give parameters to all its nodes (``SetParameter``, ``/**`` in a file). rclpy
    keeps what is given in an attribute without a public name (Humble to Kilted) and ignores what
    is never declared, so that a misspelt limit would be lost in silence.

    Raises:
        ParameterError: If a name is called otherwise now.
    """
    given: Mapping[str, Parameter] = getattr(node, '_parameter_overrides', {})
    known = {}
    for name, parameter in given.items():
        if is_standard(name):
            continue
        try:
            check_names([name], specs)
        except UnknownNameError as error:
            node.get_logger().warning(shortened(f'[unknown_parameter] {error}; it is ignored'))
        else:
            known[name] = parameter.value
    return known


def is_standard(name: str) -> bool:
    """Whether a parameter belongs to ROS itself."""
    return name in STANDARD_NAMES or name.startswith(STANDARD_PREFIX)
