"""Entry point: find the command, run it, turn what it raises into one sentence."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from depth_ros import __version__
from depth_ros.cli.kit.commands import EXIT_FAILED, Command, CommandParser, command_lines, nearest
from depth_ros.cli.kit.options import as_options
from depth_ros.errors import DepthRosError

EXIT_INTERRUPTED = 130
RIG_LOGGER = 'depth_ros.geometry.rectify'
_GLOBAL_OPTIONS = ('--debug', '--verbose')


COMMANDS: dict[str, Command] = {
    'demo': Command(
        module='depth_ros.cli.demo.command',
        summary='run the real node graph on sample images and show what comes out',
    ),
    'run': Command(
        module='depth_ros.cli.run.command',
        summary='turn images into depth maps, pictures and clouds',
    ),
    'process': Command(
        module='depth_ros.cli.process',
        summary='turn recordings into recordings with depth, exactly and resumably',
    ),
    'report': Command(
        module='depth_ros.cli.report',
        summary='show what came of processed recordings, as pages and a table',
    ),
    'doctor': Command(
        module='depth_ros.cli.doctor', summary='say what is wrong with a running robot (needs ROS)'
    ),
    'info': Command(
        module='depth_ros.cli.info', summary='list models, recipes, built engines and runtimes'
    ),
    'build': Command(
        module='depth_ros.cli.build', summary='export weights and build a checked engine'
    ),
    'calibration': Command(
        module='depth_ros.cli.calibration.command',
        summary='check, convert or create calibrations',
    ),
    'security': Command(
        module='depth_ros.cli.security',
        summary='write what a node may do in the graph, as a policy of SROS 2',
    ),
    'weights': Command(
        module='depth_ros.cli.weights', summary='list, fetch or import official checkpoints'
    ),
    'compare': Command(
        module='depth_ros.cli.compare', summary='compare models or engines, or both with truth'
    ),
    'bench': Command(
        module='depth_ros.cli.bench', summary='time the engines of a recipe on this machine'
    ),
    'train': Command(
        module='depth_ros.cli.train', summary="train one of this project's own networks"
    ),
    'finetune': Command(
        module='depth_ros.cli.finetune',
        summary='teach a network your own rig from a recording, or take that back',
    ),
    'evaluate': Command(
        module='depth_ros.cli.evaluate.command',
        summary='measure weights of any task or recipe on data with truth',
    ),
}
"""Every command by name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words after ``depth-ros``; None takes the process's.

    Returns:
        Exit code: 0, 2 after an error that was printed as one sentence, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = {option: option in words for option in _GLOBAL_OPTIONS}
    words = [word for word in words if word not in _GLOBAL_OPTIONS]
    _configure_logging(debug=chosen['--debug'], verbose=chosen['--verbose'])
    if not words or words[0] in ('-h', '--help', 'help'):
        print(_help())
        return 0
    if words[0] == '--version':
        print(__version__)
        return 0
    return _run(words, debug=chosen['--debug'])


def _run(words: Sequence[str], *, debug: bool) -> int:
    command = COMMANDS.get(words[0])
    if command is None:
        known, near = ', '.join(COMMANDS), nearest(words[0], COMMANDS)
        return _fail(f'there is no command {words[0]!r}{near}; use one of: {known}')
    arguments = argparse.Namespace()
    try:
        arguments = _parser(command).parse_args(words)
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except BrokenPipeError:
        # The reader of stdout has closed it; silence the interpreter's last flush too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _fail('interrupted', EXIT_INTERRUPTED)
    except (DepthRosError, OSError, ModuleNotFoundError) as error:
        if debug:
            raise
        return _fail(as_options(_sentence(error), arguments))


def _parser(command: Command) -> CommandParser:
    """Make a parser that knows this one command."""
    parser = CommandParser(prog='depth-ros')
    subparsers = parser.add_subparsers(required=True, parser_class=CommandParser)
    import_module(command.module).add_parser(subparsers)
    return parser


def _sentence(error: Exception) -> str:
    """Return an error in one line with its remedy."""
    if isinstance(error, ModuleNotFoundError):
        if (error.name or '').startswith('depth_ros.'):
            return (
                f'{error.name} is not there: a recipe names it wrongly, or depth_ros is installed '
                'by halves; mend the recipe, or install depth_ros again'
            )
        package = _PIP_NAMES.get(error.name or '', error.name)
        return f'this command needs the Python module {error.name}; type: pip install {package}'
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename}: {error.strerror}; check the path and its permissions'
    return str(error)


_PIP_NAMES = {'cv2': 'opencv-python-headless', 'yaml': 'PyYAML'}


def _fail(text: str, code: int = EXIT_FAILED) -> int:
    print(f'depth-ros: {text}', file=sys.stderr)
    return code


def _help() -> str:
    return '\n'.join(
        [
            'usage: depth-ros COMMAND ... [--verbose] [--debug]',
            '',
            'Depth from cameras: images in, disparity, depth and point clouds out.',
            '',
            'commands:',
            command_lines(COMMANDS),
            '',
            'depth-ros COMMAND --help says more. --verbose logs what is chosen and why,',
            '--debug shows where an error came from, --version the version.',
        ]
    )


def _configure_logging(*, debug: bool, verbose: bool) -> None:
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format='depth-ros: %(message)s')
    logging.getLogger('depth_ros').setLevel(level)
    # Metres follow from the rig: every command that uses one says which.
    rig = logging.getLogger(RIG_LOGGER)
    rig.setLevel(min(level, logging.INFO))
    rig.filters = [_FirstTime()]


class _FirstTime(logging.Filter):
    """Lets each text through once: several models of one command take the same rig."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the text is new."""
        text = record.getMessage()
        is_new = text not in self._seen
        self._seen.add(text)
        return is_new
