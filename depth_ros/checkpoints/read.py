"""Official checkpoints: unwrap their containers to plain state dicts, load them strictly.

Nothing here runs code from a file: torch files are read with ``weights_only``, NumPy archives
without pickle, safetensors as they are. Every invalid file raises a ``WeightsError``
that says what to do.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import torch

from depth_ros.checkpoints.inert import load_torch
from depth_ros.checkpoints.parts import CheckpointParts, find_parts
from depth_ros.checkpoints.safetensors_header import read_header
from depth_ros.errors import InputError, WeightsError
from depth_ros.files.arrays import read_arrays

StateDict = dict[str, torch.Tensor]
Extra = int | float | str | bool

_WRAPPERS = ('state_dict', 'model_state_dict', 'model_params', 'model', 'network', 'net')
"""Keys under which training scripts put the weights, beside epoch, optimiser and so on."""

_PREFIXES = ('module.', 'matcher.', '_orig_mod.', 'model.')
"""Put before every key by DataParallel, by LoFTR's training module, by ``torch.compile`` and by
Lightning modules, in any order."""

_READ_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    InputError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    ImportError,
)
"""Errors that readers raise on truncated or altered files (found by altering bytes)."""

_MAX_DEPTH = 2
_MAX_NAMES_SHOWN = 5
_COUNTER = '.num_batches_tracked'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        state: Parameters and buffers by name, prefixes removed, on the CPU.
        extras: Plain values stored beside them, e.g. Monodepth2's ``height`` and ``width``.
    """

    state: StateDict
    extras: Mapping[str, Extra]


def load_checkpoint(path: Path | str) -> StateDict:
    """Read the state dict of an official checkpoint; see ``read_checkpoint``."""
    return read_checkpoint(path).state


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a ``.pth``, ``.ckpt``, ``.safetensors`` or ``.npz`` checkpoint, a folder or a zip.

    Known containers (``state_dict``, ``model_params``, ``model``, ...) are opened, known prefixes
    (``module.``, ``matcher.``, ``_orig_mod.``, ``model.``) removed, and MegEngine's (1, C, 1, 1)
    biases flattened to (C,). What trainings keep beside the weights is skipped unread.
    The files of Monodepth2's folders, and of zip archives of them, are merged, each under the
    prefix of its name: ``encoder.``, ``depth.``, ``pose_encoder.``, ``pose.``.

    Raises:
        WeightsError: If the file is missing, damaged, of an unknown kind or holds no weights.
    """
    path = Path(path)
    parts = find_parts(path)
    if parts is not None:
        return _merged({part: _read_part(parts, part) for part in parts.members})
    if not path.is_file():
        raise WeightsError(
            f'there are no weights at {str(path)!r}; the README.md beside each model says where '
            'to get them'
        )
    if path.suffix == '.mge':
        raise WeightsError(_megengine_text(path))
    return _checkpoint(_read(path, path), path)


def read_extras(path: Path | str) -> Mapping[str, Extra]:
    """Read the plain values beside the weights; of a folder, those of its first file alone.

    Raises:
        WeightsError: As ``read_checkpoint``.
    """
    path = Path(path)
    parts = find_parts(path)
    if parts is None or '' in parts.members:
        return read_checkpoint(path).extras
    return _read_part(parts, 'encoder').extras


def write_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as safetensors, its extras as the file's metadata.

    Raises:
        WeightsError: If the package safetensors is missing.
    """
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise WeightsError(_safetensors_text(path)) from None
    state = {key: value.contiguous().clone() for key, value in checkpoint.state.items()}
    save_file(state, path, {key: json.dumps(value) for key, value in checkpoint.extras.items()})


def load_strict(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load a state dict that must have exactly the module's names and shapes.

    The counters of batch normalisation alone may be absent: they matter to training only, and
    shipped weights leave them out.

    Raises:
        WeightsError: Naming what is missing, unexpected or of another shape.
    """
    own = module.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith(_COUNTER)}
    state = {**counters, **state}
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = [
        f'{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}'
        for key in sorted(own.keys() & state.keys())
        if state[key].shape != own[key].shape
    ]
    problems = {'missing': missing, 'unexpected': unexpected, 'of another shape': wrong}
    found = [f'{len(names)} {what}: {_shown(names)}' for what, names in problems.items() if names]
    if found:
        raise WeightsError(
            f'the weights are not those of {type(module).__name__} ({"; ".join(found)}); '
            'pass the checkpoint of this network, unchanged'
        )
    module.load_state_dict(dict(state), strict=True)


def _read_part(parts: CheckpointParts, part: str) -> Checkpoint:
    name = parts.path / parts.members[part]
    try:
        with parts.open(part) as file:
            return _checkpoint(_read(name, file), name)
    except _READ_ERRORS as error:
        raise _damaged(name, error) from error


def _merged(parts: Mapping[str, Checkpoint]) -> Checkpoint:
    """Join parts; extras stay as they are, the first part's winning."""
    state: StateDict = {}
    extras: dict[str, Extra] = {}
    for part, checkpoint in parts.items():
        prefix = f'{part}.' if part else ''
        state.update({prefix + key: value for key, value in checkpoint.state.items()})
        extras = {**checkpoint.extras, **extras}
    return Checkpoint(state=state, extras=extras)


def _checkpoint(content: object, path: Path) -> Checkpoint:
    """Split the content of a file into tensors and plain values."""
    unwrapped = _unwrap(content, path)
    state = {key: value for key, value in unwrapped.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise WeightsError(
            f'{str(path)!r} holds no tensors under {_WRAPPERS} or at its top level, only '
            f'{_shown(unwrapped)}; pass the checkpoint of the network itself'
        )
    extras = {key: value for key, value in unwrapped.items() if isinstance(value, Extra)}
    return Checkpoint(state=_normalized(state, path), extras=extras)


def _read(name: Path, file: Path | IO[bytes]) -> object:
    """Read a file of the kind its name says."""
    try:
        if name.suffix == '.safetensors':
            return _read_safetensors(name, file)
        if name.suffix == '.npz':
            return _read_npz(file)
        return load_torch(name, file)
    except _READ_ERRORS as error:
        if kind := _other_kind(file):
            raise WeightsError(
                f'expected weights (.pth, .ckpt, .safetensors or .npz), {str(name)!r} is {kind}; '
                'pass the checkpoint'
            ) from error
        raise _damaged(name, error) from error


_OTHER_KINDS = {
    b'\x89PNG': 'a PNG picture',
    b'\xff\xd8\xff': 'a JPEG picture',
    b'BM': 'a BMP picture',
    b'II*\0': 'a TIFF picture',
    b'MM\0*': 'a TIFF picture',
    b'%PDF': 'a PDF',
}
"""How files begin that are taken for weights by mistake; no checkpoint begins so."""


def _other_kind(file: Path | IO[bytes]) -> str:
    """Return what a file that cannot be read as weights is; empty where that is not known."""
    try:
        if isinstance(file, Path):
            with file.open('rb') as opened:
                head = opened.read(512)
        else:
            file.seek(0)
            head = file.read(512)
    except (OSError, ValueError):
        return ''
    is_text = len(head) >= 8 and all(byte in b'\t\n\r' or 32 <= byte < 127 for byte in head)
    if is_text:
        return 'JSON text' if head.lstrip()[:1] in (b'{', b'[') else 'text'
    return next((kind for magic, kind in _OTHER_KINDS.items() if head.startswith(magic)), '')


def _damaged(path: Path, error: BaseException) -> WeightsError:
    reason = str(error).strip().partition('\n')[0][:200]
    if 'weights_only' in reason:  # torch's advice to run what is in the file
        reason = 'no file of tensors'
    return WeightsError(
        f'{str(path)!r} cannot be read as weights ({type(error).__name__}: {reason}); it may '
        'be truncated, no checkpoint, or hold objects other than tensors: download it again'
    )


def _read_safetensors(name: Path, file: Path | IO[bytes]) -> dict[str, object]:
    """Read tensors and, from the file's metadata, plain values."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError:
        raise WeightsError(_safetensors_text(name)) from None
    content = file.read_bytes() if isinstance(file, Path) else file.read()
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    metadata = cast('Mapping[str, str]', read_header(io.BytesIO(content)).get('__metadata__', {}))
    return {**{key: _plain_value(text) for key, text in metadata.items()}, **tensors}


def _plain_value(text: str) -> object:
    """Read a value of safetensors metadata, where all values are texts."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _safetensors_text(path: Path) -> str:
    return f'{str(path)!r} needs the package safetensors; install it with: pip install safetensors'


def _read_npz(file: Path | IO[bytes]) -> StateDict:
    return {key: torch.from_numpy(array) for key, array in read_arrays(file).items()}


def _unwrap(content: object, path: Path) -> Mapping[str, object]:
    """Open containers, one in another at most, down to the dict with the tensors in it."""
    if not isinstance(content, Mapping):
        raise WeightsError(
            f'{str(path)!r} holds a {type(content).__name__}, not a dict of weights; pass a '
            'checkpoint saved as a state dict'
        )
    for _ in range(_MAX_DEPTH):
        inner = (content.get(wrapper) for wrapper in _WRAPPERS)
        content = next((value for value in inner if isinstance(value, Mapping)), content)
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _normalized(state: StateDict, path: Path) -> StateDict:
    while prefix := _common_prefix(state):
        state = {key[len(prefix) :]: value for key, value in state.items()}
    for key, value in state.items():
        if not _is_plain(value) or not torch.isfinite(value).all():
            raise WeightsError(
                f'{str(path)!r}: {key} is not a plain tensor of finite numbers; the file is '
                'damaged or its training diverged, take another one'
            )
    return {key: _flat_bias(key, value) for key, value in state.items()}


def _common_prefix(state: StateDict) -> str:
    """Return the known prefix that every key has, empty if there is none."""
    return next((p for p in _PREFIXES if all(key.startswith(p) for key in state)), '')


def _is_plain(value: torch.Tensor) -> bool:
    """Refuse sparse, quantised and data-free tensors, and small ones expanded to huge ones."""
    if value.layout != torch.strided or value.is_quantized or value.device.type != 'cpu':
        return False
    return bool(value.untyped_storage().nbytes() >= value.numel() * value.element_size())


def _flat_bias(key: str, value: torch.Tensor) -> torch.Tensor:
    """Flatten a bias stored as (1, C, 1, 1), as MegEngine's convolutions have it."""
    is_megengine = key.endswith('.bias') and value.ndim == 4 and value.numel() == value.shape[1]
    return value.reshape(-1) if is_megengine else value


def _megengine_text(path: Path) -> str:
    return (
        f'{str(path)!r} is a MegEngine pickle, which only MegEngine can open; where it is '
        'installed, convert it with: python -c "import megengine, numpy; '
        f"state = megengine.load('{path.name}')['state_dict']; "
        f"numpy.savez('{path.stem}.npz', **{{k: numpy.asarray(v) for k, v in state.items()}})\" "
        f'and pass {path.stem}.npz'
    )


def _shown(names: Mapping[str, object] | list[str]) -> str:
    texts = [str(name) for name in names]
    more = len(texts) - _MAX_NAMES_SHOWN
    return ', '.join(texts[:_MAX_NAMES_SHOWN]) + (f' and {more} more' if more > 0 else '')
