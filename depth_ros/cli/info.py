"""``depth-ros info``: models, recipes, what is exported and built, and which runtimes work."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from depth_ros.cli.kit.tables import text_table
from depth_ros.cli.kit.versions import installed_versions
from depth_ros.engines.artifact import manifest_path, read_manifest
from depth_ros.engines.build import available_runtimes
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.cpu_runtime import cpu_flags
from depth_ros.engines.exports import list_exports
from depth_ros.engines.recipe import format_size, load_recipe, recipe_names
from depth_ros.engines.runtime import RuntimeStatus
from depth_ros.errors import ArtifactError, DepthRosError, RecipeError
from depth_ros.files.share import share_roots
from depth_ros.models.registry import model_faults, models

WIDTH = 80
FAST_FLAGS = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'asimd')
"""CPU flags that decide which engines and precisions are fast."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """One model; ``weights`` says whether they ship, and ``licence`` theirs."""

    name: str
    tasks: list[str]
    needs_weights: bool
    weights: str
    licence: str
    summary: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeInfo:
    """One recipe; ``presets`` says size and options in words."""

    name: str
    summary: str
    weights: str
    licence: str
    homepage: str
    size: str
    presets: dict[str, str]
    precisions: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportInfo:
    """One exported graph; ``problem`` is empty unless its manifest cannot be used."""

    file: str
    weights: str
    licence: str
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineFolder:
    """One built engine in the cache."""

    folder: str
    mebibytes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Info:
    """All that ``depth-ros info`` prints."""

    versions: dict[str, str]
    ros: str
    cpu: list[str]
    models: list[ModelInfo]
    faults: list[str]
    recipes: list[RecipeInfo]
    runtimes: list[RuntimeStatus]
    exports: list[ExportInfo]
    engines: list[EngineFolder]
    cache: str
    share: list[str]


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'info', description='Say what is installed, exported and built, and why the rest is not.'
    )
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is there."""
    info = collect()
    print(json.dumps(asdict(info), indent=2) if arguments.json else describe(info))
    return 0


def collect() -> Info:
    """Collect the information; imports every runtime to try it and builds nothing."""
    cache, exports, engines = _cached()
    recipes, faults = _recipes()
    return Info(
        versions=installed_versions(),
        ros='rclpy found' if find_spec('rclpy') else 'rclpy not found: source a distro for nodes',
        cpu=[flag for flag in FAST_FLAGS if flag in cpu_flags()],
        models=_models({recipe.name: recipe.licence for recipe in recipes}),
        faults=[*model_faults().values(), *faults],
        recipes=recipes,
        runtimes=available_runtimes(are_tried=True),
        exports=exports,
        engines=engines,
        cache=cache,
        share=[str(root) for root in share_roots() if root.is_dir()],
    )


def _cached() -> tuple[str, list[ExportInfo], list[EngineFolder]]:
    """Return the cache's folder, or why there is none, and what it holds."""
    cache = EngineCache()
    try:
        root = cache.root
    except DepthRosError as error:
        return str(error), [], []
    exports = [_export(path) for path in list_exports(cache)]
    return str(root), exports, _engines(root / 'engines')


def describe(info: Info) -> str:
    """Return the information as readable text."""
    versions = ', '.join(f'{name} {text}' for name, text in info.versions.items())
    return '\n\n'.join(
        [
            f'{versions}\nROS 2: {info.ros}\nCPU: {", ".join(info.cpu) or "no fast flags known"}',
            _section('Models', ('name', 'tasks', 'weights, and what it is'), _model_rows(info)),
            *_fault_lines(info.faults),
            _section(
                'Recipes', ('recipe', 'preset', 'size and options'), _recipe_rows(info.recipes)
            ),
            _section('Runtimes', ('engine', 'version', ''), _runtime_rows(info.runtimes)),
            *_export_sections(info.exports),
            _section(
                f'Built engines in {info.cache}', ('engine', 'MiB'), _engine_rows(info.engines)
            ),
        ]
    )


def _models(licences: Mapping[str, str]) -> list[ModelInfo]:
    return [
        ModelInfo(
            name=name,
            tasks=[task.value for task in entry.tasks],
            needs_weights=entry.needs_weights,
            weights=('ship' if entry.ships_weights else 'needed') if entry.needs_weights else '',
            licence=entry.shipped_licence or licences.get(entry.recipe or name, ''),
            summary=entry.summary,
        )
        for name, entry in models().items()
    ]


def _recipes() -> tuple[list[RecipeInfo], list[str]]:
    """Read every recipe; a malformed one is listed with its error, not raised."""
    recipes, faults = [], []
    for name in recipe_names():
        try:
            recipes.append(_recipe(name))
        except RecipeError as error:
            faults.append(str(error))
    return recipes, faults


def _recipe(name: str) -> RecipeInfo:
    recipe = load_recipe(name)
    presets = {}
    for preset in recipe.presets:
        variant = recipe.variant(preset=preset)
        options = [f'{option} {value}' for option, value in variant.options.items()]
        presets[preset] = ', '.join([format_size(variant.size), *options])
    precisions = {name for graph in recipe.graphs.values() for name in graph.tolerances}
    return RecipeInfo(
        name=name,
        summary=recipe.summary,
        weights=recipe.weights.file,
        licence=recipe.weights.licence,
        homepage=recipe.weights.homepage,
        size=format_size(recipe.size),
        presets=presets,
        precisions=sorted(precisions),
    )


def _export(path: Path) -> ExportInfo:
    """Read a manifest; a broken one is listed with its error, not raised."""
    try:
        weights = read_manifest(manifest_path(path)).weights
    except ArtifactError as error:
        return ExportInfo(file=str(path), weights='', licence='', problem=str(error))
    return ExportInfo(file=str(path), weights=weights.source, licence=weights.licence, problem='')


def _engines(folder: Path) -> list[EngineFolder]:
    """List finished engine folders; those under work begin with a dot."""
    found = sorted(folder.glob('[!.]*')) if folder.is_dir() else []
    return [
        EngineFolder(folder=path.name, mebibytes=round(_num_bytes(path) / 2**20, 1))
        for path in found
        if path.is_dir()
    ]


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _section(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = text_table(header, rows, width=WIDTH - 2) if rows else '(none)'
    return f'{title}\n' + '\n'.join(f'  {line}' for line in table.splitlines())


def _fault_lines(faults: Sequence[str]) -> list[str]:
    return ['\n  '.join(['Models that cannot be used', *faults])] if faults else []


def _model_rows(info: Info) -> list[list[str]]:
    rows = []
    for model in info.models:
        weights = f'{model.weights} ({model.licence})' if model.weights else 'none'
        rows += [[model.name, ', '.join(model.tasks), weights], ['', '', model.summary]]
    return rows


def _recipe_rows(recipes: Sequence[RecipeInfo]) -> list[list[str]]:
    rows = []
    for recipe in recipes:
        rows.append([recipe.name, '', f'weights: {recipe.weights} ({recipe.licence})'])
        rows += [['', preset, words] for preset, words in recipe.presets.items()]
    return rows


def _runtime_rows(runtimes: Sequence[RuntimeStatus]) -> list[list[str]]:
    return [[entry.name, entry.version or '-', entry.reason or 'ready'] for entry in runtimes]


def _export_sections(exports: Sequence[ExportInfo]) -> list[str]:
    folders: dict[Path, list[list[str]]] = {}
    for export in exports:
        path = Path(export.file)
        what = export.problem or f'{export.weights}, {export.licence}'
        folders.setdefault(path.parent, []).extend([[path.name], [f'  {what}']])
    if not folders:
        return [_section('Exported graphs', (), ())]
    return [
        _section(f'Exported graphs in {folder}', ('file, and its weights',), rows)
        for folder, rows in folders.items()
    ]


def _engine_rows(engines: Sequence[EngineFolder]) -> list[list[str]]:
    return [[engine.folder, f'{engine.mebibytes:.1f}'] for engine in engines]
