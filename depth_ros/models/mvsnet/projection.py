"""MVSNet's cameras: projections at 1/4 of the image, relative ones in float64. NumPy only."""

from __future__ import annotations

import numpy as np

from depth_ros.camera import PinholeCamera

STRIDE = 4
"""Image pixels per feature pixel; feature pixel (x, y) lies at image pixel (4x, 4y)."""


def feature_intrinsics(camera: PinholeCamera) -> np.ndarray:
    """Return the ``(3, 3)`` intrinsics at 1/4: rows 0 and 1 divided by 4, no half-pixel shift.

    That is right for maps whose pixel (x, y) is centred on image pixel (4x, 4y), as those of
    strided convolutions are, and what the weights were trained with.
    """
    k = camera.p[:, :3].copy()
    k[:2] /= STRIDE
    return k


def relative_transforms(
    reference: PinholeCamera, sources: list[PinholeCamera], reference_from_source: np.ndarray
) -> np.ndarray:
    """Return what takes reference pixels to source pixels, both at 1/4.

    With ``m`` the matrix of a source, ``m[:, :3] @ (x, y, 1) * depth + m[:, 3]`` is the pixel
    times its depth there.

    Args:
        reference: Rectified camera, for the image the network sees.
        sources: ``N`` such cameras.
        reference_from_source: ``(N, 4, 4)`` float64, rigid.

    Returns:
        ``(N, 3, 4)`` float64.
    """
    from_reference = np.linalg.inv(feature_intrinsics(reference))
    transforms = np.empty((len(sources), 3, 4))
    for index, (camera, pose) in enumerate(zip(sources, reference_from_source, strict=True)):
        source_from_reference = np.linalg.inv(pose)
        to_source = feature_intrinsics(camera)
        transforms[index, :, :3] = to_source @ source_from_reference[:3, :3] @ from_reference
        transforms[index, :, 3] = to_source @ source_from_reference[:3, 3]
    return transforms


def relative_projections(reference: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return the same from 4x4 projections, as MVSNet's own files and loaders have them.

    Args:
        reference: ``(4, 4)``: world to camera, its top three rows left-multiplied by the
            intrinsics at 1/4.
        sources: ``(N, 4, 4)``.

    Returns:
        ``(N, 3, 4)`` float64: the top rows of ``source @ inv(reference)``.
    """
    inverse = np.linalg.inv(np.asarray(reference, np.float64))
    return np.asarray((np.asarray(sources, np.float64) @ inverse)[:, :3])
