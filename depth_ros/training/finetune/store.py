"""Storage of fine-tuned weights, their metadata, and rollback to earlier ones.

Only writing needs torch: files are moved back without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.engines.artifact import file_digest
from depth_ros.errors import InputError, WeightsError
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.whole_file import write_json
from depth_ros.weights.registry import SUFFIX, weights_folder

if TYPE_CHECKING:
    from torch import Tensor

    from depth_ros.training.task import Note

NAME = f'finetuned{SUFFIX}'
EARLIER = 'earlier'
Sidecar = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TunedWeights:
    """The fine-tuned weights of one model.

    ``finetuned.safetensors`` and its sidecar ``finetuned.json`` are those in use; those they
    replaced are in ``earlier``, numbered.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """Those in use, existing or not."""
        return self.folder / NAME

    def keep(
        self,
        state: Mapping[str, Tensor],
        parent: Path,
        facts: Sidecar,
        notes: Mapping[str, Note] | None = None,
    ) -> Path:
        """Write new weights and their sidecar, setting those in use aside.

        Args:
            state: What inference loads.
            parent: Weights they were made from.
            facts: What else the sidecar says.
            notes: What the file itself says.

        Raises:
            DepthRosError: If the folder cannot be written to.
        """
        from depth_ros.training.trainer import save_weights

        record = {'parent': {'file': parent.name, 'sha256': file_digest(parent)}, **facts}
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f'new{SUFFIX}'
        save_weights(state, new, notes)
        record['sha256'] = file_digest(new)
        if self.path.is_file():
            self._move(self.path, self._numbered(self._last() + 1))
        write_json(self.path.with_suffix('.json'), record)
        new.replace(self.path)
        return self.path

    def roll_back(self) -> Path | None:
        """Put the weights before those in use in their place.

        Returns:
            Them, or None where those in use were the first: there are none now.

        Raises:
            WeightsError: If there are no fine-tuned weights.
        """
        if not self.path.is_file():
            raise WeightsError(
                f'there are no fine-tuned weights in {self.folder}; nothing was changed'
            )
        last = self._last()
        self.path.unlink()
        self.path.with_suffix('.json').unlink(missing_ok=True)
        if last == 0:
            return None
        self._move(self._numbered(last), self.path)
        return self.path

    def parent_in_use(self) -> str:
        """Name the file that the weights in use were made from; empty if that is not known."""
        sidecar = self.path.with_suffix('.json')
        if not sidecar.is_file():
            return ''
        try:
            record = parse_json(given_text(sidecar))
        except (InputError, ValueError):
            return ''
        parent = record.get('parent') if isinstance(record, dict) else None
        return str(parent.get('file', '')) if isinstance(parent, dict) else ''

    def _numbered(self, number: int) -> Path:
        return self.folder / EARLIER / f'{Path(NAME).stem}-{number:04d}{SUFFIX}'

    def _last(self) -> int:
        """Return the largest number of those set aside, 0 if there are none."""
        found = (self.folder / EARLIER).glob(f'*{SUFFIX}')
        numbers = [path.stem.rpartition('-')[2] for path in found]
        return max((int(number) for number in numbers if number.isdigit()), default=0)

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ('.json', SUFFIX):
            if source.with_suffix(suffix).is_file():
                source.with_suffix(suffix).replace(target.with_suffix(suffix))


def tuned_weights(model: str) -> TunedWeights:
    """Return the usual place of a model's fine-tuned weights, in the user's folder."""
    return TunedWeights(weights_folder() / model)
