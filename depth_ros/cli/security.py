"""``depth-ros security policy``: what a node may do in the graph, for SROS 2."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_ros.cli.kit.arguments import add_out
from depth_ros.files.whole_file import whole_file

EPILOG = """\
Words are those of the launch file, and any parameter of the node:
  depth-ros security policy stereo left:=/front/left right:=/front/right
  depth-ros security policy odometry source:=rgbd camera:=/front base_frame:=base_link

The policy goes to ros2 security create_permission; see docs/security.md.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'security', description='Security of nodes in the ROS graph (SROS 2).'
    )
    actions = parser.add_subparsers(required=True, metavar='ACTION', parser_class=type(parser))
    action = actions.add_parser(
        'policy',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Write the policy of a node: its topics and services, and no others.',
        epilog=EPILOG,
    )
    action.add_argument('node', help='stereo, mono, multiview, matcher or odometry')
    action.add_argument('words', nargs='*', metavar='NAME:=VALUE', help='see below')
    add_out(action, None, 'file of the policy; without it the policy is printed')
    action.set_defaults(run=run_policy)


def run_policy(arguments: argparse.Namespace) -> int:
    """Write or print the policy; return the exit code."""
    from depth_ros.ros.policy import policy_of

    text = policy_of(arguments.node, arguments.words)
    out: Path | None = arguments.out
    if out is None:
        print(text, end='')
        return 0
    with whole_file(out) as draft:
        draft.write_text(text, encoding='utf-8')
    print(f'{out}: the policy of {arguments.node}_node')
    return 0
