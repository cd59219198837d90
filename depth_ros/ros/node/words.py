"""The words a node is started with: what neither ROS nor the node knows is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from depth_ros.errors import ParameterError

BEGIN, END = '--ros-args', '--'
RULES: Mapping[str, str] = {
    '-p': 'NAME:=VALUE',
    '--param': 'NAME:=VALUE',
    '-r': 'FROM:=TO',
    '--remap': 'FROM:=TO',
}
"""Options of ROS, and the form of the word behind them."""

PARAMETERS = '--params-file'
_OTHERS = (PARAMETERS, '--log-level', '--log-config-file', '--enclave', '-e')


def check_words(words: Sequence[str], *, name: str) -> None:
    """Refuse words that would be dropped, or that rclpy refuses in its own language.

    Args:
        words: Words after the node's name.
        name: Of the node.

    Raises:
        ParameterError: Naming the first such word and what to type.
    """
    own, ros = _parted(words)
    if own:
        raise ParameterError(_own_text(own[0], name))
    for option, word in zip(ros, [*ros, ''][1:], strict=True):
        if option in RULES:
            _check_rule(option, word)
        elif option == PARAMETERS and not Path(word).is_file():
            raise ParameterError(
                f'{option} needs a file with parameters, there is none at {word!r}; type e.g. '
                f'{option} config/{name.removesuffix("_node")}.yaml'
            )


def refused_by_ros(error: RuntimeError) -> str:
    """Return what rclpy says of words it cannot read, as one sentence."""
    what = str(error).partition(', at /')[0].removeprefix('failed to initialize rcl: ')
    return (
        f'expected arguments that ROS knows after {BEGIN}, got others ({what.rstrip(".")}); '
        f'type e.g. {BEGIN} -p NAME:=VALUE'
    )


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that are not for ROS, and those that are."""
    own: list[str] = []
    ros: list[str] = []
    is_ros = False
    for word in words:
        if word == BEGIN:
            is_ros = True
        elif is_ros and word == END:
            is_ros = False
        else:
            (ros if is_ros else own).append(word)
    return own, ros


def _own_text(word: str, name: str) -> str:
    known = f'{name} knows --help and what follows {BEGIN}'
    if word in RULES or word in _OTHERS or ':=' in word:
        option = word if word.startswith('-') else '-p'
        return f'{known}, got {word!r} before it; add {BEGIN} before {option}: {name} {BEGIN} ...'
    return f'{known}, got {word!r}; leave it out, or see: {name} --help'


def _check_rule(option: str, word: str) -> None:
    form = RULES[option]
    left, joined, _ = word.partition(':=')
    if joined and left:
        return
    left, joined, right = word.partition('=')
    better = f'{left}:={right}' if left and joined else form
    raise ParameterError(f'{option} needs {form}, got {word!r}; type {option} {better}')
