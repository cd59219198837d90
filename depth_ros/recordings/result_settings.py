"""What is made of a finished result beside its bag."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.settings import Settings, described, nested
from depth_ros.tasks.multiview.settings import FusionSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkSettings(Settings):
    """What is written beside the bag."""

    files: bool = described(
        False, 'A folder NAME.files: maps of floats as npy, of units and images as PNG, else JSON.'
    )
    zarr: bool = described(
        False, 'A Zarr group NAME.zarr: an array for every topic of maps (pip install zarr).'
    )
    webdataset: bool = described(
        False, 'Shards of WebDataset in NAME.webdataset: one sample for every output.'
    )
    shard_frames: int = described(
        1000, 'Samples of a shard of WebDataset.', minimum=1, maximum=1_000_000
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FusedCloudSettings(Settings):
    """Whether and how the depth of a recording becomes one cloud."""

    cloud: bool = described(
        False,
        'Fuse all depth into NAME.ply. Needs depth, camera_info and image of one task, and poses '
        'of the camera: a task of odometry beside it, or multiview.',
    )
    fusion: FusionSettings = nested(FusionSettings)
