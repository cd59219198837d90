"""Where exported graphs are found, and how missing ones come about.

Searched in order: files the user names, ``weights/`` of the installed package, exports in the
cache. What is missing is exported if a checkpoint was named and torch is installed; otherwise
the error says what to type. Made-up weights are only ever taken when asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_ros.engines.artifact import WeightsRecord, file_sha256, manifest_path
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.recipe import Recipe, Variant
from depth_ros.engines.runtime import is_importable
from depth_ros.errors import ArtifactError, EngineError, WeightsError
from depth_ros.share import find_share, share_roots

logger = logging.getLogger(__name__)
Progress = Callable[[str, 'float | None'], None]
SYNTHETIC = 'synthetic:'
EXPORT_PACKAGES = ('torch', 'onnx', 'onnxscript')


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """Which graphs are wanted, made from which weights.

    Attributes:
        recipe: Recipe.
        variant: Size and options.
        weights: Checkpoint, artefact, folder of artefacts, ``'synthetic:SEED'``, or empty for
            whatever is shipped or already exported.
    """

    recipe: Recipe
    variant: Variant
    weights: str

    @property
    def stems(self) -> dict[str, str]:
        """File name without ending, by graph."""
        return {name: self.recipe.stem(name, self.variant) for name in self.recipe.graphs}

    @property
    def is_synthetic(self) -> bool:
        """Whether made-up weights were asked for."""
        return self.weights.startswith(SYNTHETIC)

    def files(self, folder: Path) -> dict[str, Path]:
        """Give the ONNX file of every graph in a folder, existing or not."""
        return {graph: folder / f'{stem}.onnx' for graph, stem in self.stems.items()}


def obtain_exports(
    plan: ExportPlan, cache: EngineCache, *, progress: Progress | None = None
) -> dict[str, Path]:
    """Give the ONNX file of every graph, exporting what is missing if that is possible.

    Raises:
        WeightsError: If there are no weights; says what to type and where they are.
        EngineError: If torch is needed and missing.
        ArtifactError: If a named artefact is missing or an export is wrong.
    """
    if not plan.weights:
        return _existing(plan, cache)
    if not plan.is_synthetic:
        named = _named(plan)
        if named is not None:
            return named
    folder = cache.root / 'exports' / _tag(plan)
    files = plan.files(folder)
    if not _are_complete(files):
        with cache.lock(f'export-{folder.name}'):
            _export_missing(plan, files, progress)
    return files


def list_exports(cache: EngineCache | None = None) -> list[Path]:
    """List the ONNX files that are shipped or exported, by their manifests; verifies nothing."""
    cache = cache or EngineCache()
    folders = [root / 'weights' for root in share_roots()] + [cache.root / 'exports']
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
    path = Path(plan.weights).expanduser()
    if not path.exists():
        raise WeightsError(
            f'there are no weights at {str(path)!r}; {_where(plan.recipe)}, then type: '
            f'{plan.recipe.build_command(plan.variant)}'
        )
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


def _named_file(plan: ExportPlan, path: Path) -> dict[str, Path]:
    if len(plan.stems) != 1 or path.stem not in plan.stems.values():
        raise ArtifactError(
            f'{path} was named, needed are {", ".join(plan.stems.values())}; name the folder that '
            'holds them, or choose the size and options the file was made for'
        )
    return dict.fromkeys(plan.stems, path)


def _export_missing(plan: ExportPlan, files: dict[str, Path], progress: Progress | None) -> None:
    """Export the graphs that are not there yet; the caller holds the lock."""
    _expect_exporter(plan)
    from depth_ros import export

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
        exportable = export.make_exportable(plan.recipe, graph, plan.variant, state)
        export.export_graph(exportable, path, request, progress=progress)


def weights_record(plan: ExportPlan) -> WeightsRecord:
    """Say which weights a plan uses.

    The licence is the recipe's if the file is the published one as far as can be told: by hash
    where one is published, else by name.
    """
    if plan.is_synthetic:
        return WeightsRecord(source=plan.weights, sha256='', licence='none (made up)')
    path, official = Path(plan.weights).expanduser(), plan.recipe.weights
    sha256 = file_sha256(path)
    is_official = sha256 == official.sha256 if official.sha256 else path.name == official.file
    licence = official.licence if is_official else 'not known (not the published file)'
    return WeightsRecord(source=path.name, sha256=sha256, licence=licence)


def _expect_exporter(plan: ExportPlan) -> None:
    missing = [name for name in EXPORT_PACKAGES if not is_importable(name)]
    if missing:
        raise EngineError(
            f'exporting {plan.recipe.name!r} needs {", ".join(missing)}; type: pip install '
            f'{" ".join(missing)}, or run "{plan.recipe.build_command(plan.variant)}" on a '
            'machine that has them and name the resulting folder as weights here'
        )


def _tag(plan: ExportPlan) -> str:
    """Folder name for exports of these weights."""
    if plan.is_synthetic:
        return plan.weights.replace(':', '-').replace('/', '-')
    path = Path(plan.weights).expanduser()
    if path.is_dir():
        raise WeightsError(
            f'{str(path)!r} is a folder without exported graphs; name the checkpoint file, as in: '
            f'{plan.recipe.build_command(plan.variant)}'
        )
    return f'{plan.recipe.name}-{file_sha256(path)[:16]}'


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
