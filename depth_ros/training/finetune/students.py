"""Fine-tuning interface of stereo networks: load, predict with gradients, return weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.entries import load_named
from depth_ros.errors import ParameterError
from depth_ros.models.crestereo.network import CreStereo
from depth_ros.models.crestereo_tiny.network import TinyPredictions, tiny_network
from depth_ros.models.crestereo_tiny.network_error import ErrorHead
from depth_ros.models.crestereo_tiny.network_hinted import hinted_network
from depth_ros.models.registry import models
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.models.tio_depth.network import TioDepth, load_weights
from depth_ros.tasks.stereo.hints import SgbmHints
from depth_ros.training.crestereo.hints import hint_planes, unscaled_pair

Predict = Callable[[nn.Module, Tensor, Tensor, Tensor | None], TinyPredictions]
HintOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes a pair (H, W, 3) uint8 RGB and gives the planes (2, H, W) that a network is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """A kind of stereo network.

    Attributes:
        load: Makes the network from a checkpoint.
        predict: Maps RGB images (B, 3, H, W), 0..255, and what is known of the disparity
            (B, 2, H, W) or None, to predictions in px.
        multiple: Height and width must be multiples of this.
        smallest: Smallest height and width.
        learning_rate: Peak, of AdamW.
        hint: What nodes tell the network of a pair; None where it takes no hint.
        error_head: What tells the error in a network of this kind; None where it tells none.
    """

    load: Callable[[Path], nn.Module]
    predict: Predict
    multiple: int
    smallest: int
    learning_rate: float
    hint: HintOf | None = None
    error_head: Callable[[nn.Module], ErrorHead | None] | None = None

    def disparity(
        self, network: nn.Module, left: np.ndarray, right: np.ndarray, *, is_told: bool = True
    ) -> np.ndarray:
        """Match one pair (H, W, 3), 0..255; return (H, W) float32 px on the left pixels.

        Args:
            network: Of this kind.
            left: Left image.
            right: Right image.
            is_told: Whether a network that takes a hint gets it.
        """
        found = self.predictions(network, left, right, is_told=is_told).full
        return found[0, 0].clamp(min=0.0).numpy().astype(np.float32)

    def predictions(
        self, network: nn.Module, left: np.ndarray, right: np.ndarray, *, is_told: bool = True
    ) -> TinyPredictions:
        """Return all that the network predicts for one pair; takes what ``disparity`` does."""
        planes = [
            torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None]
            for image in (left, right)
        ]
        hint = None
        if is_told and self.hint is not None:
            images = (np.clip(image, 0, 255).astype(np.uint8) for image in (left, right))
            hint = torch.from_numpy(self.hint(*images))[None]
        with torch.no_grad():
            return self.predict(network, planes[0], planes[1], hint)

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return what inference loads."""
        return network.state_dict()


def _load_tiny(path: Path) -> nn.Module:
    return tiny_network(load_checkpoint(path), iterations=3)


def _predict_tiny(
    network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None
) -> TinyPredictions:
    found: TinyPredictions = network.predict(left, right)  # type: ignore[operator]
    return found


def _load_hinted(path: Path) -> nn.Module:
    return hinted_network(load_checkpoint(path), iterations=3)


def _error_head(network: nn.Module) -> ErrorHead | None:
    head: ErrorHead | None = network.error  # type: ignore[assignment]
    return head


def _predict_hinted(
    network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None
) -> TinyPredictions:
    found: TinyPredictions = network.predict(left, right, hint)  # type: ignore[operator]
    return found


def _hint_of_sgbm(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return what nodes tell by default, of the pair at the size it is learnt at."""
    matcher = SgbmHints(model=SgbmModel(SgbmSettings()))
    return hint_planes(matcher.hint(unscaled_pair(left, right)))


def _load_full(path: Path) -> nn.Module:
    network = CreStereo()
    load_strict(network, load_checkpoint(path))
    return network


def _predict_full(
    network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None
) -> TinyPredictions:
    sequence = network.sequence(left.flip(1), right.flip(1), iterations=10)  # type: ignore[operator]
    maps = [flow[:, :1] for flow in sequence]
    return TinyPredictions(coarse=[(1, one) for one in maps[:-1]], full=maps[-1])


def _load_tio(path: Path) -> nn.Module:
    network = TioDepth()
    load_weights(network, load_checkpoint(path))
    return network


def _predict_tio(
    network: nn.Module, left: Tensor, right: Tensor, hint: Tensor | None
) -> TinyPredictions:
    return TinyPredictions(full=network.stereo(left / 255.0, right / 255.0))  # type: ignore[operator]


TINY = Student(
    load=_load_tiny, predict=_predict_tiny, multiple=16, smallest=32, learning_rate=3e-4
)
HINTED = Student(
    load=_load_hinted,
    predict=_predict_hinted,
    multiple=16,
    smallest=32,
    learning_rate=3e-4,
    hint=_hint_of_sgbm,
    error_head=_error_head,
)
FULL = Student(
    load=_load_full, predict=_predict_full, multiple=16, smallest=32, learning_rate=5e-5
)
TIO = Student(load=_load_tio, predict=_predict_tio, multiple=32, smallest=64, learning_rate=2e-5)


def student_of(name: str) -> Student:
    """Import the student that a model's entry names."""
    student: Student = load_named(models()[name].tuning)
    return student


def check_size(name: str, size: tuple[int, int]) -> None:
    """Refuse sizes the network cannot take.

    Raises:
        ParameterError: If a side is no multiple of the network's, or too small.
    """
    student = student_of(name)
    if min(size) < student.smallest or any(side % student.multiple for side in size):
        raise ParameterError(
            f'{name} learns at sizes in multiples of {student.multiple} from {student.smallest}, '
            f'got {size[0]}x{size[1]}; correct --size'
        )
