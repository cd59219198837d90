"""Fine-tuning Monodepth2 on the video of one camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.camera import scaled_camera
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import InputError, WeightsError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.geometry.preprocess import resize_image
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.pictures.panels import value_scale
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.triples import Augmentation, Triple, TripleBatch, augmented, plain
from depth_ros.training.finetune.figures import Figures, sharpness
from depth_ros.training.finetune.loop import Tile
from depth_ros.training.finetune.radiometry import to_planes
from depth_ros.training.finetune.stereo_pairs import evenly
from depth_ros.training.monodepth2.network import NetworkSize, VideoNetwork
from depth_ros.training.monodepth2.task import Monodepth2Task
from depth_ros.training.monodepth2.validation import validate
from depth_ros.training.task import Note

MIN_FRAMES = 16
HELD_OUT_SHARE, GAP = 0.2, 2
MAX_JUDGED = 16
SHOWN = 4
LEARNING_RATE = 3e-5
LONG_STEP = 2.5
"""A step of more than this many usual ones is a pause of the recording, or a lost frame."""
CHANGES = Augmentation(flip=0.5, jitter=0.5)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoFinetuning:
    """A depth and a pose network, and the triples of frames of a camera.

    Attributes:
        task: Of the networks.
        train: Samples to learn from.
        held_out: Samples to judge by, from the end of the recording.
        batch_size: Samples a step.
    """

    task: Monodepth2Task
    train: Sequence[Triple]
    held_out: Sequence[Triple]
    batch_size: int = 2

    @property
    def facts(self) -> Mapping[str, str]:
        """Return the number of samples, for the report."""
        return {
            'frames learnt from': str(len(self.train)),
            'frames held out': str(len(self.held_out)),
        }

    @property
    def notes(self) -> Mapping[str, Note]:
        """Return metadata for the weights' file."""
        return self.task.notes()

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Run both networks on a few samples."""
        chosen = rng.choice(len(self.train), min(self.batch_size, len(self.train)), replace=False)
        batch = stack([augmented(rng, self.train[index], CHANGES) for index in chosen])
        return self.task.loss(_video(network), batch, device='cpu', mixed=nullcontext).loss

    def judge(self, network: nn.Module) -> Figures:
        """Measure the photometric error beside that of the unwarped frames."""
        chosen = [self.held_out[index] for index in evenly(len(self.held_out), MAX_JUDGED)]
        batches = [stack([plain(triple)]) for triple in chosen]
        row = self._validate(_video(network), batches)
        sharp = [sharpness(self._disparity(network, triple)) for triple in chosen]
        known = [value for value in sharp if np.isfinite(value)]
        return Figures(
            photometric=row['val_photometric'],
            consistency=float('nan'),
            sharpness=float(np.mean(known)) if known else float('nan'),
            baseline=row['val_unmoved'],
        )

    def tiles(self, before: nn.Module, after: nn.Module) -> list[list[Tile]]:
        """Draw held-out frames: image, disparity before and after, in colours of their own."""
        rows = []
        for index in evenly(len(self.held_out), SHOWN):
            triple = self.held_out[index]
            row = [Tile(title='image', image=triple.views[0])]
            for name, network in (('before', before), ('after', after)):
                found = self._disparity(network, triple)
                scale = value_scale(found)
                colours = colorize_disparity(found, min=scale.low, max=scale.high)
                row.append(Tile(title=f'inverse depth {name}', image=colours))
            rows.append(row)
        return rows

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return both networks under the names of the official files."""
        return self.task.weights(_video(network))

    def _validate(self, network: VideoNetwork, batches: list[TripleBatch]) -> dict[str, float]:
        return validate(
            network,
            batches,
            metres_per_unit=self.task.metres_per_unit,
            device='cpu',
            mixed=nullcontext,
        )

    def _disparity(self, network: nn.Module, triple: Triple) -> np.ndarray:
        planes = to_planes([triple.views[0]]) / 255.0
        with torch.no_grad():
            found = _video(network).disparities(planes, num_scales=1)[0]
        return np.asarray(found[0, 0].numpy())


def load_video_network(path: Path, size: tuple[int, int]) -> tuple[Monodepth2Task, VideoNetwork]:
    """Make the networks that weights with a pose network belong to.

    Raises:
        WeightsError: If they are others, or have no pose network.
    """
    state = load_checkpoint(path)
    stem, widths = state.get('encoder.encoder.conv1.weight'), []
    if stem is None or not any(key.startswith('pose.') for key in state):
        raise WeightsError(
            f'{path} is no Monodepth2 with a pose network, without which video teaches nothing; '
            'take one of the mono or mono+stereo checkpoints: depth-ros weights list monodepth2'
        )
    is_deep = 'encoder.encoder.layer1.0.conv3.weight' in state
    for stage in range(1, 5):
        widths.append(state[f'encoder.encoder.layer{stage}.0.conv1.weight'].shape[0])
    own = (int(widths[0]), int(widths[1]), int(widths[2]), int(widths[3]))
    networks = NetworkSize(num_layers=50 if is_deep else 18, widths=None if is_deep else own)
    task = Monodepth2Task(size=networks, height=size[0], width=size[1])
    network = task.build()
    task.begin_with(network, path)
    return task, network.eval()


def prepare_mono(
    task: Monodepth2Task,
    frames: Iterable[MonoFrame],
    *,
    count: int,
    max_frames: int,
    batch_size: int,
) -> MonoFinetuning:
    """Rectify frames, join neighbours to samples and hold the end of the recording out.

    Args:
        task: Of the networks.
        frames: In order of time; a few of them are in memory at once.
        count: How many there are at most.
        max_frames: How many samples are made at most, evenly spread.
        batch_size: Samples a step.

    Raises:
        InputError: If there are too few, reason ``'too_few'``.
    """
    triples = _triples(_small(frames, (task.height, task.width)), count, max_frames)
    if len(triples) < MIN_FRAMES:
        raise InputError(
            'too_few',
            f'expected {MIN_FRAMES} or more frames between neighbours in time, got '
            f'{len(triples)}; record longer, without pauses and with a moving camera',
        )
    held_out = max(2, round(HELD_OUT_SHARE * len(triples)))
    last = len(triples) - held_out
    return MonoFinetuning(
        task=task,
        train=triples[: last - GAP],
        held_out=triples[last:],
        batch_size=batch_size,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _SmallFrame:
    image: np.ndarray
    intrinsics: np.ndarray
    stamp_ns: int


def _small(frames: Iterable[MonoFrame], size: tuple[int, int]) -> Iterator[_SmallFrame]:
    rectifiers = RectifierCache()
    for frame in frames:
        rectified = rectifiers.of_camera(frame.camera).rectify(frame)
        camera = scaled_camera(rectified.camera, height=size[0], width=size[1])
        image = resize_image(rectified.image, size)
        yield _SmallFrame(image=image, intrinsics=camera.k, stamp_ns=frame.stamp_ns)


def _triples(frames: Iterable[_SmallFrame], count: int, wanted: int) -> list[Triple]:
    """Join frames with their neighbours, none across a pause."""
    chosen = set(evenly(max(0, count - 2), wanted))
    window: deque[_SmallFrame] = deque(maxlen=3)
    found: list[tuple[int, Triple]] = []
    for index, frame in enumerate(frames, -2):
        window.append(frame)
        if index in chosen:
            before, target, after = window
            longest = max(target.stamp_ns - before.stamp_ns, after.stamp_ns - target.stamp_ns)
            views = np.stack([target.image, before.image, after.image])
            found.append((longest, Triple(views=views, intrinsics=target.intrinsics)))
    usual = float(np.median([longest for longest, _ in found])) if found else 0.0
    return [triple for longest, triple in found if longest <= LONG_STEP * max(usual, 1.0)]


def _video(network: nn.Module) -> VideoNetwork:
    """Tell the type checker what ``load_video_network`` made."""
    if not isinstance(network, VideoNetwork):
        raise TypeError(f'expected a VideoNetwork, got {type(network).__name__}')
    return network
