"""Gate images: rendered when needed, identical on every machine, not shipped.

Scenes and their textures are fixed by seeds in ``depth_ros.scenes.solids``; every graph sees
them at its own size. The second image of a pair is the right one of a rig, so that it serves
stereo, matching and motion alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depth_ros.errors import ArtifactError
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render
from depth_ros.tensors import Tensors, TensorSpec

GATE_SCENES = ('room', 'slanted', 'thin_bars')
BASELINE_M = 0.12
_GREY_WEIGHTS = (77, 150, 29)
"""Of red, green and blue, in 1/256 (ITU-R BT.601)."""


def gate_feeds(inputs: Sequence[TensorSpec]) -> dict[str, Tensors]:
    """Make the inputs of a graph from every gate scene.

    Args:
        inputs: One or two uint8 images ``(1, H, W, 1 or 3)`` of one size; uint8 inputs with
            three axes are masks, filled with ones.

    Raises:
        ArtifactError: If the graph takes something else.
    """
    images = [spec for spec in inputs if _is_image(spec)]
    masks = [spec for spec in inputs if _is_mask(spec)]
    sizes = {spec.shape[1:3] for spec in images}
    if len(images) + len(masks) != len(inputs) or len(sizes) != 1 or len(images) > 2:
        found = ', '.join(f'{spec.name} {spec.describe()}' for spec in inputs)
        raise ArtifactError(
            f'gate images serve graphs of one or two images, this one takes {found}; '
            "take the gate out of its recipe and use precision 'f32'"
        )
    height, width = sizes.pop()
    ones = {spec.name: np.ones(spec.shape, np.uint8) for spec in masks}
    feeds: dict[str, Tensors] = {}
    for name in GATE_SCENES:
        seen = rendered_images(name, height, width, count=len(images))
        pairs = zip(images, seen, strict=True)
        feeds[name] = {**{spec.name: _as_input(image, spec) for spec, image in pairs}, **ones}
    return feeds


def rendered_images(name: str, height: int, width: int, *, count: int) -> list[np.ndarray]:
    """Render the left and, for ``count`` 2, the right image of a scene: (H, W, 3) uint8 RGB."""
    rig = ideal_stereo_camera(height=height, width=width, baseline_m=BASELINE_M)
    scene, right_pose = SCENES[name](), np.eye(4)
    right_pose[0, 3] = rig.baseline_m
    views = ((rig.left, np.eye(4)), (rig.right, right_pose))
    return [render(scene, camera, world_from_camera=pose).image for camera, pose in views[:count]]


def _is_image(spec: TensorSpec) -> bool:
    return spec.dtype == 'uint8' and len(spec.shape) == 4 and spec.shape[3] in (1, 3)


def _is_mask(spec: TensorSpec) -> bool:
    return spec.dtype == 'uint8' and len(spec.shape) == 3


def _as_input(image: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Add the batch axis, and convert to grey for graphs of one channel."""
    if spec.shape[3] == 1:
        grey = image.astype(np.int64) @ np.asarray(_GREY_WEIGHTS) >> 8
        image = grey.astype(np.uint8)[:, :, np.newaxis]
    return np.ascontiguousarray(np.broadcast_to(image, spec.shape))
