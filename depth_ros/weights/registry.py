"""The registry of official checkpoints: ``weights/registry.yaml``, read and checked.

It says of each file where it is, under which licence, what is published about it, and which of
that was not read from a primary source. Reading it downloads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import WeightsError
from depth_ros.files.checked_yaml import Section
from depth_ros.files.share import cache_root, share_path

FILE = 'weights/registry.yaml'
UNVERIFIED = '(unverified)'
_CHECKABLE = ('training', 'accuracy', 'mirror')
SUFFIX = '.safetensors'


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Published figures and their source."""

    text: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialWeights:
    """One official checkpoint.

    Attributes:
        model: The model's name.
        variant: Its own name among the model's checkpoints.
        licence: Licence in words.
        is_commercial: Whether the licence allows commercial use.
        homepage: Page of the project.
        file: File name as published; empty where it is not known.
        address: Where it is.
        is_by_hand: Whether the address is a page that programs cannot fetch from.
        mirror: A copy elsewhere, or None.
        md5: Published checksum, or None.
        sha256: Published checksum, or None.
        seen_sha256: Hash of a copy that is very likely this file, or None.
        size: Published size in words, or None.
        input_size: ``HEIGHTxWIDTH`` or in words.
        training: What it was trained on.
        accuracy: Published figures, or None.
        unverified: Fields not read from a primary source.
        loads: Whether its layout is that of this package's network.
        note: What else to know; empty if nothing.
    """

    model: str
    variant: str
    licence: str
    is_commercial: bool
    homepage: str
    file: str
    address: str
    is_by_hand: bool
    mirror: str | None
    md5: str | None
    sha256: str | None
    seen_sha256: str | None
    size: str | None
    input_size: str
    training: str
    accuracy: Accuracy | None
    unverified: tuple[str, ...]
    loads: bool
    note: str

    @property
    def name(self) -> str:
        """Name in commands, e.g. ``'monodepth2/mono_640x192'``."""
        return f'{self.model}/{self.variant}'

    def describe_training(self) -> str:
        """Return the training data in words, marked if unverified."""
        return self._marked('training', self.training)

    def describe_accuracy(self) -> str:
        """Return the published figures with their source; empty if there are none."""
        if self.accuracy is None:
            return ''
        return self._marked('accuracy', f'{self.accuracy.text} ({self.accuracy.source})')

    def describe_checksum(self) -> str:
        """Return the published checksum in words."""
        for kind, digest in (('sha256', self.sha256), ('md5', self.md5)):
            if digest:
                return f'{kind} {digest}'
        return 'none published'

    def _marked(self, field: str, text: str) -> str:
        return f'{text} {UNVERIFIED}' if field in self.unverified else text


def load_registry() -> tuple[OfficialWeights, ...]:
    """Read the installed registry.

    Raises:
        RecipeError: If the file is malformed.
        DepthRosError: If it is not installed.
    """
    return read_registry(share_path(FILE))


def read_registry(path: Path) -> tuple[OfficialWeights, ...]:
    """Read and check a registry file.

    Raises:
        RecipeError: Naming the file, the key, and what was expected there.
    """
    found = []
    for model, section in Section.read(path).all_sections():
        for variant, part in section.sections('checkpoints'):
            found.append(_official(section, part, model, variant))
            part.finish()
        section.finish()
    return tuple(found)


def find_official(registry: tuple[OfficialWeights, ...], name: str) -> OfficialWeights:
    """Look a checkpoint up by ``MODEL/VARIANT``.

    Raises:
        WeightsError: If there is none; names those there are.
    """
    for official in registry:
        if official.name == name:
            return official
    known = ', '.join(official.name for official in registry)
    raise WeightsError(f'there is no checkpoint {name!r}; use one of: {known}')


def variants_of(registry: tuple[OfficialWeights, ...], model: str) -> tuple[OfficialWeights, ...]:
    """Return the checkpoints of a model."""
    return tuple(official for official in registry if official.model == model)


def _official(section: Section, part: Section, model: str, variant: str) -> OfficialWeights:
    unverified = part.optional_texts('unverified')
    for field in unverified:
        if field not in _CHECKABLE:
            part.fail('unverified', f'some of {list(_CHECKABLE)}', field)
    return OfficialWeights(
        model=model,
        variant=variant,
        licence=section.text('licence'),
        is_commercial=not section.flag('non_commercial'),
        homepage=section.text('homepage'),
        file=part.optional_text('file') or '',
        address=_address(part, 'address') or '',
        is_by_hand=part.flag('by_hand'),
        mirror=_address(part, 'mirror'),
        md5=_digest(part, 'md5', 32),
        sha256=_digest(part, 'sha256', 64),
        seen_sha256=_digest(part, 'seen_sha256', 64),
        size=part.optional_text('size'),
        input_size=part.text('input_size'),
        training=part.text('training'),
        accuracy=_accuracy(part),
        unverified=unverified,
        loads=not part.flag('other_layout'),
        note=part.optional_text('note') or '',
    )


def _accuracy(part: Section) -> Accuracy | None:
    section = part.optional_section('accuracy')
    if section is None:
        return None
    accuracy = Accuracy(text=section.text('text'), source=section.text('source'))
    section.finish()
    return accuracy


def _address(part: Section, key: str) -> str | None:
    text = part.text(key) if key == 'address' else part.optional_text(key)
    if text is not None and not text.startswith(('https://', 'http://')):
        part.fail(key, 'an http or https address', text)
    return text


def _digest(part: Section, key: str, length: int) -> str | None:
    text = part.optional_text(key)
    if text is not None and (len(text) != length or set(text) - set('0123456789abcdef')):
        part.fail(key, f'{length} lower-case hexadecimal digits', text)
    return text


def weights_folder() -> Path:
    """``weights`` in the user's folder of this package, beside the cached engines."""
    return cache_root() / 'weights'


def downloads_folder() -> Path:
    """Return the folder of fetched files."""
    return weights_folder() / 'downloads'


def imported_weights() -> list[Path]:
    """List what was imported, as ``MODEL/NAME.safetensors`` below the folder."""
    return sorted(weights_folder().glob(f'*/*{SUFFIX}'))
