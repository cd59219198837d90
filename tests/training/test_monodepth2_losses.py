"""Monodepth2's reprojection and losses: values by hand, right gradients, masks as in the paper."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.geometry.rigid import rotation_from_vector
from depth_ros.models.monodepth2.model import depth_from_disparity
from depth_ros.training.monodepth2.losses import (
    WarpedViews,
    is_explained_by_motion,
    reprojection_error,
    total_loss,
    unmoved_error,
)
from depth_ros.training.monodepth2.reprojection import (
    CameraMotion,
    depth_of,
    motion_of,
    rotation_of,
    shift_x,
    source_pixels,
)

K = torch.tensor([[[100.0, 0.0, 7.5], [0.0, 50.0, 3.5], [0.0, 0.0, 1.0]]])


def still(count: int = 1) -> CameraMotion:
    return shift_x(torch.zeros(count))


def disparity_for(depth: float) -> float:
    return (1.0 / depth - 0.01) / 9.99


def ramp(offset: float) -> torch.Tensor:
    """An image whose brightness grows by 0.02 per column."""
    columns = torch.arange(16.0)
    return (0.3 + 0.02 * (columns + offset)).expand(1, 3, 8, 16)


def test_rotations_are_those_of_the_numpy_side() -> None:
    vectors = np.random.default_rng(0).normal(0.0, 1.0, (5, 3))
    found = rotation_of(torch.from_numpy(vectors))
    expected = np.stack([rotation_from_vector(vector) for vector in vectors])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    torch.testing.assert_close(rotation_of(torch.zeros(1, 3)), torch.eye(3)[None])


def test_rotation_has_a_gradient_at_no_rotation() -> None:
    for start in (torch.zeros(1, 3), torch.tensor([[0.3, -1.0, 0.7]])):
        vector = start.double().requires_grad_()
        assert torch.autograd.gradcheck(rotation_of, vector)


def test_a_motion_and_its_inverse_cancel() -> None:
    motion = motion_of(torch.tensor([[0.1, 0.2, -0.3]]), torch.tensor([[1.0, 2.0, 3.0]]))
    back = motion.inverse()
    torch.testing.assert_close(back.rotation @ motion.rotation, torch.eye(3)[None])
    moved = (back.rotation @ motion.translation[..., None])[..., 0] + back.translation
    torch.testing.assert_close(moved, torch.zeros(1, 3), atol=1e-6, rtol=0)


def test_depth_is_that_of_inference() -> None:
    disparity = torch.tensor([0.0, 0.25, 1.0])
    found = depth_of(disparity).numpy()
    np.testing.assert_allclose(found, [100.0, 1.0 / (0.01 + 9.99 * 0.25), 0.1], rtol=1e-6)
    np.testing.assert_allclose(found, depth_from_disparity(disparity.numpy()), rtol=1e-6)


def test_without_motion_every_pixel_stays() -> None:
    pixels = source_pixels(torch.rand(1, 1, 8, 16) + 0.5, K, still())
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(16.0), indexing='ij')
    torch.testing.assert_close(pixels[0, ..., 0], columns, atol=1e-5, rtol=0)
    torch.testing.assert_close(pixels[0, ..., 1], rows, atol=1e-5, rtol=0)


def test_translation_moves_pixels_by_focal_length_over_depth() -> None:
    depth = torch.full((1, 1, 8, 16), 2.0)
    motion = CameraMotion(torch.eye(3)[None], torch.tensor([[0.1, -0.2, 0.0]]))
    pixels = source_pixels(depth, K, motion)
    assert pixels[0, 4, 3].tolist() == pytest.approx([3.0 + 5.0, 4.0 - 5.0], abs=1e-4)
    # Half a unit forward: x - cx and y - cy grow by 2 / 1.5.
    nearer = CameraMotion(torch.eye(3)[None], torch.tensor([[0.0, 0.0, -0.5]]))
    found = source_pixels(depth, K, nearer)[0, 4, 3].tolist()
    assert found == pytest.approx([7.5 - 4.5 * 4 / 3, 3.5 + 0.5 * 4 / 3], abs=1e-4)


def test_rotation_moves_pixels_whatever_their_depth() -> None:
    turn = motion_of(torch.tensor([[0.0, 0.1, 0.0]]), torch.zeros(1, 3))
    near, far = (source_pixels(torch.full((1, 1, 8, 16), z), K, turn) for z in (0.5, 50.0))
    torch.testing.assert_close(near, far, atol=1e-4, rtol=0)
    shift = float(far[0, 3, 7, 0]) - 7.0
    # tan((7 - cx) / fx to the side, plus 0.1 rad): about fx * 0.1 in the middle.
    expected = 100.0 * np.tan(np.arctan(-0.5 / 100.0) + 0.1) + 7.5 - 7.0
    assert shift == pytest.approx(expected, abs=1e-3)


def test_what_lies_behind_a_camera_is_far_outside_and_finite() -> None:
    depth = torch.full((1, 1, 8, 16), 1.0)
    motion = CameraMotion(torch.eye(3)[None], torch.tensor([[0.0, 0.0, -3.0]]))
    pixels = source_pixels(depth, K, motion)
    assert torch.isfinite(pixels).all()
    assert float(pixels[0, 0, 0, 0]) < -1000.0


def test_each_pixel_takes_the_source_that_explains_it() -> None:
    torch.manual_seed(0)
    target = torch.rand(1, 3, 8, 16)
    left, right = target.clone(), target.clone()
    left[..., 8:], right[..., :8] = 0.0, 1.0
    views = WarpedViews(
        target=target,
        sources=[left, right],
        source_from_target=[still(), still()],
        intrinsics=K,
    )
    error = reprojection_error(torch.full((1, 1, 8, 16), 0.5), views)
    # Windows of SSIM reach one pixel over the seam.
    assert float(error[..., :7].max()) < 1e-4 and float(error[..., 9:].max()) < 1e-4
    alone = WarpedViews(target=target, sources=[left], source_from_target=[still()], intrinsics=K)
    assert float(reprojection_error(torch.full((1, 1, 8, 16), 0.5), alone)[..., 9:].mean()) > 0.2


def test_only_what_moved_and_is_explained_counts() -> None:
    error = torch.tensor([0.1, 0.2, 0.3])
    unmoved = torch.tensor([0.2, 0.2, 0.1])
    assert is_explained_by_motion(error, unmoved).tolist() == [1.0, 0.0, 0.0]


def test_a_standing_camera_teaches_nothing() -> None:
    torch.manual_seed(1)
    target = torch.rand(1, 3, 8, 16)
    disparity = torch.full((1, 1, 8, 16), 0.5, requires_grad=True)
    move = CameraMotion(torch.eye(3)[None], torch.tensor([[0.02, 0.0, 0.0]]))
    views = WarpedViews(
        target=target, sources=[target, target], source_from_target=[move, move], intrinsics=K
    )
    parts = total_loss([disparity], views, smoothness=0.0)
    parts.loss.backward()
    assert float(parts.kept) == 0.0 and float(parts.loss.detach()) == 0.0
    assert float(disparity.grad.abs().max()) == 0.0
    assert float(parts.photometric) > 0.01


def test_the_whole_way_from_disparity_to_error_by_hand() -> None:
    # The source is brighter by 2 columns; the map moves it back by one of them.
    back = shift_x(torch.tensor([-0.02], dtype=torch.float64))
    views = WarpedViews(
        target=ramp(0.0).double(),
        sources=[ramp(2.0).double()],
        source_from_target=[back],
        intrinsics=K.double(),
    )
    disparity = torch.full((1, 1, 4, 8), disparity_for(2.0), dtype=torch.float64)
    error = reprojection_error(disparity, views)[0, 0, 4, 8]
    a, b, c1 = 0.3 + 0.02 * 9, 0.3 + 0.02 * 8, 1e-4
    likeness = (2 * a * b + c1) / (a * a + b * b + c1)
    expected = 0.85 * (1 - likeness) / 2 + 0.15 * 0.02
    assert float(error) == pytest.approx(expected, rel=1e-5)
    both = 0.3 + 0.02 * 10
    likeness = (2 * both * b + c1) / (both * both + b * b + c1)
    expected = 0.85 * (1 - likeness) / 2 + 0.15 * 0.04
    assert float(unmoved_error(views)[0, 0, 4, 8]) == pytest.approx(expected, rel=1e-5)
    right = torch.full((1, 1, 8, 16), disparity_for(1.0), dtype=torch.float64)
    assert float(reprojection_error(right, views)[..., 3:].max()) < 1e-5


def test_smoothness_halves_from_scale_to_scale() -> None:
    flat = torch.full((1, 3, 8, 8), 0.5)
    views = WarpedViews(target=flat, sources=[flat], source_from_target=[still()], intrinsics=K)
    # Columns of 0.1 and 0.3 in turn, mean 0.2: steps of 1 in x at both scales.
    scales = [
        torch.tensor([0.1, 0.3]).repeat(size // 2).expand(1, 1, size, size) for size in (8, 4)
    ]
    found = float(total_loss(scales, views, smoothness=0.4).loss)
    assert found == pytest.approx((0.4 * 1.0 + 0.2 * 1.0) / 2, rel=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(3)
    images = torch.rand(3, 1, 3, 3, 4, dtype=torch.float64)
    images = torch.nn.functional.interpolate(
        images.flatten(0, 1), (8, 12), mode='bicubic', align_corners=False
    ).view(3, 1, 3, 8, 12)
    full = (0.2 + 0.3 * torch.rand(1, 1, 8, 12, dtype=torch.float64)).requires_grad_()
    half = (0.2 + 0.3 * torch.rand(1, 1, 4, 6, dtype=torch.float64)).requires_grad_()
    turns = (0.01 * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()
    steps = (0.01 * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()

    def value(full, half, turns, steps):
        motions = [motion_of(turns[n, None], steps[n, None]) for n in range(2)]
        views = WarpedViews(
            target=images[0],
            sources=[images[1], images[2]],
            source_from_target=motions,
            intrinsics=K.double(),
        )
        return total_loss([full, half], views).loss

    assert torch.autograd.gradcheck(value, (full, half, turns, steps))
