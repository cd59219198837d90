"""Reads the ROS graph into plain values: nodes, publishers and subscriptions with their QoS."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from depth_ros.ros.doctor.snapshot import Endpoint, EndpointQos

LONGEST_DURATION_S = 1e9
"""Durations above it stand for none; a middleware has its own number for infinity."""

UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'


def node_names(node: Node) -> tuple[str, ...]:
    """Return the full names of all nodes but this one; two of one name are both in it."""
    found = [
        full_name(name, namespace)
        for name, namespace in node.get_node_names_and_namespaces()
        if name != UNKNOWN_NODE
    ]
    own = node.get_fully_qualified_name()
    return tuple(sorted(name for name in found if name != own))


def endpoints(node: Node) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """Return all publishers and all subscriptions, this node's own left out."""
    topics = [name for name, _ in node.get_topic_names_and_types()]
    publishers = [end for topic in topics for end in publishers_of(node, topic)]
    subscriptions = [end for topic in topics for end in subscriptions_of(node, topic)]
    return tuple(publishers), tuple(subscriptions)


def publishers_of(node: Node, topic: str) -> list[Endpoint]:
    """Return the publishers of a topic but this node's."""
    return list(_ends(node, topic, node.get_publishers_info_by_topic(topic)))


def subscriptions_of(node: Node, topic: str) -> list[Endpoint]:
    """Return the subscriptions of a topic but this node's."""
    return list(_ends(node, topic, node.get_subscriptions_info_by_topic(topic)))


def full_name(name: str, namespace: str) -> str:
    """Join a node's name and namespace."""
    return f'{namespace.rstrip("/")}/{name}'


def _ends(node: Node, topic: str, infos: list) -> Iterator[Endpoint]:
    own = node.get_fully_qualified_name()
    for info in infos:
        name = full_name(info.node_name, info.node_namespace)
        if name != own:
            qos = _qos(info.qos_profile)
            yield Endpoint(node=name, topic=topic, kind=info.topic_type, qos=qos)


def _qos(profile: QoSProfile) -> EndpointQos:
    is_reliable = profile.reliability is not ReliabilityPolicy.BEST_EFFORT
    is_kept = profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    is_manual = profile.liveliness is LivelinessPolicy.MANUAL_BY_TOPIC
    deadline_s = profile.deadline.nanoseconds * 1e-9
    return EndpointQos(
        reliability='reliable' if is_reliable else 'best_effort',
        durability='transient_local' if is_kept else 'volatile',
        deadline_s=deadline_s if 0.0 < deadline_s < LONGEST_DURATION_S else math.inf,
        liveliness='manual_by_topic' if is_manual else 'automatic',
    )
