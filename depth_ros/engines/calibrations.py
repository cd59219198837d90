"""Graphs in int8, each calibrated on somebody's own frames, as the cache keeps them.

``calibrations/<stem>-<hash of the graph>/`` holds a folder for every set of frames a graph was
calibrated on, and ``calibration.json``, which names the newest: engines are built from that. Its
digest is part of an engine's key, so engines of other frames are other engines.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from depth_ros.engines.artifact import Artifact, file_digest
from depth_ros.engines.checks.golden import digest_tensors
from depth_ros.errors import ArtifactError, EngineError, InputError
from depth_ros.files.draft_folder import draft_folder
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.whole_file import write_json
from depth_ros.tensors import Tensors

INT8 = 'int8'
"""The precision."""
INT8_RUNTIME = 'openvino'
"""The runtime that has it."""
INT8_PACKAGE = 'nncf'
NNCF_MISSING = (
    "precision 'int8' is calibrated with NNCF, which is not installed; type: pip install nncf"
)
GRAPH_FILE = 'graph.xml'
LEAST_FRAMES = 8
"""Fewer say too little about the ranges of values."""
MOST_FRAMES = 32
"""Those of a recording are spread evenly; more take longer and change next to nothing."""
_RECORD = 'calibration.json'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CalibrationFrames:
    """What a graph is calibrated on.

    Attributes:
        feeds: Inputs of the graph, one set a frame.
        source: Where they are from, in a few words.
    """

    feeds: Sequence[Tensors]
    source: str

    @property
    def sha256(self) -> str:
        """Hash of all inputs in order."""
        digests = '\n'.join(digest_tensors(tensors) for tensors in self.feeds)
        return hashlib.sha256(digests.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A graph in int8 with what it was made from.

    Attributes:
        folder: Name of the folder with the quantised graph, beside the record.
        onnx_sha256: Hash of the float32 graph.
        layers: Beginnings of the names of the weights that are int8.
        frames_sha256: Hash of the frames.
        num_frames: How many.
        source: Where they are from.
        quantiser: With its version.
        files: Hash of every file in the folder.
    """

    folder: str
    onnx_sha256: str
    layers: tuple[str, ...]
    frames_sha256: str
    num_frames: int
    source: str
    quantiser: str
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over what decides how the graph computes.

        The files are left out: NNCF numbers what it inserts anew in every process.
        """
        decisive = (self.onnx_sha256, self.layers, self.frames_sha256, self.quantiser)
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def describe(self) -> str:
        """Return what it was calibrated on, in one line."""
        return f'{self.num_frames} frames of {self.source} ({self.frames_sha256[:16]})'


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibratedGraph:
    """A verified calibration on disk.

    Attributes:
        path: The quantised graph.
        calibration: What it was made from.
    """

    path: Path
    calibration: Calibration


def expect_enough(count: int, source: str) -> None:
    """Refuse fewer than ``LEAST_FRAMES``.

    Raises:
        InputError: Reason ``'too_few'``.
    """
    if count < LEAST_FRAMES:
        raise InputError(
            'too_few',
            f'int8 needs at least {LEAST_FRAMES} usable frames, {source} gives {count}; record '
            'more of what the robot will see',
        )


def calibrate(
    artifact: Artifact, layers: Sequence[str], frames: CalibrationFrames, root: Path
) -> CalibratedGraph:
    """Quantise a graph on frames and keep it below a cache's root as the one to build from.

    Raises:
        InputError: If there are fewer than ``LEAST_FRAMES``, reason ``'too_few'``.
        EngineError: If NNCF or OpenVINO is missing or refuses, or the cache cannot be written.
    """
    expect_enough(len(frames.feeds), frames.source)
    home, frames_sha256 = _home(artifact, root), frames.sha256
    try:
        home.mkdir(parents=True, exist_ok=True)
        with draft_folder(home, prefix='.draft.') as draft:
            int8 = import_module('depth_ros.engines.openvino.int8')
            quantiser = int8.quantise(artifact.onnx, layers, frames.feeds, draft)
            calibration = Calibration(
                folder=frames_sha256[:16],
                onnx_sha256=artifact.manifest.onnx_sha256,
                layers=tuple(layers),
                frames_sha256=frames_sha256,
                num_frames=len(frames.feeds),
                source=frames.source,
                quantiser=quantiser,
                files={path.name: file_digest(path) for path in sorted(draft.iterdir())},
            )
            shutil.rmtree(home / calibration.folder, ignore_errors=True)
            draft.rename(home / calibration.folder)
        write_json(home / _RECORD, asdict(calibration))
    except OSError as error:
        raise EngineError(
            f'the calibration cannot be kept in {home} ({error}); free space there, or set '
            'DEPTH_ROS_CACHE to a folder that can'
        ) from error
    return CalibratedGraph(path=home / calibration.folder / GRAPH_FILE, calibration=calibration)


def find_calibration(
    artifact: Artifact, layers: Sequence[str], root: Path, *, command: str
) -> CalibratedGraph:
    """Return the newest calibration of a graph, its files verified.

    Args:
        artifact: The float32 graph.
        layers: Beginnings of the names of the weights that are to be int8.
        root: Of the cache.
        command: What to type to calibrate, for messages.

    Raises:
        EngineError: If there is none, or one of other layers; says what to type.
        ArtifactError: If it is damaged.
    """
    home, how = _home(artifact, root), f'type: {command}'
    what = f"precision 'int8' of {artifact.name!r}"
    if not (home / _RECORD).exists():
        raise EngineError(f'{what} has not been calibrated on frames of yours; {how}')
    calibration = _read(home / _RECORD, how)
    expected = (artifact.manifest.onnx_sha256, tuple(layers))
    if (calibration.onnx_sha256, calibration.layers) != expected:
        raise EngineError(
            f'{what} was calibrated for the layers {", ".join(calibration.layers)}, its recipe '
            f'names {", ".join(layers)}; calibrate it again, {how}'
        )
    folder = home / calibration.folder
    for name, stated in calibration.files.items():
        actual = file_digest(folder / name) if (folder / name).is_file() else 'none'
        if actual != stated:
            raise ArtifactError(
                f'{folder / name} was written with SHA-256 {stated}, this one has {actual}; '
                f'calibrate it again, {how}'
            )
    return CalibratedGraph(path=folder / GRAPH_FILE, calibration=calibration)


def _home(artifact: Artifact, root: Path) -> Path:
    name = f'{artifact.onnx.stem}-{artifact.manifest.onnx_sha256[:16]}'
    return root / 'calibrations' / name


def _read(path: Path, how: str) -> Calibration:
    try:
        body = parse_json(given_text(path))
        if not isinstance(body, dict) or not isinstance(body['files'], dict):
            raise ValueError(f'it holds {body!r}')
        names = [str(body['folder']), *map(str, body['files'])]
        if any(Path(name).name != name for name in names):
            raise ValueError(f'it names {names!r}')
        return Calibration(**{**body, 'layers': tuple(map(str, body['layers']))})
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f'{path} cannot be read as a calibration ({error}); calibrate again, {how}'
        ) from error
