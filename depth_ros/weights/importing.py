"""Import an official checkpoint: recognise it, check it strictly, store it as safetensors.

Strictly means that the network itself takes it: every graph of the model's recipe that the file
can serve is made from it. Nothing in the file is executed (see ``depth_ros.checkpoints.read``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.engines.artifact import file_digest
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import ExportPlan, plan_exports
from depth_ros.engines.recipe import load_recipe
from depth_ros.entries import Names, Signature
from depth_ros.errors import WeightsError
from depth_ros.files.whole_file import whole_file
from depth_ros.models.registry import signatures
from depth_ros.tensors import OptionValue, Progress
from depth_ros.weights.registry import (
    SUFFIX,
    OfficialWeights,
    load_registry,
    variants_of,
    weights_folder,
)

_MAX_NAMES_SHOWN = 5


if TYPE_CHECKING:
    from depth_ros.checkpoints.read import Checkpoint

VARIANT = 'variant'
"""Option of a recipe that says what the file does not; its values are the registry's variants."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """Result of an import.

    Attributes:
        path: The safetensors file.
        model: The model's name.
        description: What the file itself tells of its variant.
        official: The registry's entry, or None where it cannot be told.
        proof: How that is known: ``'checksum'``, ``'name'``, ``'asked'`` or empty.
        graphs: Graphs of the recipe that it serves.
        build_command: What to type to export and build them.
    """

    path: Path
    model: str
    description: str
    official: OfficialWeights | None
    proof: str
    graphs: tuple[str, ...]
    build_command: str


def import_weights(
    source: Path, *, variant: str = '', progress: Progress | None = None
) -> Imported:
    """Recognise, check and convert a checkpoint file, folder or archive.

    Args:
        source: As its authors published it.
        variant: Which of the model's official checkpoints it is, where the file does not say.
        progress: Called with each phase.

    Raises:
        WeightsError: If it cannot be read, is of no known network, does not fit it exactly, or
            the variant must be given and is not.
        ModuleNotFoundError: If torch is missing.
    """
    report = progress or (lambda phase, fraction: None)
    report(f'reading {source.name}', None)
    checkpoint: Checkpoint = import_module('depth_ros.checkpoints.read').read_checkpoint(source)
    model = recognise(checkpoint.state.keys(), signatures())
    official, proof = _identify(source, model, variant)
    _require_variant(model, official)
    report(f'checking against the {model} network', None)
    plan = _plan(source, model, official)
    _check_strictly(plan, checkpoint)
    name = official.variant if official is not None else _plain_stem(source)
    path = weights_folder() / model / f'{name}{SUFFIX}'
    _write(checkpoint, _notes(official), path)
    return Imported(
        path=path,
        model=model,
        description=signatures()[model].describe(checkpoint.state.keys(), checkpoint.extras),
        official=official,
        proof=proof,
        graphs=tuple(plan.stems),
        build_command=plan.recipe.build_command(plan.variant, weights=str(path)),
    )


def _identify(source: Path, model: str, variant: str) -> tuple[OfficialWeights | None, str]:
    """Return which official checkpoint a file is: asked for, by checksum, else by its name."""
    entries = variants_of(load_registry(), model)
    if variant:
        return _asked(entries, model, variant), 'asked'
    official = _by_checksum(source, entries) if source.is_file() else None
    if official is not None:
        return official, 'checksum'
    if signatures()[model].needs_variant:
        return None, ''
    named = [entry for entry in entries if source.name in (entry.file, Path(entry.file).stem)]
    return (named[0], 'name') if len(named) == 1 else (None, '')


def _by_checksum(source: Path, entries: tuple[OfficialWeights, ...]) -> OfficialWeights | None:
    md5, sha256 = file_digest(source, 'md5'), file_digest(source, 'sha256')
    for entry in entries:
        if entry.md5 == md5 or sha256 in (entry.sha256, entry.seen_sha256):
            return entry
    return None


def _asked(entries: tuple[OfficialWeights, ...], model: str, variant: str) -> OfficialWeights:
    loading = {entry.variant: entry for entry in entries if entry.loads}
    if variant not in loading:
        raise WeightsError(
            f'{model} has no variant {variant!r} that loads; use --variant with one of: '
            f'{", ".join(loading)}'
        )
    return loading[variant]


def _require_variant(model: str, official: OfficialWeights | None) -> None:
    if official is None and signatures()[model].needs_variant:
        loading = [entry.variant for entry in variants_of(load_registry(), model) if entry.loads]
        raise WeightsError(
            f'this is a {model} checkpoint, but nothing in the file says which and they are '
            f'computed differently; add --variant with one of: {", ".join(loading)}'
        )


def _plan(source: Path, model: str, official: OfficialWeights | None) -> ExportPlan:
    """Decide which graphs to make, at which size and, where the recipe asks, as which variant."""
    recipe = load_recipe(model)
    options: dict[str, OptionValue] = {}
    if VARIANT in recipe.options and official is not None:
        options[VARIANT] = official.variant
    return plan_exports(recipe, EngineChoice(weights=str(source)), options=options)


def _check_strictly(plan: ExportPlan, checkpoint: Checkpoint) -> None:
    """Make every graph that the file can serve from its weights."""
    make_exportable = import_module('depth_ros.engines.export').make_exportable
    for graph in plan.stems:
        make_exportable(plan.recipe, graph, plan.variant, checkpoint.state)


def _notes(official: OfficialWeights | None) -> dict[str, OptionValue]:
    if official is None:
        return {}
    return {'official': official.name, 'licence': official.licence}


def _plain_stem(source: Path) -> str:
    """Name an unknown checkpoint after its file, or after its folder."""
    stem = source.stem if source.is_file() else source.resolve().name
    return ''.join(letter if letter.isalnum() or letter in '+-_.' else '_' for letter in stem)


def _write(checkpoint: Checkpoint, notes: dict[str, OptionValue], path: Path) -> None:
    noted = replace(checkpoint, extras={**checkpoint.extras, **notes})
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        import_module('depth_ros.checkpoints.read').write_safetensors(noted, draft)


def recognise(names: Names, known: Mapping[str, Signature]) -> str:
    """Return the model whose network has parameters of these names.

    Args:
        names: Names of a checkpoint's parameters.
        known: Signatures of each model's checkpoints; no two fit one file.

    Raises:
        WeightsError: If there is none; shows the first names.
    """
    for model, signature in known.items():
        if signature.fits(names):
            return model
    shown = ', '.join(sorted(names)[:_MAX_NAMES_SHOWN])
    raise WeightsError(
        f'these are weights of none of {", ".join(known)}; the file has {len(names)} tensors '
        f'beginning with {shown}; import an official checkpoint, unchanged'
    )
