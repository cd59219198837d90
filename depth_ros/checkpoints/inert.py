"""Torch files with more in them than tensors, read without running any code of theirs.

Trainings keep options, numbers and schedules beside the weights, as objects of classes that
``torch.load(weights_only=True)`` refuses. Classes of the allow-list below are replaced by one that
does nothing; every other class is refused by its name.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import IO

import torch

from depth_ros.errors import WeightsError
from depth_ros.files.zip_members import checked_members

SKIPPED = (
    'numpy.',
    'argparse.Namespace',
    'types.SimpleNamespace',
    'pathlib.',
    'collections.',
    'datetime.',
    '_codecs.encode',
    'builtins.set',
    'builtins.frozenset',
    'builtins.slice',
    'builtins.complex',
    'builtins.range',
    'builtins.list',
    'builtins.dict',
    'builtins.tuple',
    'builtins.int',
    'builtins.float',
    'builtins.str',
    'builtins.bool',
    'torch.optim.',
    'torch.torch_version.',
    'pytorch_lightning.',
    'lightning.',
    'lightning_fabric.',
    'omegaconf.',
    'yacs.config.',
    'easydict.',
)
"""Classes and functions whose objects are skipped: full names, or packages (a dot at the end)."""

_MAX_CLASSES = 64
_REFUSED = re.compile(r'GLOBAL (\S+) was not an allowed global|unsupported GLOBAL (\S+) whose')


class Skipped:
    """What is left of an object that was skipped; takes whatever its class would take."""

    def __new__(cls, *_arguments: object) -> Skipped:
        """Make it from anything."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


_CONTAINERS: dict[str, object] = {
    'pytorch_lightning.utilities.parsing.AttributeDict': dict,
    'lightning.pytorch.utilities.parsing.AttributeDict': dict,
    'collections.defaultdict': lambda *_: {},
    'collections.deque': lambda *_: [],
}
"""What stands in for containers: torch fills nothing but plain lists and dicts."""


def load_torch(name: Path, file: Path | IO[bytes]) -> object:
    """Return what a torch file holds; objects of the allow-list are ``Skipped``.

    Args:
        name: Path for messages.
        file: Path, or an open file.

    Raises:
        WeightsError: If it holds an object of another class, naming it and how to save again.
        Exception: Whatever torch raises on a damaged file.
    """
    _check_members(file)
    stand_ins: dict[str, object] = {}
    while True:
        try:
            with torch.serialization.safe_globals([(s, n) for n, s in stand_ins.items()]):
                return torch.load(_rewound(file), map_location='cpu', weights_only=True)
        except pickle.UnpicklingError as error:
            found = _REFUSED.search(str(error))
            if found is None and not stand_ins:
                raise
            refused = _full_name(found[1] or found[2]) if found else ', '.join(stand_ins)
            is_skipped = found and refused not in stand_ins and refused.startswith(SKIPPED)
            if not is_skipped or len(stand_ins) >= _MAX_CLASSES:
                raise WeightsError(_resave_text(name, refused)) from None
            stand_ins[refused] = _CONTAINERS.get(refused, _stand_in(refused))


def _check_members(file: Path | IO[bytes]) -> None:
    """Refuse an archive that unpacks to more than it may; older files are none."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            checked_members(archive)


def _rewound(file: Path | IO[bytes]) -> Path | IO[bytes]:
    if not isinstance(file, Path):
        file.seek(0)
    return file


def _full_name(name: str) -> str:
    """Return the name with its module: torch leaves ``builtins`` out."""
    return name if '.' in name else f'builtins.{name}'


def _stand_in(name: str) -> type[Skipped]:
    """Make a class of its own for a name: torch looks its stand-ins up by value."""
    return type('Skipped', (Skipped,), {'__doc__': name})


def _resave_text(path: Path, refused: str) -> str:
    target = f'{path.stem}-weights.pth'
    return (
        f'{str(path)!r} cannot be read as weights: it holds an object of {refused}, and nothing '
        'of a file is run here; if you made it yourself, save the weights alone where you made '
        'it: python -c "import torch; '
        f"c = torch.load('{path.name}', map_location='cpu', weights_only=False); "
        "c = c if isinstance(c, dict) else {'model': c}; "
        "w = next(c[k] for k in ('state_dict', 'model_state_dict', 'model_params', 'model', "
        "'network', 'net') if k in c) if any(isinstance(v, (dict, torch.nn.Module)) for v in "
        "c.values()) else c; torch.save(getattr(w, 'state_dict', lambda: w)(), "
        f"'{target}')\" and pass {target}"
    )
