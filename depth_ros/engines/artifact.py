"""Exported graphs on disk: the ONNX file, its manifest and its golden outputs.

``crestereo-240x320-it4.onnx``, ``.json`` and ``.golden.npz`` belong together. The manifest holds
the hashes of the other two and of itself, so damage and mix-ups are noticed before a runtime
sees the file. That is a check against accidents, not a signature.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from depth_ros.engines.checks.golden import Tolerance, digest_tensors, golden_inputs
from depth_ros.errors import ArtifactError, EngineError, InputError
from depth_ros.files.arrays import read_arrays
from depth_ros.files.given_file import given_text, regular_file
from depth_ros.files.json_text import parse_json
from depth_ros.tensors import Options, TensorSpec

SCHEMA = 1
_GENERIC_COMMAND = 'depth-ros build RECIPE --weights FILE'
_COMMAND = re.compile(r'depth-ros build [\w./=:+-]+( [\w./=:+-]+)*')


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsRecord:
    """Which weights are inside.

    Attributes:
        source: File name, or ``'synthetic:SEED'`` for made-up ones.
        sha256: Hash of the file; empty for synthetic weights.
        licence: SPDX name, or a few words where it is not known.
        is_stereo_trained: Whether a checkpoint says it was trained on stereo pairs; None where it
            says nothing.
    """

    source: str
    sha256: str
    licence: str
    is_stereo_trained: bool | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether the weights are made up, fit for tests and benchmarks only."""
        return self.source.startswith('synthetic:')


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What an exported graph is.

    Attributes:
        recipe: Recipe it was made from.
        graph: Name of the graph in the recipe.
        size: ``(height, width)`` of the frame it takes.
        options: Options it was made with, e.g. ``iterations``.
        inputs: Specs of its inputs.
        outputs: Specs of its outputs.
        weights: Which weights are inside.
        tolerances: Limits by precision, then by output.
        onnx_sha256: Hash of the ONNX file.
        golden_seed: Seed of the golden inputs.
        golden_sha256: Digest of the golden inputs and outputs.
        opset: ONNX operator set.
        exporter: What exported it, with version.
        command: What to type to make it again.
        schema: Version of this layout.
    """

    recipe: str
    graph: str
    size: tuple[int, int]
    options: Options
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: WeightsRecord
    tolerances: Mapping[str, Mapping[str, Tolerance]]
    onnx_sha256: str
    golden_seed: int
    golden_sha256: str
    opset: int
    exporter: str
    command: str
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Write it as JSON, with a hash over all of it."""
        body = asdict(self)
        return json.dumps({**body, 'manifest_sha256': _body_digest(body)}, indent=2) + '\n'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Golden:
    """Golden inputs with the float32 network's outputs.

    Attributes:
        inputs: All inputs of the graph.
        outputs: All outputs of the graph.
        examples: Those of the inputs that are stored, because a seed cannot make them.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest over inputs and outputs."""
        tensors = {f'input_{name}': array for name, array in self.inputs.items()}
        tensors.update({f'output_{name}': array for name, array in self.outputs.items()})
        return digest_tensors(tensors)

    def save(self, path: Path) -> None:
        """Write outputs and examples; seeded inputs are made again on reading."""
        arrays = {f'input_{name}': array for name, array in self.examples.items()}
        arrays.update({f'output_{name}': array for name, array in self.outputs.items()})
        with path.open('wb') as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """An exported graph whose hashes have been verified.

    Attributes:
        onnx: The ONNX file.
        manifest: Contents of its manifest.
    """

    onnx: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Name for logs and diagnostics; marks synthetic weights."""
        weights = self.manifest.weights
        return f'{self.onnx.stem} [{weights.source}]' if weights.is_synthetic else self.onnx.stem

    def expect_ports(self, found: object, expected: object) -> None:
        """Compare what a runtime made of the graph's inputs or outputs with the manifest.

        Raises:
            EngineError: If they differ.
        """
        if found != expected:
            raise EngineError(
                f'{self.onnx} has {found} where its manifest says {expected}; make it again '
                f'with: {self.manifest.command}'
            )

    def golden(self) -> Golden:
        """Read the golden outputs and make the inputs.

        Raises:
            ArtifactError: If they are missing or not those the manifest was written with.
        """
        path = golden_path(self.onnx)
        stored = _read_npz(path, self.manifest.command)
        examples = _with_prefix(stored, 'input_')
        inputs = golden_inputs(
            self.manifest.inputs, seed=self.manifest.golden_seed, examples=examples
        )
        golden = Golden(inputs=inputs, outputs=_with_prefix(stored, 'output_'), examples=examples)
        _expect_hash(
            path, 'golden data', self.manifest.golden_sha256, golden.sha256, self.manifest.command
        )
        return golden


def manifest_path(onnx: Path) -> Path:
    """Return the path of the manifest of an ONNX file."""
    return onnx.with_suffix('.json')


def golden_path(onnx: Path) -> Path:
    """Return the path of the golden outputs of an ONNX file."""
    return onnx.with_suffix('.golden.npz')


def file_digest(path: Path, kind: str = 'sha256') -> str:
    """Return the ``'sha256'`` or ``'md5'`` of a file in hexadecimal digits.

    Raises:
        InputError: If it is a pipe or a device, reason ``'file'``.
    """
    digest = hashlib.new(kind, usedforsecurity=False)
    with regular_file(path, max_bytes=sys.maxsize).open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_artifact(onnx: Path) -> Artifact:
    """Read a manifest and verify that it and the ONNX file are what was exported.

    Raises:
        ArtifactError: If a file is missing or a hash differs; names both hashes and the command
            that makes the artefact again.
    """
    manifest = read_manifest(manifest_path(onnx))
    if not onnx.is_file():
        raise ArtifactError(f'{onnx} is missing; make it again with: {manifest.command}')
    _expect_hash(onnx, 'ONNX', manifest.onnx_sha256, file_digest(onnx), manifest.command)
    return Artifact(onnx=onnx, manifest=manifest)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and verify its own hash.

    Raises:
        ArtifactError: If it is missing, not a manifest, or changed since it was written.
    """
    body = _read_json(path)
    stated = body.pop('manifest_sha256', None)
    command = _trusted_command(body.get('command'))
    _expect_hash(path, 'manifest', str(stated), _body_digest(body), command)
    if body.get('schema') != SCHEMA:
        raise ArtifactError(
            f'{path} has manifest schema {body.get("schema")!r}, this version reads {SCHEMA}; '
            f'make it again with: {command}'
        )
    try:
        return _parse(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f'{path} is not a complete manifest ({error!r}); make it again with: {command}'
        ) from error


def _body_digest(body: Mapping[str, object]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _trusted_command(command: object) -> str:
    """Return the command of a manifest not verified yet, unless it could do something else."""
    if isinstance(command, str) and _COMMAND.fullmatch(command):
        return command
    return _GENERIC_COMMAND


def _read_json(path: Path) -> dict[str, object]:
    if not path.exists():
        raise ArtifactError(
            f'{path} is missing, so the ONNX file cannot be trusted; export it with: '
            f'{_GENERIC_COMMAND}'
        )
    try:
        body = parse_json(given_text(path))
    except (InputError, ValueError) as error:
        raise ArtifactError(
            f'{path} cannot be read as JSON ({error}); export it again with: {_GENERIC_COMMAND}'
        ) from error
    if not isinstance(body, dict):
        raise ArtifactError(
            f'{path} holds a {type(body).__name__}, expected a manifest; export it again with: '
            f'{_GENERIC_COMMAND}'
        )
    return body


def _expect_hash(path: Path, kind: str, stated: str, actual: str, command: str) -> None:
    if stated != actual:
        raise ArtifactError(
            f'{path}: the {kind} was written with SHA-256 {stated}, this one has {actual}; it was '
            f'changed or belongs to another export, make it again with: {command}'
        )


def _parse(body: dict[str, object]) -> Manifest:
    known = {item.name for item in fields(Manifest)}
    if set(body) != known:
        raise ValueError(f'keys differ: {sorted(set(body) ^ known)}')
    tolerances = {
        precision: {name: Tolerance(**limits) for name, limits in outputs.items()}
        for precision, outputs in body['tolerances'].items()  # type: ignore[attr-defined]
    }
    values: dict = {
        **body,
        'size': _parse_size(body['size']),
        'inputs': _parse_specs(body['inputs']),
        'outputs': _parse_specs(body['outputs']),
        'weights': WeightsRecord(**body['weights']),  # type: ignore[arg-type]
        'tolerances': tolerances,
    }
    return Manifest(**values)


def _parse_size(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or [type(item) for item in value] != [int, int]:
        raise TypeError(f'size must be two whole numbers, got {value!r}')
    return value[0], value[1]


def _parse_specs(items: object) -> tuple[TensorSpec, ...]:
    if not isinstance(items, list):
        raise TypeError(f'specs must be a list, got {items!r}')
    return tuple(TensorSpec(**{**item, 'shape': tuple(item['shape'])}) for item in items)


def _read_npz(path: Path, command: str) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path)
    except InputError as error:
        raise ArtifactError(
            f'{path}: the golden data cannot be read ({error}); make it again with: {command}'
        ) from error


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)
    }
