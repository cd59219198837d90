"""Do the books balance? Camera and stereo node in two processes, 640x480, 30 Hz, 60 s.

The camera counts what it sends and writes every stamp; the node counts what becomes of each image.
Only what was lost in transport is found by subtraction.

    python benchmarks/node_books.py [--duration 60] [--rate 30]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from node_processes import NodeProcess, use_private_domain
from timing import machine, markdown_table, write_report


def run(arguments: argparse.Namespace) -> tuple[dict, dict]:
    """Run the graph and give the camera's and the node's report."""
    from depth_ros.ros.demo.observer import observing

    with tempfile.TemporaryDirectory() as name, observing('/') as observer:
        folder = Path(name)
        words = ['-m', 'depth_ros.ros', 'stereo_node', '--ros-args', '-p', 'model:=sgbm']
        node = NodeProcess(words, folder / 'node.json')
        command = ['-m', 'depth_ros.ros', 'sample_camera', '--ros-args']
        command += ['-p', f'rate_hz:={arguments.rate}', '-p', 'source:=scene']
        command += ['-p', 'wait_for_subscribers:=true']
        camera = NodeProcess(command, folder / 'camera.json')
        observer.spin(arguments.duration)
        sent = camera.stop()
        observer.spin(2.0)
        return sent, node.stop()


def balance(sent: dict, node: dict) -> list[list[object]]:
    """Give each book: what it says on both sides, and whether they agree."""
    rows: list[list[object]] = []
    for side in ('left', 'right'):
        received = node[f'received_{side}']
        lost = sent['sent'] - received
        rows.append([f'{side}: sent = received + lost', sent['sent'], f'{received} + {lost}'])
        parts = [node['paired'], *(node[f'{what}_{side}'] for what in ('unpaired', 'refused'))]
        waiting = node[f'waiting_{side}']
        text = ' + '.join(str(part) for part in (*parts, waiting))
        agrees = received == sum(parts) + waiting
        rows.append([f'{side}: received = paired + unpaired + refused + waiting', received, text])
        rows[-1].append('yes' if agrees else 'NO')
        rows[-2].append('yes' if lost >= 0 else 'NO')
    dropped = sum(node['dropped'].values())
    total = node['outputs'] + dropped
    agrees = node['paired'] == total + node['in_flight']
    rows.append(['paired = outputs + drops', node['paired'], f'{node["outputs"]} + {dropped}'])
    rows[-1].append('yes' if agrees else 'NO')
    return rows


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--duration', type=float, default=60.0)
    parser.add_argument('--rate', type=float, default=30.0)
    arguments = parser.parse_args()
    use_private_domain()
    print(machine())
    sent, node = run(arguments)
    rows = balance(sent, node)
    print(markdown_table(['book', 'one side', 'other side', 'balances'], rows))
    print(f'drops: {node["dropped"]}, outputs at {node["rate_hz"]} Hz')
    sent = {name: value for name, value in sent.items() if name != 'stamps_ns'}
    write_report('node_books', {'camera': sent, 'node': node})


if __name__ == '__main__':
    main()
