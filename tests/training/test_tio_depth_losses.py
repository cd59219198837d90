"""TiO-Depth's losses: values worked out by hand, gradients against finite differences."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

import torch.nn.functional as F

from depth_ros.models.tio_depth.network_matching import disparity_levels
from depth_ros.training.photometric_loss import photometric_error
from depth_ros.training.tio_depth.losses import (
    distillation_loss,
    gradient_guidance,
    half_object_edge_map,
    hidden_from_left,
    hidden_pixels,
    hybrid_probabilities,
    in_view,
    matching_guidance,
    mono_reconstruction_loss,
    occlusion_aware_target,
    outside_guidance,
    peak_mass,
    pixel_smoothness,
    shift_right,
    stereo_reconstruction_loss,
    synthesize_left,
)


def object_before_wall(near: float = 12.0, far: float = 4.0) -> torch.Tensor:
    """(1, 1, 6, 48) disparity of a wall; columns 20 to 29 are an object."""
    disparity = torch.full((1, 1, 6, 48), far)
    disparity[..., 20:30] = near
    return disparity


@pytest.mark.parametrize('shift', [0.0, 1.0, 2.25, 30.0])
def test_shifting_reads_at_x_minus_shift(shift: float) -> None:
    row = torch.rand(1, 2, 3, 16, dtype=torch.float64)
    x = torch.arange(16.0, dtype=torch.float64) - shift
    grid_x = (2 * x / 15 - 1).expand(3, 16)
    grid_y = torch.linspace(-1, 1, 3, dtype=torch.float64)[:, None].expand(3, 16)
    grid = torch.stack((grid_x, grid_y), -1)[None]
    for ours, theirs in (('constant', 'zeros'), ('replicate', 'border')):
        expected = F.grid_sample(row, grid, padding_mode=theirs, align_corners=True)
        torch.testing.assert_close(shift_right(row, shift, padding=ours), expected)


def test_a_sure_volume_moves_the_right_view_by_its_level() -> None:
    right = torch.rand(1, 3, 4, 20)
    levels = [2.0, 5.0, 9.0]
    scores = torch.full((1, 3, 4, 20), -40.0)
    scores[:, 1] = 40.0
    rebuilt = synthesize_left(right, scores, levels)
    torch.testing.assert_close(rebuilt[..., 5:], right[..., :-5])


def test_the_mono_loss_is_least_at_the_true_volume() -> None:
    right = torch.rand(1, 3, 6, 40)
    levels = torch.tensor(disparity_levels())
    true, other = 8, 12
    left = shift_right(right, float(levels[true]), padding='replicate')

    def loss(level: int) -> float:
        scores = torch.full((1, 49, 6, 40), -30.0)
        scores[:, level] = 30.0
        return float(mono_reconstruction_loss(left, right, scores, ssim_share=0.0)[0])

    # Beyond the border all levels are equally likely, which leaves a little.
    assert loss(true) < 0.25 * loss(other)


def test_levels_compete_where_they_land() -> None:
    """A near thing on a far wall covers its own place in the other view, not the wall's."""
    right = torch.zeros(1, 1, 1, 20)
    right[..., 6:9] = 1.0
    scores = torch.zeros(1, 2, 1, 20)
    scores[:, 0] = 10.0
    scores[:, 0, :, 6:9], scores[:, 1, :, 6:9] = 0.0, 30.0
    rebuilt = synthesize_left(right, scores, [0.0, 5.0])[0, 0, 0]
    torch.testing.assert_close(rebuilt[11:14], torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(rebuilt[:6], torch.zeros(6), atol=1e-4, rtol=0)


def test_smoothness_by_hand() -> None:
    disparity = torch.tensor([[3.0, 3.0, 7.0, 7.0]]).expand(2, 4)[None, None]
    flat = torch.full((1, 3, 2, 4), 0.5)
    # One step of 4 px in each row; the pixels on both of its sides count it.
    assert float(pixel_smoothness(disparity, flat)) == pytest.approx(2 * 4.0 / 4)
    edged = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(1, 3, 2, 4)
    # A bend of 1 on both sides of the edge weighs exp(-2).
    expected = 2 * 4.0 / 4 * math.exp(-2)
    assert float(pixel_smoothness(disparity, edged)) == pytest.approx(expected, rel=1e-5)
    turned = pixel_smoothness(disparity.transpose(2, 3), edged.transpose(2, 3))
    assert float(turned) == pytest.approx(expected, rel=1e-5)
    assert float(pixel_smoothness(torch.full_like(disparity, 9.0), edged)) == 0.0


def test_what_an_object_covers_is_hidden_left_of_it() -> None:
    hidden = hidden_pixels(object_before_wall())[0, 0, 2]
    # The object lands on right columns 8 to 17, where the wall's left columns 12 to 21 land.
    assert hidden.nonzero().flatten().tolist() == list(range(12, 20))
    mirrored = hidden_from_left(object_before_wall())[0, 0, 2]
    assert mirrored.nonzero().flatten().tolist() == list(range(30, 38))


def test_a_wall_seen_on_both_sides_of_a_pole_is_not_hidden() -> None:
    disparity = torch.full((1, 1, 1, 48), 4.0)
    disparity[..., 30:32] = 16.0
    # The pole lands on 14 and 15: hidden are left columns 18 and 19, not those up to the pole.
    assert hidden_pixels(disparity)[0, 0, 0].nonzero().flatten().tolist() == [18, 19]
    assert not hidden_pixels(torch.linspace(4, 20, 48).expand(1, 1, 2, 48)).any()


def test_matches_beyond_the_border_are_outside_not_hidden() -> None:
    disparity = object_before_wall()
    outside = ~in_view(disparity)[0, 0, 0]
    assert outside.nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert not (outside & hidden_pixels(disparity)[0, 0, 0]).any()


def test_hidden_pixels_ask_for_what_the_image_alone_would_show() -> None:
    mono = object_before_wall()
    left, right = torch.rand(2, 1, 3, 6, 48).unbind(0)
    target = occlusion_aware_target(left, right, mono)
    seen = torch.ones(48, dtype=torch.bool)
    seen[:4], seen[12:20] = False, False
    assert torch.equal(target[..., seen], left[..., seen])
    torch.testing.assert_close(target[..., 12:20], right[..., 8:16])
    torch.testing.assert_close(target[..., :4], right[..., :1].expand(1, 3, 6, 4))


def test_the_true_disparity_leaves_no_reconstruction_error() -> None:
    disparity = object_before_wall()
    wide = torch.rand(1, 3, 6, 48)
    right = wide.clone()
    left = torch.zeros_like(right)
    columns = torch.arange(48)
    for x in range(48):
        left[..., x] = right[..., max(0, int(columns[x] - disparity[0, 0, 0, x]))]
    loss, _ = stereo_reconstruction_loss(left, right, disparity, disparity)
    assert float(loss) < 1e-6
    wrong, _ = stereo_reconstruction_loss(left, right, disparity + 2.0, disparity)
    assert float(wrong) > 0.1


def test_matching_guidance_by_hand() -> None:
    wanted = torch.zeros(1, 4, 2, 2)
    wanted[:, 1], wanted[:, 2], wanted[:, 3] = 0.5, 0.3, 0.2
    assert float(peak_mass(wanted)[0, 0, 0, 0]) == pytest.approx(0.8)
    far = torch.zeros(1, 4, 2, 2)
    far[:, 0] = 1.0
    # |C - P| = 1 + 0.5 + 0.3 + 0.2 = 2, P is sure to 0.8.
    assert float(matching_guidance([far], wanted)) == pytest.approx(1.6)
    assert float(matching_guidance([far, far], wanted)) == pytest.approx(3.2)
    near = wanted.clone()
    near[:, 0], near[:, 1] = 0.3, 0.2
    assert float(matching_guidance([near], wanted)) == 0.0
    coarse = matching_guidance([far[..., :1, :1]], wanted)
    assert float(coarse) == pytest.approx(1.6)


def test_gradient_and_outside_guidance_by_hand() -> None:
    mono = torch.tensor([[2.0, 2.0, 6.0], [2.0, 2.0, 6.0]])[None, None]
    same_steps = 20.0 - mono
    assert float(gradient_guidance(same_steps, mono)) == 0.0
    flat = torch.full_like(mono, 5.0)
    assert float(gradient_guidance(flat, mono)) == pytest.approx(4.0 / 2)
    # All matches lie left of column 0: x - d = -2, -1, -4.
    assert float(outside_guidance(flat, mono)) == pytest.approx((3 + 3 + 1) / 3)
    assert float(outside_guidance(flat, torch.zeros_like(mono))) == 0.0


def test_half_object_edges_follow_stereo_but_left_of_things() -> None:
    disparity = object_before_wall()
    share = half_object_edge_map(disparity)[0, 0, 2]
    expected = torch.ones(48)
    # Two columns on both sides of the left edge; of the right one only what is the object's.
    expected[18:22], expected[28:30] = 0.0, 0.0
    torch.testing.assert_close(share, expected, atol=1e-5, rtol=0)
    slight = torch.full((1, 1, 5, 9), 10.0)
    slight[..., 2, 4] = 10.0 / 1.01
    # Depth 1.01 among 1: 8 * 0.01 / mean, half of its neighbourhood's threshold.
    edge = 0.08 / (1 + 0.01 / 45)
    assert float(half_object_edge_map(slight)[0, 0, 2, 4]) == pytest.approx(1 - edge / 0.13, 1e-4)
    assert float(half_object_edge_map(slight)[0, 0, 0, 0]) == pytest.approx(1.0, abs=1e-5)


def test_hybrid_volume_takes_each_path_where_it_is_right() -> None:
    disparity = object_before_wall()
    mono, stereo = torch.zeros(1, 2, 6, 48), torch.zeros(1, 2, 6, 48)
    mono[:, 0], stereo[:, 1] = 1.0, 1.0
    joined = hybrid_probabilities(mono, stereo, disparity)
    torch.testing.assert_close(joined.sum(1), torch.ones(1, 6, 48))
    assert (joined[0, 0, :, 18:22] == 1).all() and (joined[0, 1, :, 30:] == 1).all()


def test_distillation_is_the_divergence_of_the_found_from_the_wanted() -> None:
    scores = torch.zeros(1, 2, 3, 3)
    wanted = torch.zeros(1, 2, 3, 3)
    wanted[:, 0] = 1.0
    assert float(distillation_loss(scores, wanted)) == pytest.approx(math.log(2))
    half = torch.full((1, 2, 3, 3), 0.5)
    assert float(distillation_loss(scores, half)) == pytest.approx(0.0, abs=1e-7)
    quarter = torch.tensor([0.25, 0.75])[None, :, None, None].expand(1, 2, 3, 3)
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert float(distillation_loss(scores, quarter)) == pytest.approx(expected, rel=1e-5)


def test_losses_have_the_right_gradient() -> None:
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    left, right, mono = drawn(1, 3, 4, 8), drawn(1, 3, 4, 8), 1.0 + 3 * drawn(1, 1, 4, 8)
    scores = (4 * drawn(1, 3, 4, 8)).requires_grad_()
    wanted = drawn(1, 3, 4, 8).softmax(1)
    disparity = (1.0 + 3 * drawn(1, 1, 4, 8)).requires_grad_()
    sharp = (12 * drawn(1, 5, 4, 8)).softmax(1)

    def of_volume(scores: torch.Tensor) -> torch.Tensor:
        rebuilt = synthesize_left(right, scores, [0.5, 1.0, 2.7])
        unlike = photometric_error(rebuilt, left).mean()
        return unlike + distillation_loss(scores, wanted)

    def of_disparity(disparity: torch.Tensor) -> torch.Tensor:
        loss, _ = stereo_reconstruction_loss(left, right, disparity, mono)
        guided = gradient_guidance(disparity, mono) + outside_guidance(disparity, mono)
        return loss + pixel_smoothness(disparity, left) + guided

    def of_matches(scores: torch.Tensor) -> torch.Tensor:
        return matching_guidance([scores.softmax(1)], sharp)

    assert torch.autograd.gradcheck(of_volume, (scores,))
    assert torch.autograd.gradcheck(of_disparity, (disparity,))
    matches = (3 * drawn(1, 5, 2, 4)).requires_grad_()
    assert float(of_matches(matches).detach()) > 0.1
    assert torch.autograd.gradcheck(of_matches, (matches,))


def test_teachers_get_no_gradient() -> None:
    mono = object_before_wall().requires_grad_()
    disparity = (object_before_wall() + 1.0).requires_grad_()
    left, right = torch.rand(2, 1, 3, 6, 48).unbind(0)
    loss, rebuilt = stereo_reconstruction_loss(left, right, disparity, mono)
    loss = loss + gradient_guidance(disparity, mono) + outside_guidance(disparity, mono)
    loss.backward()
    assert mono.grad is None and float(disparity.grad.abs().sum()) > 0.0
    assert photometric_error(rebuilt, left).shape == (1, 1, 6, 48)
