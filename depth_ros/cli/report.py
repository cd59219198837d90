"""``depth-ros report``: what came of a job, as pages and as one table."""

from __future__ import annotations

import argparse

from depth_ros.cli.kit.tables import counted
from depth_ros.recordings.measures import MEASURES
from depth_ros.recordings.places import join, write_whole
from depth_ros.recordings.report_page import (
    UNFINISHED,
    num_marks,
    overview_page,
    page_name,
    recording_page,
    verdict,
    worst_lines,
)
from depth_ros.recordings.report_pictures import frame_pictures
from depth_ros.recordings.results import read_results, write_table
from depth_ros.recordings.unfinished import read_unfinished

FOLDER = 'report'


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'report',
        description='Write a page for every recording in a folder of results, one for all, and '
        'a table of the figures of all frames.',
    )
    parser.add_argument('results', metavar='FOLDER', help='what depth-ros process wrote')
    parser.add_argument(
        '--worst',
        default='',
        choices=tuple(MEASURES),
        metavar='MEASURE',
        help='list the recordings by one measure, the worst first; write nothing. One of: '
        + ', '.join(MEASURES),
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the results, then list or write."""
    results = read_results(arguments.results)
    unfinished = read_unfinished(arguments.results)
    if arguments.worst:
        for line in worst_lines(results, arguments.worst):
            print(line)
        return 0
    folder = join(arguments.results, FOLDER)
    for result in results:
        page = recording_page(result, frame_pictures(result))
        write_whole(join(folder, page_name(result)), page.encode())
    write_whole(join(folder, 'index.html'), overview_page(results, unfinished).encode())
    table = write_table(folder, results)
    for result in sorted(results, key=lambda one: (-num_marks(one), one.name)):
        print(f'{result.name}: {verdict(result)}')
    names = {result.name for result in results}
    for name in sorted(unfinished.keys() - names):
        print(f'{name}: {UNFINISHED}, no results yet')
    if unfinished:
        print('type the command that began what is unfinished again: it goes on where it was')
    print(
        f'{counted(len(results), "recording")}; open {join(folder, "index.html")}; '
        f'figures are in {table}'
    )
    return 0
