"""Find exported graphs, and export missing ones.

Searched in order: files the user names, ``weights/`` of the installed package or beside the
recipe of another one, exports in the cache. What is missing is exported if a checkpoint was named
and torch is installed; otherwise the error says what to type. Synthetic weights are used only
on request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from depth_ros.checkpoints.parts import find_parts, holds_parts, merged_parts
from depth_ros.checkpoints.safetensors_header import read_header
from depth_ros.engines.artifact import WeightsRecord, file_digest, manifest_path
from depth_ros.engines.build_policy import expect_building
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import SYNTHETIC, EngineChoice
from depth_ros.engines.recipe import Recipe, Variant, recipe_files
from depth_ros.engines.runtime import is_importable
from depth_ros.errors import ArtifactError, EngineError, WeightsError
from depth_ros.files.given_path import given_path
from depth_ros.files.share import find_share, share_roots
from depth_ros.tensors import Options, OptionValue, Progress

logger = logging.getLogger(__name__)
OWN_LICENCE = 'Apache-2.0'
"""Of the weights in the package, where they are not a recipe's official ones."""

EXPORT_PACKAGES = ('torch', 'onnx', 'onnxscript')
LEAST_SHARE = 0.9
"""Of the tensors that ship, what other weights of the network have at least: heads may lack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """Which graphs are wanted, made from which weights.

    Attributes:
        recipe: Recipe.
        variant: Size and options.
        weights: Checkpoint file or folder, artefact, folder of artefacts, ``'synthetic:SEED'``,
            or empty for whatever is shipped or already exported.
        graphs: The graphs wanted; None wants all of the recipe.
    """

    recipe: Recipe
    variant: Variant
    weights: str
    graphs: tuple[str, ...] | None = None

    @property
    def stems(self) -> dict[str, str]:
        """File name without ending, by graph.

        Raises:
            RecipeError: If the recipe has no such graph.
        """
        names = self.recipe.graphs if self.graphs is None else self.graphs
        return {name: self.recipe.stem(name, self.variant) for name in names}

    @property
    def is_synthetic(self) -> bool:
        """Whether made-up weights were asked for."""
        return self.weights.startswith(SYNTHETIC)

    def files(self, folder: Path) -> dict[str, Path]:
        """Return the ONNX file of every graph in a folder, existing or not."""
        return {graph: folder / f'{stem}.onnx' for graph, stem in self.stems.items()}


def plan_exports(
    recipe: Recipe,
    choice: EngineChoice | None = None,
    *,
    graphs: Sequence[str] | None = None,
    options: Options | None = None,
) -> ExportPlan:
    """Decide what to export: what is asked for, else what the weights say, else the defaults.

    A checkpoint that names its input size decides the size unless a preset or size is given.
    Without ``graphs``, those whose parts a checkpoint lacks are left out.

    Raises:
        RecipeError: If preset, size, an option or a graph is not the recipe's.
        WeightsError: If a checkpoint folder or archive cannot be used.
    """
    choice = choice or EngineChoice()
    size = choice.size
    if not choice.preset and size is None:
        size = _trained_size(choice.weights)
    variant = recipe.variant(preset=choice.preset or None, size=size, options=options)
    served = _served_graphs(recipe, choice.weights) if graphs is None else tuple(graphs)
    return ExportPlan(recipe=recipe, variant=variant, weights=choice.weights, graphs=served)


def obtain_exports(
    plan: ExportPlan, cache: EngineCache, *, progress: Progress | None = None
) -> dict[str, Path]:
    """Return the ONNX file of every graph, exporting what is missing if that is possible.

    Raises:
        WeightsError: If there are no weights; says what to type and where they are.
        EngineError: If torch is needed and missing.
        ArtifactError: If a named artefact is missing or an export is wrong.
    """
    if not plan.weights:
        try:
            return _existing(plan, cache)
        except WeightsError:
            own = _shipped(plan.recipe)
            if own is None or not all(map(is_importable, EXPORT_PACKAGES)):
                raise
            plan = replace(plan, weights=str(own))
    if not plan.is_synthetic:
        named = _published(plan, cache) or _named(plan)
        if named is not None:
            return named
    folder = cache.root / 'exports' / _tag(plan)
    files = plan.files(folder)
    if not _are_complete(files):
        with cache.lock(f'export-{folder.name}'):
            _export_missing(plan, files, progress)
    return files


def _shipped(recipe: Recipe) -> Path | None:
    return find_share(f'weights/{recipe.name}.safetensors')


def list_exports(cache: EngineCache | None = None) -> list[Path]:
    """List the ONNX files that are shipped or exported, by their manifests; verifies nothing."""
    cache = cache or EngineCache()
    folders = [root / 'weights' for root in share_roots()]
    folders += [path.parent / 'weights' for path in recipe_files().values()]
    folders += [cache.root / 'exports']
    manifests = [path for folder in folders for path in sorted(folder.glob('**/*.json'))]
    return [path.with_suffix('.onnx') for path in manifests if path.with_suffix('.onnx').is_file()]


def _existing(plan: ExportPlan, cache: EngineCache) -> dict[str, Path]:
    """Find shipped graphs, else the newest set in the cache that is not made up."""
    for relative in ('weights', f'weights/{plan.recipe.name}'):
        stems = plan.stems.items()
        found = {graph: find_share(f'{relative}/{stem}.onnx') for graph, stem in stems}
        files = {graph: path for graph, path in found.items() if path is not None}
        if len(files) == len(found) and _are_complete(files):
            return files
    beside_recipe = plan.files(plan.recipe.path.parent / 'weights')
    if _are_complete(beside_recipe):
        return beside_recipe
    folders = [path for path in (cache.root / 'exports').glob('*') if path.is_dir()]
    candidates = [plan.files(folder) for folder in folders if not _is_made_up(folder)]
    complete = [files for files in candidates if _are_complete(files)]
    if not complete:
        raise WeightsError(_missing_text(plan, cache))
    newest = max(complete, key=_age_key)
    if len(complete) > 1:
        folder = next(iter(newest.values())).parent
        logger.info('%d exports fit, the newest is taken: %s', len(complete), folder)
    return newest


def _named(plan: ExportPlan) -> dict[str, Path] | None:
    """Take artefacts the user named; None if a checkpoint was named."""
    path = given_path(plan.weights, what='weights')
    if not path.exists():
        raise WeightsError(f'there are no weights at {str(path)!r}; {_instead(plan)}')
    if path.suffix == '.onnx':
        return _named_file(plan, path)
    if not path.is_dir() or not any(path.glob('*.onnx')):
        return None
    files = plan.files(path)
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        has = sorted(file.name for file in path.glob('*.onnx'))
        raise ArtifactError(
            f'{path} has no {missing[0]}, only {", ".join(has)}; choose that size and options, or '
            f'type: {plan.recipe.build_command(plan.variant)}'
        )
    return files


def _published(plan: ExportPlan, cache: EngineCache) -> dict[str, Path] | None:
    """Take a graph as stereodemo publishes it; None if something else was named."""
    path, name = given_path(plan.weights, what='weights'), plan.recipe.name
    is_one = path.suffix == '.onnx' and path.name.startswith(f'{name}_') and path.is_file()
    if not is_one:
        return None
    if not is_importable('onnx'):
        raise EngineError(
            f'{path.name} is a published graph, and taking it over needs the package onnx, once; '
            'type: pip install onnx'
        )
    stereodemo = import_module('depth_ros.engines.stereodemo')
    told = stereodemo.published(path)
    if told is None or told.recipe != name:
        return None
    found: Path = stereodemo.adapted(path, plan.recipe, cache.root / 'exports')
    return dict.fromkeys(plan.stems, found)


def _instead(plan: ExportPlan) -> str:
    """Say what to do where the weights that were named are not there."""
    if _shipped(plan.recipe) is not None:
        return f'check the path, or leave weights out: those of {plan.recipe.name!r} ship'
    return (
        f'check the path, or {_where(plan.recipe)}, then type: '
        f'{plan.recipe.build_command(plan.variant)}'
    )


def _named_file(plan: ExportPlan, path: Path) -> dict[str, Path]:
    if len(plan.stems) != 1 or path.stem not in plan.stems.values():
        raise ArtifactError(
            f'{path} was named, needed are {", ".join(plan.stems.values())}; name the folder that '
            'holds them, or choose the size and options the file was made for'
        )
    return dict.fromkeys(plan.stems, path)


def _export_missing(plan: ExportPlan, files: dict[str, Path], progress: Progress | None) -> None:
    """Export the graphs that are not there yet; the caller holds the lock."""
    command = plan.recipe.build_command(plan.variant, weights=plan.weights)
    expect_building(f'the export {next(iter(files.values())).stem}', command)
    _expect_exporter(plan)
    from depth_ros.engines import export

    state = None
    record = weights_record(plan)
    for graph, path in files.items():
        if manifest_path(path).is_file() and path.is_file():
            continue
        state = state or export.load_state(plan.recipe, plan.weights)
        request = export.ExportRequest(
            recipe=plan.recipe.name,
            graph=graph,
            size=plan.variant.size,
            options=plan.recipe.graph_options(graph, plan.variant),
            weights=record,
            tolerances=plan.recipe.graph(graph).tolerances,
            command=plan.recipe.build_command(plan.variant, weights=record.source),
        )
        exportable = _made(plan, graph, state)
        export.export_graph(exportable, path, request, progress=progress)


def make_network(plan: ExportPlan, graph: str) -> object:
    """Make one graph's network from the plan's checkpoint, as an ``Exportable``; needs torch.

    Raises:
        EngineError: If torch is missing.
        WeightsError: If exported graphs were named instead of a checkpoint, or weights do not fit.
    """
    if not plan.is_synthetic and _named(plan) is not None:
        raise WeightsError(
            f'{plan.weights!r} holds exported graphs, and this builder starts from a checkpoint; '
            'name its file as weights'
        )
    _expect_exporter(plan)
    export = import_module('depth_ros.engines.export')
    state = export.load_state(plan.recipe, plan.weights)
    network: object = _made(plan, graph, state)
    return network


def _made(plan: ExportPlan, graph: str, state: Mapping[str, Any]) -> Any:
    """Make one graph's network of the weights in ``state``, as an ``Exportable``.

    Raises:
        WeightsError: If they do not fit; names the network that they are of, if it ships.
    """
    export = import_module('depth_ros.engines.export')
    try:
        return export.make_exportable(plan.recipe, graph, plan.variant, state)
    except WeightsError as error:
        owner = _owner(frozenset(state))
        if owner in ('', plan.recipe.name):
            raise
        raise WeightsError(
            f'expected weights of {plan.recipe.name}, but {plan.weights} are the weights of '
            f'{owner}; use model {owner}, or leave weights out'
        ) from error


def _owner(names: frozenset[str]) -> str:
    """Return the recipe whose shipped weights have exactly these tensors; empty for none."""
    for name in recipe_files():
        shipped = find_share(f'weights/{name}.safetensors')
        if shipped is not None and names == _tensor_names(shipped):
            return name
    return ''


def weights_record(plan: ExportPlan) -> WeightsRecord:
    """Return the record of the weights that a plan uses.

    The licence is the recipe's if the file is the published one as far as can be told: by hash
    where one is published, else by name; of imported weights it is what the import noted in them.
    """
    if plan.is_synthetic:
        return WeightsRecord(source=plan.weights, sha256='', licence='none (made up)')
    path, official = given_path(plan.weights, what='weights'), plan.recipe.weights
    sha256 = _weights_sha256(path)
    has_name = path.name == official.file or _bare_name(path) in official.siblings
    is_official = sha256 == official.sha256 if official.sha256 else has_name
    own = _shipped(plan.recipe)
    is_own = own is not None and path.resolve() == own.resolve()
    unknown = OWN_LICENCE if is_own else 'not known (not the published file)'
    noted = _extras(plan.weights).get('licence') or unknown
    licence = official.licence if is_official else str(noted)
    return WeightsRecord(
        source=path.name,
        sha256=sha256,
        licence=licence,
        is_stereo_trained=is_stereo_trained(plan),
    )


def is_stereo_trained(plan: ExportPlan) -> bool | None:
    """Whether a checkpoint says it was trained on stereo pairs; None where it says nothing."""
    value = _extras(plan.weights).get('use_stereo')
    return value if isinstance(value, bool) else None


def _weights_sha256(path: Path) -> str:
    parts = find_parts(path)
    return file_digest(path) if parts is None else parts.sha256()


def _bare_name(path: Path) -> str:
    """Drop the ending of a file, not what follows a dot in a folder's name."""
    return path.stem if path.is_file() else path.name


def _extras(weights: str) -> Mapping[str, OptionValue]:
    """Read the values beside a checkpoint's tensors; empty where there are none."""
    path = given_path(weights, what='weights')
    is_named = bool(weights) and not weights.startswith(SYNTHETIC)
    is_one_file = path.is_file() and path.suffix == '.safetensors'
    may_say = is_named and (is_one_file or _parts_of(path))
    if not may_say or not is_importable('torch'):
        return {}
    extras: Mapping[str, OptionValue] = import_module('depth_ros.checkpoints.read').read_extras(
        path
    )
    return extras


def _parts_of(path: Path) -> frozenset[str]:
    """Return the parts of a checkpoint; empty where it is not known to have any."""
    if path.is_file() and path.suffix == '.safetensors':
        return merged_parts(path)
    if not holds_parts(path) and not (path.is_file() and path.suffix == '.zip'):
        return frozenset()
    parts = find_parts(path)
    return frozenset(parts.members if parts else ()) - {''}


def _trained_size(weights: str) -> tuple[int, int] | None:
    extras = _extras(weights)
    height, width = extras.get('height'), extras.get('width')
    is_size = type(height) is int and type(width) is int
    return (height, width) if is_size else None  # type: ignore[return-value]


def _served_graphs(recipe: Recipe, weights: str) -> tuple[str, ...] | None:
    """Return the graphs that a checkpoint in parts can serve; None for all."""
    path = given_path(weights, what='weights')
    there = _parts_of(path) if weights else frozenset()
    if not there:
        return None
    served = {name: graph for name, graph in recipe.graphs.items() if there >= set(graph.parts)}
    missing = [name for name in recipe.graphs if name not in served]
    if missing:
        logger.info('%s has no weights for %s', path, ', '.join(missing))
    return tuple(served)


def _expect_exporter(plan: ExportPlan) -> None:
    """Refuse to go on without the packages, after saying what is wrong with the weights."""
    missing = [name for name in EXPORT_PACKAGES if not is_importable(name)]
    if missing:
        _expect_own_weights(plan)
        raise EngineError(
            f'exporting {plan.recipe.name!r} needs {", ".join(missing)}; type: pip install '
            f'{" ".join(missing)}, or run "{plan.recipe.build_command(plan.variant)}" on a '
            'machine that has them and name the resulting folder as weights here'
        )


def _expect_own_weights(plan: ExportPlan) -> None:
    """Compare the names in a ``.safetensors`` file with those that ship; needs no torch.

    Raises:
        WeightsError: If the file is none, or of another network.
    """
    path, own = given_path(plan.weights, what='weights'), _shipped(plan.recipe)
    if plan.is_synthetic or path.suffix != '.safetensors' or not path.is_file():
        return
    names = _tensor_names(path)
    if not names:
        raise WeightsError(f'{path} is no safetensors file or holds nothing; {_instead(plan)}')
    if own is None:
        return
    expected = _tensor_names(own)
    unknown = [name for name in names if not expected & _endings(name)]
    there = expected & {ending for name in names for ending in _endings(name)}
    if unknown or len(there) < LEAST_SHARE * len(expected):
        raise WeightsError(
            f'{path} is of another network than {plan.recipe.name!r}: it has {len(there)} of its '
            f'{len(expected)} tensors and {len(unknown)} others; {_instead(plan)}'
        )


def _tensor_names(path: Path) -> frozenset[str]:
    """Return the names in a ``.safetensors`` file; empty where it is none."""
    try:
        with path.open('rb') as file:
            return frozenset(read_header(file)) - {'__metadata__'}
    except ValueError:
        return frozenset()


def _endings(name: str) -> set[str]:
    """Return a dotted name without what training scripts put before it: all of its endings."""
    parts = name.split('.')
    return {'.'.join(parts[start:]) for start in range(len(parts))}


def _tag(plan: ExportPlan) -> str:
    """Folder name for exports of these weights."""
    if plan.is_synthetic:
        return plan.weights.replace(':', '-').replace('/', '-')
    path = given_path(plan.weights, what='weights')
    if path.is_dir() and not holds_parts(path):
        raise WeightsError(
            f'{str(path)!r} is a folder without exported graphs; name the checkpoint file, as in: '
            f'{plan.recipe.build_command(plan.variant)}'
        )
    return f'{plan.recipe.name}-{_weights_sha256(path)[:16]}'


def _is_made_up(folder: Path) -> bool:
    return folder.name.startswith('synthetic-')


def _are_complete(files: dict[str, Path]) -> bool:
    return all(path.is_file() and manifest_path(path).is_file() for path in files.values())


def _age_key(files: dict[str, Path]) -> float:
    return max(manifest_path(path).stat().st_mtime for path in files.values())


def _missing_text(plan: ExportPlan, cache: EngineCache) -> str:
    name = plan.recipe.name
    stems = {path.stem for path in list_exports(cache) if not _is_made_up(path.parent)}
    others = sorted(stem for stem in stems if stem.startswith(f'{name}-'))
    have = f' (exported are: {", ".join(others)})' if others else ''
    own = _shipped(plan.recipe)
    if own is not None:
        command = plan.recipe.build_command(plan.variant, weights=str(own))
        return (
            f'{name!r} ships no graph of {", ".join(plan.stems.values())}{have}; exporting it '
            f'needs {", ".join(EXPORT_PACKAGES)}; choose a size that ships, or where those are '
            f'installed type: {command}'
        )
    return (
        f'no weights of {name!r} are shipped or exported for '
        f'{", ".join(plan.stems.values())}{have}; {_where(plan.recipe)}, then type: '
        f'{plan.recipe.build_command(plan.variant)}'
    )


def _where(recipe: Recipe) -> str:
    return (
        f'get {recipe.weights.file} ({recipe.weights.licence}) as docs/engines.md says, from '
        f'{recipe.weights.homepage}'
    )
