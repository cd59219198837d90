"""Which network a checkpoint is of, told by the names of its parameters; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from depth_ros.errors import WeightsError

_MAX_NAMES_SHOWN = 5
Names = Collection[str]
Extras = Mapping[str, int | float | str | bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """How to tell a network.

    Attributes:
        beginnings: Each must begin the name of some parameter.
        describe: Says what else can be told, from all names and the extras.
        needs_variant: Whether nothing in the file says which variant it is.
    """

    beginnings: tuple[str, ...]
    describe: Callable[[Names, Extras], str]
    needs_variant: bool = False


def _monodepth2(names: Names, extras: Extras) -> str:
    layers = 'ResNet-50' if _has(names, 'encoder.encoder.layer1.0.conv3.') else 'ResNet-18'
    pose = 'depth and pose networks' if _has(names, 'pose.') else 'depth network'
    size = f'{extras["height"]}x{extras["width"]}' if 'height' in extras else 'no stated size'
    pairs = {True: ', trained on stereo pairs', False: ', trained on one camera alone'}
    stereo = extras.get('use_stereo')
    return f'{layers}, {pose}, {size}{pairs[stereo] if isinstance(stereo, bool) else ""}'


def _crestereo(names: Names, extras: Extras) -> str:
    return 'the one published layout'


def _tio_depth(names: Names, extras: Extras) -> str:
    return 'Swin-T with 49 levels: mono, refine and stereo'


def _loftr(names: Names, extras: Extras) -> str:
    return 'coarse and fine matching'


def _mvsnet(names: Names, extras: Extras) -> str:
    return 'with refinement' if _has(names, 'refine_network.') else 'without refinement'


SIGNATURES: dict[str, Signature] = {
    'crestereo': Signature(beginnings=('fnet.', 'update_block.'), describe=_crestereo),
    'monodepth2': Signature(
        beginnings=('encoder.encoder.', 'depth.decoder.'), describe=_monodepth2
    ),
    'tio_depth': Signature(beginnings=('0.patch_embed.', '1._convs.'), describe=_tio_depth),
    'loftr': Signature(
        beginnings=('backbone.', 'loftr_coarse.', 'loftr_fine.'),
        describe=_loftr,
        needs_variant=True,
    ),
    'mvsnet': Signature(beginnings=('feature.', 'cost_regularization.'), describe=_mvsnet),
}
"""How each model's official checkpoints are told, by model; no two fit one file."""


def recognise(names: Names) -> str:
    """Return the model whose network has parameters of these names.

    Raises:
        WeightsError: If there is none; shows the first names.
    """
    for model, signature in SIGNATURES.items():
        if all(_has(names, beginning) for beginning in signature.beginnings):
            return model
    shown = ', '.join(sorted(names)[:_MAX_NAMES_SHOWN])
    raise WeightsError(
        f'these are weights of none of {", ".join(SIGNATURES)}; the file has {len(names)} tensors '
        f'beginning with {shown}; import an official checkpoint, unchanged'
    )


def _has(names: Names, beginning: str) -> bool:
    return any(name.startswith(beginning) for name in names)
