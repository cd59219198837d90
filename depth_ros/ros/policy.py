"""Security policies: what each node may do in the graph, in the XML of SROS 2.

Format: sros2's ``policy.xsd``, version 0.2.0; ``ros2 security create_permission`` and
``generate_artifacts`` read it. Type ``python -m depth_ros.ros.policy`` in the checkout after
changing what a node opens; it writes ``config/security/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from depth_ros.errors import ParameterError
from depth_ros.ros.launch_words import USE_SIM_TIME, read_launch_words
from depth_ros.ros.node.access import MANAGED_NODE, SIMULATED_TIME, Access
from depth_ros.ros.parameter_docs import CHECKOUT, NODES, parameters_of
from depth_ros.ros.topic_names import expanded, resolved

VERSION = '0.2.0'
FOLDER = Path('config/security')


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What one node may do; every name begins at the root.

    Attributes:
        namespace: Of the node.
        node: Its name.
        publishes: Topics.
        subscribes: Topics.
        replies: Services.
    """

    namespace: str
    node: str
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    replies: tuple[str, ...]


def profile_of(
    stem: str,
    *,
    values: Mapping[str, object] | None = None,
    namespace: str = '/',
    remappings: Sequence[tuple[str, str]] = (),
) -> Profile:
    """Return what a node needs with these parameters, and no more.

    Args:
        stem: E.g. ``'stereo'``; see ``parameter_docs.NODES``.
        values: Parameters that differ from their defaults; ``use_sim_time`` too.
        namespace: Of the node.
        remappings: As on its command line.

    Raises:
        ParameterError: If a parameter is refused.
    """
    given = dict(values or {})
    access = MANAGED_NODE | (SIMULATED_TIME if given.pop(USE_SIM_TIME, False) else Access())
    access |= _access_of(stem, given)
    node = f'{stem}_node'

    def name_of(name: str) -> str:
        return resolved(name, namespace=namespace, node=node, remappings=remappings)

    def beside(name: str, neighbour: str) -> str:
        """Return its own name where that is remapped, else the one in the neighbour's folder."""
        own = name_of(name)
        if own != expanded(name, namespace=namespace, node=node):
            return own
        return f'{name_of(neighbour).rpartition("/")[0]}/{name.rpartition("/")[2]}'

    subscribed = [*map(name_of, access.subscribes), *(beside(*pair) for pair in access.beside)]
    return Profile(
        namespace=namespace,
        node=node,
        publishes=_sorted(map(name_of, access.publishes)),
        subscribes=_sorted(subscribed),
        replies=_sorted(map(name_of, access.replies)),
    )


def policy_xml(enclaves: Mapping[str, Sequence[Profile]]) -> str:
    """Return a policy.

    Args:
        enclaves: Profiles by the path of the enclave, e.g. ``'/depth/stereo_node'``; nodes of one
            process share one.
    """
    policy = ElementTree.Element('policy', version=VERSION)
    parent = ElementTree.SubElement(policy, 'enclaves')
    for path, profiles in enclaves.items():
        enclave = ElementTree.SubElement(parent, 'enclave', path=path)
        inner = ElementTree.SubElement(enclave, 'profiles')
        for profile in profiles:
            _add(inner, profile)
    ElementTree.indent(policy)
    text = ElementTree.tostring(policy, encoding='unicode')
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def policy_of(stem: str, words: Sequence[str]) -> str:
    """Return the policy of a node that is launched with these words.

    Args:
        stem: E.g. ``'stereo'``.
        words: Arguments of its launch file, ``NAME:=VALUE``.

    Raises:
        ParameterError: If there is no such node, or a word is refused.
        InputError: If a parameter file cannot be read.
    """
    if stem not in NODES:
        raise ParameterError(f'there is no node {stem!r}; use one of: {", ".join(NODES)}')
    read = read_launch_words(stem, words)
    profile = profile_of(
        stem, values=read.values, namespace=read.namespace, remappings=read.remappings
    )
    return policy_xml({read.enclave or enclave_of(stem): [profile]})


def enclave_of(stem: str) -> str:
    """Return the enclave that a node has by itself in our policies."""
    return f'/depth/{stem}_node'


def outputs() -> dict[Path, str]:
    """Return the policy of every launch file without arguments, by its path in the checkout."""
    return {
        FOLDER / f'{stem}.policy.xml': policy_xml({enclave_of(stem): [profile_of(stem)]})
        for stem in NODES
    }


def main() -> None:
    """Write the files into the checkout."""
    for path, text in outputs().items():
        (CHECKOUT / path).parent.mkdir(exist_ok=True)
        (CHECKOUT / path).write_text(text, encoding='utf-8')


def _access_of(stem: str, values: Mapping[str, object]) -> Access:
    parameters = parameters_of(stem).from_values(values)
    access: Access = import_module(f'depth_ros.ros.{stem}.access').access_of(parameters)
    return access


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _add(parent: ElementTree.Element, profile: Profile) -> None:
    element = ElementTree.SubElement(parent, 'profile', ns=profile.namespace, node=profile.node)
    for kind, verb, names in (
        ('topic', 'publish', profile.publishes),
        ('topic', 'subscribe', profile.subscribes),
        ('service', 'reply', profile.replies),
    ):
        if not names:  # the schema has no empty lists
            continue
        listed = ElementTree.SubElement(element, f'{kind}s', {verb: 'ALLOW'})
        for name in names:
            ElementTree.SubElement(listed, kind).text = name


if __name__ == '__main__':
    main()
