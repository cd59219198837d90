"""What stands before rclpy's parameter services: refusals with a reason, and announcements.

rclpy turns the type of a value into a member of an enumeration before anything is checked; a
number that stands for no type raises there, and the caller would wait for an answer for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rcl_interfaces.srv import DescribeParameters, SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

KNOWN_TYPES = frozenset(kind.value for kind in Parameter.Type)
Answer = Callable[..., object]


def refuse_unknown_types(node: Node) -> None:
    """Stand before the two services of a node that set parameters."""
    for service in node.services:
        guard = GUARDS.get(service.srv_type)
        if guard is not None:
            service.callback = guard(service.callback)


def announce_descriptors(node: Node, known: Mapping[str, ParameterDescriptor]) -> None:
    """Answer questions about these parameters with these descriptors, not with rclpy's own."""
    for service in node.services:
        if service.srv_type is DescribeParameters:
            service.callback = _announcing(service.callback, known)


def _announcing(answer: Answer, known: Mapping[str, ParameterDescriptor]) -> Answer:
    def on_request(
        request: DescribeParameters.Request, response: DescribeParameters.Response
    ) -> object:
        answered = answer(request, response)
        response.descriptors = [
            known.get(descriptor.name, descriptor) for descriptor in response.descriptors
        ]
        return answered

    return on_request


def _one_by_one(answer: Answer) -> Answer:
    def on_request(
        request: SetParameters.Request, response: SetParameters.Response
    ) -> SetParameters.Response:
        for parameter in request.parameters:
            refusal = _refusal([parameter])
            if refusal is None:
                answer(SetParameters.Request(parameters=[parameter]), response)
            else:
                response.results.append(refusal)
        return response

    return on_request


def _together(answer: Answer) -> Answer:
    def on_request(
        request: SetParametersAtomically.Request, response: SetParametersAtomically.Response
    ) -> object:
        refusal = _refusal(request.parameters)
        if refusal is None:
            return answer(request, response)
        response.result = refusal
        return response

    return on_request


def _refusal(parameters: Sequence[ParameterMessage]) -> SetParametersResult | None:
    for parameter in parameters:
        if parameter.value.type not in KNOWN_TYPES:
            return SetParametersResult(
                successful=False,
                reason=(
                    f'parameter {parameter.name!r} came with value type {parameter.value.type}, '
                    f'which is none of 0..{max(KNOWN_TYPES)}; send a type of '
                    'rcl_interfaces/ParameterType'
                ),
            )
    return None


GUARDS: dict[type, Callable[[Answer], Answer]] = {
    SetParameters: _one_by_one,
    SetParametersAtomically: _together,
}
