"""Where the points of one view lie in another: depth, motion and pinhole projection in torch.

Godard et al. 2019 (arXiv 1806.01260), eq. 1: ``proj(D, T, K)``. A point x of the target's optical
axes is R x + t in the source's. Pixel centres are at integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from depth_ros.models.monodepth2.model import MAX_DEPTH, MIN_DEPTH

_NEAREST = 1e-3
"""In the network's unit: what lies behind a source camera is projected to far outside."""


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """Takes points of one camera's axes into another's: ``rotation`` x + ``translation``.

    Attributes:
        rotation: (B, 3, 3).
        translation: (B, 3), in the network's unit.
    """

    rotation: Tensor
    translation: Tensor

    def inverse(self) -> CameraMotion:
        """Return the way back."""
        back = self.rotation.transpose(1, 2)
        return CameraMotion(back, -(back @ self.translation[..., None])[..., 0])


def motion_of(axis_angle: Tensor, translation: Tensor) -> CameraMotion:
    """Join axis times angle (B, 3), rad, and a translation (B, 3)."""
    return CameraMotion(rotation_of(axis_angle), translation)


def shift_x(x: Tensor) -> CameraMotion:
    """Return the motion into the axes of a rectified partner: (B,) is added to x."""
    zero = torch.zeros_like(x)
    rotation = torch.eye(3, dtype=x.dtype, device=x.device).expand(len(x), 3, 3)
    return CameraMotion(rotation, torch.stack((x, zero, zero), 1))


def rotation_of(axis_angle: Tensor) -> Tensor:
    """Return (B, 3, 3) rotations by Rodrigues' formula, smooth at no rotation.

    R = I + sin(a)/a [w] + (1 - cos(a))/a^2 [w]^2 with w = a times the axis.
    """
    angle = ((axis_angle * axis_angle).sum(1) + 1e-14).sqrt()[:, None, None]
    x, y, z = axis_angle.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).view(-1, 3, 3)
    first = torch.sinc(angle / torch.pi)
    second = 0.5 * torch.sinc(0.5 * angle / torch.pi) ** 2
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + first * cross + second * cross @ cross


def depth_of(disparity: Tensor) -> Tensor:
    """Turn sigmoid disparities 0..1 into depths ``MAX_DEPTH`` to ``MIN_DEPTH``.

    Section 4 of the paper: 1 / (a d + b), a and b so that depth is 0.1 to 100 units.
    """
    low, high = 1.0 / MAX_DEPTH, 1.0 / MIN_DEPTH
    return 1.0 / (low + (high - low) * disparity)


def source_pixels(depth: Tensor, intrinsics: Tensor, source_from_target: CameraMotion) -> Tensor:
    """Project the target's pixels into a source view.

    Args:
        depth: Of the target, (B, 1, H, W), in the motion's unit.
        intrinsics: (B, 3, 3) px, of both views.
        source_from_target: The motion.

    Returns:
        (B, H, W, 2) x and y, px.
    """
    points = _points(depth, intrinsics)
    moved = source_from_target.rotation @ points + source_from_target.translation[..., None]
    x, y, z = moved.unbind(1)
    z = z.clamp(min=_NEAREST)
    fx, fy, cx, cy = _parts(intrinsics)
    pixels = torch.stack((fx * x / z + cx, fy * y / z + cy), -1)
    return pixels.view(len(depth), *depth.shape[-2:], 2)


def _points(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Return the points (B, 3, H * W) that a depth map stands for."""
    height, width = depth.shape[-2:]
    rows = torch.arange(height, dtype=depth.dtype, device=depth.device)
    columns = torch.arange(width, dtype=depth.dtype, device=depth.device)
    v, u = torch.meshgrid(rows, columns, indexing='ij')
    fx, fy, cx, cy = _parts(intrinsics)
    z = depth.flatten(1)
    return torch.stack(((u.flatten() - cx) / fx * z, (v.flatten() - cy) / fy * z, z), 1)


def _parts(intrinsics: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return fx, fy, cx and cy, (B, 1) each."""
    fx, fy = intrinsics[:, 0, 0, None], intrinsics[:, 1, 1, None]
    return fx, fy, intrinsics[:, 0, 2, None], intrinsics[:, 1, 2, None]
