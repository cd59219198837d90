"""What a node opens in the ROS graph, by its parameters: for policies that allow that and no more.

Each node has a module ``access`` with ``access_of``, beside its inputs and topics. Names are those
that the node itself uses, before any remapping. A live test compares them with what it opens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from depth_ros.ros.node.bond import TOPIC as BOND
from depth_ros.ros.node.camera_input import IMAGE_NAMES
from depth_ros.ros.node.cloud_parameters import CloudParameters
from depth_ros.ros.node.diagnostics import DIAGNOSTICS
from depth_ros.ros.node.navigation import NAVIGATION_TOPICS
from depth_ros.ros.node.parameters import CameraParameters, PoseParameters
from depth_ros.ros.node.poses import TOPICS as POSE_TOPICS

TF = ('/tf', '/tf_static')
PARAMETER_SERVICES = (
    'describe_parameters',
    'get_parameter_types',
    'get_parameters',
    'get_type_description',  # Jazzy and later
    'list_parameters',
    'set_parameters',
    'set_parameters_atomically',
)
LIFECYCLE_SERVICES = (
    'change_state',
    'get_available_states',
    'get_available_transitions',
    'get_state',
    'get_transition_graph',
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Topics and services of a node; it calls no service and has no action.

    Attributes:
        publishes: Topics it publishes.
        subscribes: Topics it subscribes to.
        beside: Topics that lie beside another one wherever that is: their own name, then its.
        replies: Services it offers.
    """

    publishes: frozenset[str] = frozenset()
    subscribes: frozenset[str] = frozenset()
    beside: tuple[tuple[str, str], ...] = ()
    replies: frozenset[str] = frozenset()

    def __or__(self, other: Access) -> Access:
        """Join both."""
        return Access(
            publishes=self.publishes | other.publishes,
            subscribes=self.subscribes | other.subscribes,
            beside=self.beside + other.beside,
            replies=self.replies | other.replies,
        )


MANAGED_NODE = Access(
    publishes=frozenset(
        ('/rosout', '/parameter_events', '~/transition_event', DIAGNOSTICS, BOND),
    ),
    replies=frozenset(f'~/{name}' for name in (*PARAMETER_SERVICES, *LIFECYCLE_SERVICES)),
)
"""What every node opens; ``/bond`` where Nav2's messages are installed."""
SIMULATED_TIME = Access(subscribes=frozenset(['/clock']))
"""What ``use_sim_time`` adds."""


def publishing(names: Iterable[str]) -> Access:
    """Return the access to publish topics."""
    return Access(publishes=frozenset(names))


def cameras(parameters: CameraParameters, *names: str) -> Access:
    """Return the access to cameras' images and calibrations.

    Args:
        parameters: Which images, and how they are sent; ``auto`` may become either.
        names: Their namespaces below the node's, e.g. ``'left'``; empty for its own.
    """
    kinds = [parameters.input] if parameters.input in IMAGE_NAMES else list(IMAGE_NAMES)
    ending = '/compressed' if parameters.image_transport == 'compressed' else ''
    images = [f'{IMAGE_NAMES[kind]}{ending}' for kind in kinds]
    return Access(
        subscribes=frozenset(
            f'{name}/{topic}' if name else topic
            for name in names
            for topic in (*images, 'camera_info')
        )
    )


def metric_depth(topic: str, transport: str) -> Access:
    """Return the access to depth images and to the calibration beside them."""
    info = f'{topic.rpartition("/")[0]}/camera_info'
    name = topic if transport == 'raw' else f'{topic}/{transport}'
    return Access(subscribes=frozenset([name]), beside=((info, topic),))


def costmaps(parameters: CloudParameters) -> Access:
    """Return the access to publish what costmaps get, and to TF where that places the camera."""
    navigation = parameters.navigation
    asks_tf = bool(navigation.scan_frame) or not navigation.base_from_camera.strip()
    return Access(
        publishes=frozenset(topic.name for topic in NAVIGATION_TOPICS),
        subscribes=frozenset(TF if asks_tf else ()),
    )


def poses(parameters: PoseParameters) -> Access:
    """Return the access to poses, and to TF where that says how the camera sits."""
    source = parameters.pose_source
    if source == 'none':
        return Access()
    kind = 'odometry' if source == 'auto' else source
    topics = [POSE_TOPICS[kind][1]] if kind in POSE_TOPICS else []
    asks_tf = source in ('tf', 'auto') or not parameters.base_from_camera.strip()
    return Access(subscribes=frozenset([*topics, *(TF if asks_tf else ())]))
