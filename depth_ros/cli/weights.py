"""``depth-ros weights list|fetch|import``: the official checkpoints and the user's own folder."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from depth_ros.cli.kit.progress import open_progress
from depth_ros.errors import WeightsError
from depth_ros.weights.download import Download, fetch
from depth_ros.weights.importing import Imported, import_weights
from depth_ros.weights.registry import (
    UNVERIFIED,
    OfficialWeights,
    downloads_folder,
    find_official,
    imported_weights,
    load_registry,
    variants_of,
    weights_folder,
)

WIDTH = 80
_PROOFS = {
    'checksum': 'by its checksum',
    'name': 'by its name alone (no published checksum fits)',
    'asked': 'as you said',
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'weights',
        description='List official checkpoints, fetch one when asked, or take a file in. '
        'Nothing else in this package downloads anything.',
    )
    actions = parser.add_subparsers(required=True, metavar='ACTION', parser_class=type(parser))
    text = 'List official checkpoints and yours.'
    show = actions.add_parser('list', description=text, help=text)
    show.add_argument(
        'name', nargs='?', default='', metavar='NAME', help='a model, or one checkpoint in full'
    )
    show.set_defaults(run=run_list)
    text = 'Fetch one checkpoint; typed again it goes on where it ended.'
    get = actions.add_parser('fetch', description=text, help=text)
    get.add_argument('name', metavar='NAME', help='MODEL/VARIANT, see depth-ros weights list')
    get.add_argument(
        '--accept-license', action='store_true', help='accept a non-commercial licence'
    )
    get.add_argument('--mirror', action='store_true', help='take it from the mirror listed')
    get.set_defaults(run=run_fetch)
    text = (
        'Recognise an official checkpoint, check it against the network and keep it as '
        'safetensors.'
    )
    take = actions.add_parser('import', description=text, help=text)
    take.add_argument('source', type=Path, metavar='FILE|FOLDER')
    take.add_argument(
        '--variant', default='', help='which official checkpoint it is, where the file is silent'
    )
    take.set_defaults(run=run_import)


def run_list(arguments: argparse.Namespace) -> int:
    """List the registry, one model of it, or one checkpoint in full; then what was imported."""
    registry = load_registry()
    if '/' in arguments.name:
        print(_in_full(find_official(registry, arguments.name)))
        return 0
    models = list(dict.fromkeys(official.model for official in registry))
    if arguments.name and arguments.name not in models:
        raise WeightsError(
            f'there are no checkpoints of {arguments.name!r}; use one of: {", ".join(models)}'
        )
    for model in [arguments.name] if arguments.name else models:
        entries = variants_of(registry, model)
        print(_wrapped(f'{model}: {entries[0].licence}; {entries[0].homepage}', indent=''))
        print('\n'.join(line for official in entries for line in _lines(official)) + '\n')
    print(f'{UNVERIFIED}: not read from a primary source. More: depth-ros weights list NAME')
    for path in imported_weights():
        print(f'imported: {path}')
    return 0


def run_fetch(arguments: argparse.Namespace) -> int:
    """Show the licence, fetch, check, and print the next step."""
    official = find_official(load_registry(), arguments.name)
    address = _fetchable_address(official, use_mirror=arguments.mirror)
    print(f'{official.name}: {official.licence}; see {official.homepage}')
    _require_accepted(official, is_accepted=arguments.accept_license)
    download = Download(
        address=address,
        path=downloads_folder() / official.model / official.file,
        md5=official.md5,
        sha256=official.sha256,
    )
    with open_progress() as progress:
        path = fetch(download, progress=progress)
    checksum = official.describe_checksum()
    checked = f'checked: {checksum}' if checksum != 'none published' else 'no checksum to check'
    print(f'fetched {path} ({checked}); go on with:')
    print(f'depth-ros weights import {path} --variant {official.variant}')
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Import a file and print what it is."""
    with open_progress() as progress:
        imported = import_weights(arguments.source, variant=arguments.variant, progress=progress)
    print('\n'.join(_told(imported)))
    return 0


def _told(imported: Imported) -> list[str]:
    """Return lines: what a file is, where it was put, and the next step."""
    official = imported.official
    if official is None:
        which = 'none of the official checkpoints as far as can be told; its licence is not known'
    else:
        which = f'{official.name}, {_PROOFS[imported.proof]}; licence: {official.licence}'
    return [
        f'{imported.model}: {imported.description}',
        f'it is {which}',
        f'it fits the network exactly (graphs: {", ".join(imported.graphs)})',
        f'kept as {imported.path}; go on with:',
        imported.build_command,
    ]


def _fetchable_address(official: OfficialWeights, *, use_mirror: bool) -> str:
    """Return what a program can fetch.

    Raises:
        WeightsError: If there is nothing such, with what to do by hand.
    """
    if use_mirror and official.mirror:
        return official.mirror
    if use_mirror:
        raise WeightsError(f'{official.name} has no mirror; leave --mirror out')
    if not official.is_by_hand:
        return official.address
    what = official.file or 'the file'
    mirror = ''
    if official.mirror:
        mirror = f', or add --mirror for the copy at {official.mirror} (no checksum)'
    then = (
        f'then type: depth-ros weights import FILE --variant {official.variant}'
        if official.loads
        else f'which this package cannot load ({official.note})'
    )
    raise WeightsError(
        f'{official.name} lies on a page that programs cannot fetch from: open '
        f'{official.address} in a browser, save {what} ({official.licence}), {then}{mirror}'
    )


def _require_accepted(official: OfficialWeights, *, is_accepted: bool) -> None:
    if not (official.is_commercial or is_accepted):
        raise WeightsError(
            f'the licence of {official.name} allows no commercial use ({official.licence}); read '
            f'it at {official.homepage}, and if your use is allowed type: '
            f'depth-ros weights fetch {official.name} --accept-license'
        )


def _lines(official: OfficialWeights) -> Sequence[str]:
    """Return one checkpoint of a list: its name, and below it what is known."""
    how = 'by hand' if official.is_by_hand else 'fetch'
    if official.mirror:
        how = 'by hand, or fetch --mirror'
    if not official.loads:
        how += ' (does not load)'
    accuracy = ''
    if official.accuracy is not None:
        accuracy = official.accuracy.text
        if 'accuracy' in official.unverified:
            accuracy = f'{accuracy} {UNVERIFIED}'
    facts = {
        'input': official.input_size,
        'trained on': official.describe_training(),
        'published': accuracy or '-',
        'get it': how,
    }
    lines = [_wrapped(f'{key + ":":<12}{value}', indent='  ') for key, value in facts.items()]
    return [official.name, *lines]


def _wrapped(text: str, *, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=' ' * 14,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _in_full(official: OfficialWeights) -> str:
    """Return everything that is known of one checkpoint."""
    mirror = official.mirror or ''
    if mirror and 'mirror' in official.unverified:
        mirror = f'{mirror} {UNVERIFIED}'
    lines = {
        'name': official.name,
        'file': official.file or 'not known',
        'address': official.address + (' (by hand)' if official.is_by_hand else ''),
        'mirror': mirror,
        'checksum': official.describe_checksum(),
        'size': official.size or 'not published',
        'licence': official.licence,
        'homepage': official.homepage,
        'input': official.input_size,
        'trained on': official.describe_training(),
        'published': official.describe_accuracy() or 'no figures',
        'loads': 'yes' if official.loads else 'no',
        'note': official.note,
        'imported': _imported_path(official),
    }
    return '\n'.join(f'{key + ":":<12}{value}' for key, value in lines.items() if value)


def _imported_path(official: OfficialWeights) -> str:
    path = weights_folder() / official.model / f'{official.variant}.safetensors'
    return str(path) if path.is_file() else ''
