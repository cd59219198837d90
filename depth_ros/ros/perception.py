"""Several nodes in one process: ``ros2 run depth_ros perception --nodes stereo,odometry``.

They share one executor. What one publishes and another subscribes to is handed over without DDS,
and odometry takes rectified pairs and the depth of keyframes from the stereo node.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module

from rclpy.logging import get_logger

from depth_ros.errors import ParameterError
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.crew import Crew
from depth_ros.ros.node.help import NodeHelp, is_help
from depth_ros.ros.node.runner import WRONG_WORDS, Runnable, run_ros
from depth_ros.ros.node.stop_request import StopRequest
from depth_ros.ros.node.words import BEGIN, PARAMETERS, RULES, check_words
from depth_ros.tasks.stereo.shared import StereoLender

NAME, OPTION = 'perception', '--nodes'
CLASSES: Mapping[str, tuple[str, str]] = {
    'stereo': ('depth_ros.ros.stereo.node', 'StereoNode'),
    'mono': ('depth_ros.ros.mono.node', 'MonoNode'),
    'multiview': ('depth_ros.ros.multiview.node', 'MultiviewNode'),
    'matcher': ('depth_ros.ros.matcher.node', 'MatcherNode'),
    'odometry': ('depth_ros.ros.odometry.node', 'OdometryNode'),
    'viewer': ('depth_ros.ros.viewer.node', 'ViewerNode'),
}
"""Module and class of the nodes that may share a process."""
DEFAULT = 'stereo,odometry'

HELP = NodeHelp(
    summary=f'several nodes in one process. {OPTION} LIST before --ros-args says which: '
    f'{DEFAULT} by default, or any of {", ".join(CLASSES)}. Names, remappings and parameters of '
    'one node have its name before them; parameter files have sections by node',
    inputs={},
    outputs={'of each node': 'as of NODE --help'},
    settings=lambda: (),
    example='-p stereo_node:model:=sgbm -r odometry_node:odometry:=odom',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the nodes; return the exit code: 0, or the largest of theirs."""
    words = sys.argv[1:] if args is None else list(args)
    if is_help(words):
        sys.stdout.write(HELP.text(NAME))
        return 0
    try:
        stems, ros_words = wanted(words)
        common, own = parted_by_node(ros_words, [f'{stem}_node' for stem in stems])
        for name, own_words in own.items():
            check_words([BEGIN, *own_words], name=name)
    except ParameterError as error:
        sys.stderr.write(f'{NAME}: {error}\n')
        return WRONG_WORDS

    def work(stop: StopRequest) -> int:
        for sentence in left_aside(common, own):
            get_logger(NAME).warning(sentence)
        return Crew(NAME, makes(stems, own)).spin(stop)

    return run_ros(NAME, common, work)


def makes(
    stems: Sequence[str], words: Mapping[str, Sequence[str]]
) -> dict[str, Callable[[], Runnable]]:
    """Return what makes each node, by its usual name; all of them share one company.

    Args:
        stems: Names of the nodes, without ``_node``.
        words: Words for ROS that concern one of them, by its usual name.
    """
    lends = {'stereo', 'odometry'} <= set(stems)
    company = Company(stereo=StereoLender() if lends else None, words=words)
    return {f'{stem}_node': partial(_make, stem, company) for stem in stems}


def wanted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the nodes that are asked for, without ``_node``, and the words that are left.

    Raises:
        ParameterError: If a node is unknown or named twice, or none is.
    """
    left = list(words)
    listed = DEFAULT
    for place, word in enumerate(left):
        if word == OPTION or word.startswith(f'{OPTION}='):
            joined = word.partition('=')[2]
            listed = joined or ''.join(left[place + 1 : place + 2])
            del left[place : place + (1 if joined else 2)]
            break
    stems = [stem.strip().removesuffix('_node') for stem in listed.split(',')]
    strange = [stem for stem in stems if stem not in CLASSES]
    if strange or len(set(stems)) < len(stems):
        raise ParameterError(
            f'{OPTION} needs different nodes out of {",".join(CLASSES)}, got {listed!r}; type '
            f'e.g. {OPTION} {DEFAULT}'
        )
    return stems, left


def parted_by_node(
    words: Sequence[str], names: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the words for all nodes, and those of each: ``-p stereo_node:model:=sgbm``.

    rcl knows such names before ``-p`` in the root namespace only, and none before a parameter
    file (``--params-file stereo_node:FILE``); each node gets its own words as if it were alone.
    """
    own: dict[str, list[str]] = {name: [] for name in names}
    common: list[str] = []
    for option, word in zip(['', *words], words, strict=False):
        name, joined, rule = word.partition(':')
        is_rule = option in RULES or option == PARAMETERS
        if is_rule and joined and name in own and not rule.startswith('='):
            common.pop()
            own[name] += [option, rule]
        else:
            common.append(word)
    return common, own


def left_aside(common: Sequence[str], own: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each word for a node that is not in the process.

    Args:
        common: Words for all nodes, as of ``parted_by_node``.
        own: Those of each node, by its usual name.
    """
    renamed = [rule for words in (common, *own.values()) for rule in words if '__node:=' in rule]
    known = {*own, *(rule.partition('__node:=')[2] for rule in renamed)}
    sentences = []
    for option, word in zip(['', *common], common, strict=False):
        name, joined, rule = word.partition(':')
        is_for_one = option in RULES and bool(joined) and not rule.startswith('=')
        if not is_for_one or name in known or not name.isidentifier():
            continue
        near = get_close_matches(name, own, 1, cutoff=0.0)[0]
        is_known = name.removesuffix('_node') in CLASSES
        also = f', or add {name.removesuffix("_node")} to {OPTION}' if is_known else ''
        sentences.append(
            f'{option} {word} says nothing to anybody: there is no {name} here, but '
            f'{", ".join(own)}; type {option} {near}:{rule}{also}'
        )
    return sentences


def _make(stem: str, company: Company) -> Runnable:
    module, name = CLASSES[stem]
    runnable: Runnable = getattr(import_module(module), name)(company=company)
    return runnable
