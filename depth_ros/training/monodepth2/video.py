"""Where the video comes from: KITTI's raw data, a folder of one's own, rendered rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import ClassVar, Protocol

from depth_ros.errors import RecipeError
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.frame_files import FrameFiles, held_out
from depth_ros.training.datasets.kitti_raw import find_clips, find_listed
from depth_ros.training.datasets.triples import (
    Augmentation,
    TripleBatch,
    TripleReader,
    TripleSource,
    plain,
)
from depth_ros.training.datasets.video_folder import find_video
from depth_ros.training.monodepth2.room_video import ClipSettings, RoomVideoSource
from depth_ros.training.task import BatchSource, DataFolders

VALIDATION_SEED = 20_261_121
TRAIN_LIST, VALIDATION_LIST = 'train_files.txt', 'val_files.txt'

Size = tuple[int, int]


class Video(Protocol):
    """A kind of video, as a frozen dataclass: its fields are part of the recipe."""

    @property
    def gives_scale(self) -> bool:
        """Whether a stereo partner tells the scale."""
        ...

    def source(self, folders: DataFolders, size: Size, seed: int) -> BatchSource:
        """Return the training batches at ``size`` (height, width).

        Raises:
            RecipeError: If a folder that is needed is absent or holds nothing usable.
        """
        ...

    def held_out(self, folders: DataFolders, size: Size, samples: int) -> Sequence[TripleBatch]:
        """Return ``samples`` samples or fewer, each a batch of its own, that are never trained on.

        Raises:
            RecipeError: As ``source``.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class KittiVideo:
    """KITTI's raw data, ``--data`` being the folder of the dates.

    Where ``train_files.txt`` and ``val_files.txt`` lie in it they say what is used, as published
    for the split of Zhou et al. 2017; else everything is, the end of each drive held out.

    Attributes:
        with_partner: Whether the other camera's image is a third source, which gives the scale.
        share: Of each drive that is held out where there are no lists.
    """

    with_partner: bool = False
    share: float = 0.04

    @property
    def gives_scale(self) -> bool:
        """Whether a stereo partner tells the scale."""
        return self.with_partner

    def source(self, folders: DataFolders, size: Size, seed: int) -> TripleSource:
        """Return the training batches."""
        return _source(self._parts(folders)[0], size, seed)

    def held_out(self, folders: DataFolders, size: Size, samples: int) -> list[TripleBatch]:
        """Return samples that are not trained on."""
        return _read(self._parts(folders)[1], size, samples)

    def _parts(self, folders: DataFolders) -> tuple[list[FrameFiles], list[FrameFiles]]:
        parts = [self._parts_of(root) for root in _required(folders)]
        return _joined(parts)

    def _parts_of(self, root: Path) -> tuple[list[FrameFiles], list[FrameFiles]]:
        lists = [root / TRAIN_LIST, root / VALIDATION_LIST]
        if any(path.is_file() for path in lists):
            train, validation = (
                find_listed(root, path, with_partner=self.with_partner) for path in lists
            )
            return train, validation
        clips = find_clips(root, with_partner=self.with_partner)
        return _joined([held_out(clip, share=self.share) for clip in clips])


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderVideo:
    """Numbered images of one camera, ``--data`` being their folder; see ``video_folder``.

    Attributes:
        calibration: Calibration file; None looks for it beside the images.
        step: Images from one frame of a sample to the next.
        share: Of each clip that is held out, at its end.
    """

    calibration: Path | None = None
    gives_scale: ClassVar[bool] = False
    step: int = 1
    share: float = 0.15

    def source(self, folders: DataFolders, size: Size, seed: int) -> TripleSource:
        """Return the training batches."""
        return _source(self._parts(folders)[0], size, seed)

    def held_out(self, folders: DataFolders, size: Size, samples: int) -> list[TripleBatch]:
        """Return samples that are not trained on."""
        return _read(self._parts(folders)[1], size, samples)

    def _parts(self, folders: DataFolders) -> tuple[list[FrameFiles], list[FrameFiles]]:
        roots = _required(folders)
        found = [find_video(root, calibration=self.calibration, step=self.step) for root in roots]
        clips = [clip for clips in found for clip in clips]
        return _joined([held_out(clip, share=self.share) for clip in clips])


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomVideo:
    """Rendered rooms; needs no data, and photographs make them richer.

    Attributes:
        clips: How they are filmed.
    """

    gives_scale: ClassVar[bool] = False
    clips: ClipSettings = field(default_factory=ClipSettings)

    def source(self, folders: DataFolders, size: Size, seed: int) -> RoomVideoSource:
        """Return the training batches."""
        return RoomVideoSource(
            clips=self.clips, height=size[0], width=size[1], seed=seed, photos=folders.photos
        )

    def held_out(self, folders: DataFolders, size: Size, samples: int) -> list[TripleBatch]:
        """Return samples of rooms of a seed that no training stream uses."""
        return _room_samples(self.clips, folders.photos, size, samples)


@lru_cache(maxsize=2)
def _room_samples(
    clips: ClipSettings, photos: tuple[Path, ...], size: Size, samples: int
) -> list[TripleBatch]:
    # One sample a clip, so that few samples show many rooms.
    source = RoomVideoSource(
        clips=replace(clips, frames=3, chunk=1, reuse=1),
        height=size[0],
        width=size[1],
        seed=VALIDATION_SEED,
        photos=photos,
        augmentation=Augmentation(flip=0.0, jitter=0.0),
    )
    return list(islice(source.batches(batch_size=1), samples))


def _required(folders: DataFolders) -> tuple[Path, ...]:
    if not folders.data:
        raise RecipeError('this recipe learns from your video: name its folder with --data')
    return folders.data


def _joined(
    parts: Sequence[tuple[list[FrameFiles], list[FrameFiles]]],
) -> tuple[list[FrameFiles], list[FrameFiles]]:
    train = [item for part in parts for item in part[0]]
    return train, [item for part in parts for item in part[1]]


def _source(readers: Sequence[TripleReader], size: Size, seed: int) -> TripleSource:
    if not readers:
        raise RecipeError(
            'the video is too short: nothing is left to train on beside what is held out; '
            'record more, or join several recordings with --data'
        )
    return TripleSource(readers=readers, height=size[0], width=size[1], seed=seed)


def _read(readers: Sequence[TripleReader], size: Size, samples: int) -> list[TripleBatch]:
    """Read samples spread evenly over all."""
    count = min(samples, len(readers))
    chosen = [readers[index * len(readers) // count] for index in range(count)]
    return [stack([plain(reader.read(size))]) for reader in chosen]
