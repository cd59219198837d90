"""Inputs of the accuracy gate of the graph ``depth``: cost volumes of the rendered gate scenes.

They come out of the graphs before it, which stay in float32, from three views of each scene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from depth_ros.errors import ArtifactError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.models.mvsnet.model import FEATURES, VOLUME, MvsnetModel
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render
from depth_ros.tensors import Engine, Tensors, TensorSpec

SHIFT_M = 0.12
"""Of the sources to the left and right of the reference."""


def gate_feeds(
    inputs: Sequence[TensorSpec], *, engines: Mapping[str, Engine], scenes: Sequence[str]
) -> dict[str, Tensors]:
    """Make the inputs of the graph ``depth`` from scenes.

    Args:
        inputs: Of the graph ``depth``.
        engines: The graphs ``features`` and ``volume``, in float32.
        scenes: Names in ``SCENES``.

    Raises:
        ArtifactError: If one of them was not opened.
    """
    missing = {FEATURES, VOLUME} - set(engines)
    if missing:
        raise ArtifactError(
            f"the accuracy gate of 'depth' needs the graphs {sorted(missing)}; open all graphs of "
            "mvsnet, or use precision 'f32'"
        )
    _, height, width, _ = engines[FEATURES].inputs[0].shape
    model = _model(height, width, inputs, engines[VOLUME])
    return {
        scene: model.depth_feeds(engines, model.preprocess(rendered_views(scene, height, width)))
        for scene in scenes
    }


def rendered_views(name: str, height: int, width: int) -> MultiViewFrame:
    """Render a scene from its origin and from a step to either side; depths fit the scene."""
    camera = ideal_stereo_camera(height=height, width=width).left
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1:, 0, 3] = -SHIFT_M, SHIFT_M
    views = [render(SCENES[name](), camera, world_from_camera=pose) for pose in poses]
    frames = [
        MonoFrame(image=view.image, camera=camera, stamp_ns=0, is_rectified=True) for view in views
    ]
    depth = views[0].depth[np.isfinite(views[0].depth)]
    return MultiViewFrame(
        reference=frames[0],
        sources=tuple(frames[1:]),
        reference_from_source=poses[1:],
        depth_min_m=0.9 * float(depth.min()),
        depth_max_m=1.1 * float(depth.max()),
    )


def _model(height: int, width: int, inputs: Sequence[TensorSpec], volume: Engine) -> MvsnetModel:
    """Describe the engines by what they take."""
    shapes = {spec.name: spec.shape for spec in (*inputs, *volume.inputs)}
    return MvsnetModel(
        engine_height=height,
        engine_width=width,
        num_depths=shapes['values'][0],
        num_sources=shapes['transforms'][0],
        num_slab_depths=shapes['depths'][0] - 2,
    )
