"""``depth-ros evaluate stereo``: reproduce the accuracy figures of the card on real pairs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'evaluate', help='measure the shipped network on real pairs with truth (needs torch)'
    )
    parser.add_argument('task', choices=('stereo',))
    parser.add_argument(
        '--data',
        type=Path,
        required=True,
        help='folder with middlebury_motorcycle and opencv_aloe',
    )
    parser.add_argument(
        '--weights', type=Path, action='append', help='weights, repeatable; the shipped ones'
    )
    parser.add_argument(
        '--size',
        action='append',
        help="HEIGHTxWIDTH the pair is resized to, repeatable, or 'native'; 240x320 and 480x640",
    )
    parser.add_argument('--iterations', type=int, default=3, help='updates at 1/4')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads of torch')
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    parser.add_argument('--gallery', type=Path, help='picture to draw of pairs without truth')
    parser.add_argument(
        '--pairs',
        type=Path,
        action='append',
        help='folder of pairs for --gallery, repeatable; DATA/oakd_stereo',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; give the exit status."""
    from depth_ros.engines.recipe import parse_size
    from depth_ros.share import share_path
    from depth_ros.training.evaluate import evaluate, load_networks, table
    from depth_ros.training.gallery import draw_gallery

    paths = args.weights or [share_path('weights/crestereo_tiny.safetensors')]
    networks = load_networks(paths, iterations=args.iterations, threads=args.threads)
    words = args.size or ['240x320', '480x640']
    sizes = tuple(None if word == 'native' else parse_size(word) for word in words)
    rows = evaluate(args.data, networks, sizes)
    print(table(rows))
    if args.gallery:
        folders = args.pairs or [args.data / 'oakd_stereo']
        draw_gallery(folders, networks, sizes, args.gallery)
    if args.json:
        args.json.write_text(json.dumps([row.record() for row in rows], indent=2) + '\n')
    return 0
