"""Posed views with measured or exact depth that multi-view depth is judged on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import DataSet
from depth_ros.evaluation.hololens import FOLDER, PosedFrame, read_frames
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.scenes.solids import SCENES, render

CROP = (352, 512)
"""(height, width) of the HoloLens crops; the images are 540x360."""

STANDARD_SPLIT = ('00071', ('00069', '00070', '00072', '00073'))
"""Reference and sources that the set's own notes recommend."""

OTHER_REFERENCES = (67, 68, 69, 70, 72, 73, 74)
"""Numbers of further frames that have two neighbours on both sides."""

RENDERED_SCENES = ('room', 'slanted', 'thin_bars')
STEP_M, RENDERED_RANGE_M = 0.3, (1.0, 6.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MultiViewSet:
    """Posed views and the depth of the reference.

    Attributes:
        name: For tables.
        frame: The views.
        truth: (H, W) float64 m of the reference, NaN unknown.
    """

    name: str
    frame: MultiViewFrame
    truth: np.ndarray


def hololens_splits(folder: Path) -> Iterator[MultiViewSet]:
    """Return the splits of the published figures; the first two are crops of the standard one.

    Raises:
        InputError: If a file is missing or damaged.
    """
    yield hololens(folder, name='hololens 71, centre crop')
    yield hololens(folder, name='hololens 71, top left crop', crop='top_left')
    for number in OTHER_REFERENCES:
        yield hololens(
            folder,
            name=f'hololens {number}, centre crop',
            reference=f'{number:05d}',
            sources=[f'{number + step:05d}' for step in (-1, 1, -2, 2)],
        )
    yield hololens(folder, name='hololens 71, 2 sources', sources=('00070', '00072'))
    yield hololens(folder, name='hololens 71, 0.5-10 m', depth_range_m=(0.5, 10.0))


MULTIVIEW_SETS: dict[str, DataSet[MultiViewSet]] = {
    'HoloLens': DataSet(folder=FOLDER, load=hololens_splits)
}
"""Every set that is read from the data folder."""


def rendered_views() -> Iterator[MultiViewSet]:
    """Render the scenes that need no data, with exact truth."""
    yield from map(partial(rendered, size=CROP), RENDERED_SCENES)


def hololens(
    folder: Path,
    *,
    name: str = 'hololens',
    reference: str = STANDARD_SPLIT[0],
    sources: Sequence[str] = STANDARD_SPLIT[1],
    crop: str = 'center',
    depth_range_m: tuple[float, float] = (1.0, 4.8),
) -> MultiViewSet:
    """Read some of the HoloLens frames.

    Args:
        folder: Folder of the set.
        name: For tables.
        reference: Stem of the reference's file.
        sources: Stems of the sources' files.
        crop: ``'center'`` (K shifted by the offset), ``'top_left'`` (the crop behind the figures
            in the set's notes) or ``''`` for the whole images.
        depth_range_m: Nearest and farthest depth of the search.

    Raises:
        InputError: If a frame is missing or a file damaged.
    """
    frames = _named(folder, (reference, *sources))
    truth = frames[0].depth()
    height, width = CROP if crop else truth.shape
    top, left = (truth.shape[0] - height) // 2, (truth.shape[1] - width) // 2
    if crop == 'top_left':
        top, left = 0, 0
    window = (slice(top, top + height), slice(left, left + width))
    camera = frames[0].camera((height, width), top=top, left=left)
    return _joined(
        name,
        [frame.image()[window] for frame in frames],
        [frame.world_from_camera for frame in frames],
        camera,
        truth[window],
        depth_range_m,
    )


def rendered(
    scene: str,
    *,
    size: tuple[int, int] = CROP,
    num_sources: int = 4,
) -> MultiViewSet:
    """Render a scene of ``depth_ros.scenes.solids``: sources left, right, above and below.

    Args:
        scene: Name in ``SCENES``.
        size: (height, width).
        num_sources: How many, in that order.
    """
    height, width = size
    camera = ideal_camera(
        fx=0.9 * width,
        fy=0.9 * width,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        height=height,
        width=width,
    )
    sides = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)]
    poses = []
    for x, y in sides[: 1 + num_sources]:
        pose = np.eye(4)
        pose[:3, 3] = (STEP_M * x, STEP_M * y, 0.0)
        poses.append(pose)
    views = [
        render(SCENES[scene](), camera, world_from_camera=pose, supersample=2) for pose in poses
    ]
    truth = views[0].depth.astype(np.float64)
    truth = np.where(np.isfinite(truth), truth, np.nan)
    images = [view.image for view in views]
    return _joined(f'rendered {scene}', images, poses, camera, truth, RENDERED_RANGE_M)


def relative_poses(
    world_from_reference: np.ndarray, world_from_sources: Sequence[np.ndarray]
) -> np.ndarray:
    """Return ``(N, 4, 4)`` reference from source."""
    from_world = np.linalg.inv(world_from_reference)
    return np.stack([from_world @ pose for pose in world_from_sources])


def _named(folder: Path, stems: Sequence[str]) -> list[PosedFrame]:
    frames = read_frames(folder)
    missing = [stem for stem in stems if stem not in frames]
    if missing:
        raise InputError(
            'missing',
            f'{folder} has no frame {missing[0]}, only {", ".join(frames)}; restore the set',
        )
    return [frames[stem] for stem in stems]


def _joined(
    name: str,
    images: Sequence[np.ndarray],
    poses: Sequence[np.ndarray],
    camera: PinholeCamera,
    truth: np.ndarray,
    depth_range_m: tuple[float, float],
) -> MultiViewSet:
    """Make the frame of images and camera-to-world poses, the reference first."""
    views = [
        MonoFrame(image=np.ascontiguousarray(image), camera=camera, stamp_ns=7, is_rectified=True)
        for image in images
    ]
    frame = MultiViewFrame(
        reference=views[0],
        sources=tuple(views[1:]),
        reference_from_source=relative_poses(poses[0], poses[1:]),
        depth_min_m=depth_range_m[0],
        depth_max_m=depth_range_m[1],
    )
    return MultiViewSet(name=name, frame=frame, truth=truth)
