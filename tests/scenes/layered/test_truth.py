"""The synthetic scenes: exact disparity, honest occlusion, both views, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.scenes.layered.composition import SceneSize, draw_scene
from depth_ros.scenes.layered.photometric import shoot
from depth_ros.scenes.layered.render import RowShift, render
from depth_ros.scenes.layered.samples import SampleSettings, batches, take_sample
from depth_ros.scenes.layered.surfaces import Layer, Outline, Paint, Surface
from depth_ros.scenes.layered.textures import (
    TEXTURE_SIZE,
    draw_texture,
    sample_textures,
    texture_pool,
)

HEIGHT, WIDTH = 64, 128
SMALL = SampleSettings(
    scene_height=48, scene_width=96, height=32, width=64, max_disparity=20.0, chunk=3, textures=8
)


def smooth_pool() -> torch.Tensor:
    """One texture so smooth that bilinear sampling of it is exact enough to compare."""
    axis = np.arange(TEXTURE_SIZE)
    wave = 128 + 100 * np.sin(axis[None] / 9.0) * np.cos(axis[:, None] / 11.0)
    return torch.from_numpy(np.repeat(wave[None, ..., None], 3, -1).astype(np.uint8))


def layer(surface: Surface, outline: Outline | None = None, level: float = 0.0) -> Layer:
    paint = Paint(
        texture=0, map=(1, 0, 3, 0, 1, 5), contrast=1.0, brightness=level, fall_x=0, fall_y=0
    )
    return Layer(surface=surface, outline=outline or Outline(kind='all'), paint=paint)


def lookup(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample (H, W, C) linearly at columns x of whole rows y."""
    low = np.clip(np.floor(x).astype(int), 0, image.shape[1] - 2)
    share = (x - low)[..., None]
    return image[y, low] * (1 - share) + image[y, low + 1] * share


SURFACES = {
    'plane': Surface(disparity=7.3, slope_x=0.05, slope_y=-0.03, x=60, y=30),
    'wave': Surface(disparity=9.0, wave=1.0, wave_x=0.12, wave_y=0.03, x=64, y=32),
    'bulge': Surface(disparity=6.0, bulge=3.0, reach=25.0, x=70, y=30),
    'steep': Surface(disparity=25.0, slope_x=-0.3, x=64, y=32),
}


@pytest.mark.parametrize('name', SURFACES)
def test_right_image_sampled_at_the_disparity_gives_the_left_image(name: str) -> None:
    left, right = render([layer(SURFACES[name])], smooth_pool(), height=HEIGHT, width=WIDTH)
    disparity = left.disparity.numpy()
    x = np.arange(WIDTH) - disparity
    rows = np.broadcast_to(np.arange(HEIGHT)[:, None], x.shape)
    warped = lookup(right.image.numpy(), x, rows)
    inside = (x >= 0) & (x <= WIDTH - 1)
    difference = np.abs(warped - left.image.numpy())[inside]
    # Two roundings of a texture in whole grey levels, and its curvature between texels.
    assert difference.max() < 3.5
    assert difference.mean() < 0.6


@pytest.mark.parametrize('name', SURFACES)
def test_both_views_agree_about_the_disparity(name: str) -> None:
    left, right = render([layer(SURFACES[name])], smooth_pool(), height=HEIGHT, width=WIDTH)
    x = np.arange(WIDTH) + right.disparity.numpy()
    y = torch.arange(HEIGHT, dtype=torch.float32)[:, None].expand(HEIGHT, WIDTH)
    expected = SURFACES[name].at(torch.from_numpy(x).float(), y).numpy()
    np.testing.assert_allclose(right.disparity.numpy(), expected, atol=2e-3)
    np.testing.assert_allclose(
        left.disparity.numpy()[:, 5],
        SURFACES[name].at(torch.tensor(5.0), y[:, 5]).numpy(),
        rtol=1e-6,
    )


def test_plane_in_the_right_view_has_its_closed_form() -> None:
    # d = 4 + 0.1 x and x_right = x - d, so x = (x_right + 4) / 0.9.
    surface = Surface(disparity=4.0, slope_x=0.1)
    _, right = render([layer(surface)], smooth_pool(), height=4, width=50)
    columns = np.arange(50)
    np.testing.assert_allclose(
        right.disparity.numpy()[2], (columns + 4.0) / 0.9 - columns, atol=1e-4
    )


def box_scene() -> list[Layer]:
    box = Outline(kind='rectangle', x=60, y=32, radius_x=12, radius_y=20)
    return [
        layer(Surface(disparity=4.0)),
        layer(Surface(disparity=14.0, x=60, y=32), box, level=50.0),
    ]


def test_occlusion_is_the_strip_beside_the_box() -> None:
    left, right = render(box_scene(), smooth_pool(), height=HEIGHT, width=WIDTH)
    # The box covers left columns 49..71 at disparity 14; background left of it, at disparity 4,
    # meets it in the right image where x - 4 >= 49 - 14.
    row = left.is_occluded[32].numpy()
    assert row[:4].all()
    assert not row[4:39].any()
    assert row[39:49].all()
    assert not row[49:].any()
    hidden_right = right.is_occluded[32].numpy()
    # Behind the box on its other side: right columns 58..67; beyond 123 nothing matches.
    assert hidden_right[58:68].all()
    assert not hidden_right[:58].any() and not hidden_right[68:124].any()
    assert hidden_right[124:].all()


def test_nearer_surface_wins_whatever_the_order() -> None:
    forwards = render(box_scene(), smooth_pool(), height=HEIGHT, width=WIDTH)
    backwards = render(box_scene()[::-1], smooth_pool(), height=HEIGHT, width=WIDTH)
    assert float(forwards[0].disparity[32, 60]) == 14.0
    assert float(forwards[0].disparity[32, 20]) == 4.0
    for one, other in zip(forwards, backwards, strict=True):
        assert torch.equal(one.disparity, other.disparity)
        assert torch.equal(one.image, other.image)


def test_visible_pixels_match_in_a_random_scene() -> None:
    rng = np.random.default_rng(5)
    pool = smooth_pool()
    size = SceneSize(height=96, width=192, max_disparity=50.0, textures=1)
    left, right = render(draw_scene(rng, size), pool, height=96, width=192)
    x = np.arange(192) - left.disparity.numpy()
    rows = np.broadcast_to(np.arange(96)[:, None], x.shape)
    back = lookup(right.disparity.numpy()[..., None], x, rows)[..., 0]
    seen = ~left.is_occluded.numpy()
    assert 0.3 < seen.mean() < 1.0
    # Only where one of the two neighbours lies across an edge may the mix be far off.
    assert (np.abs(back - left.disparity.numpy())[seen] < 1.0).mean() > 0.97


def test_row_shift_moves_the_right_view_only() -> None:
    scene = [layer(Surface(disparity=5.0))]
    plain = render(scene, smooth_pool(), height=HEIGHT, width=WIDTH)
    moved = render(
        scene, smooth_pool(), height=HEIGHT, width=WIDTH, row_shift=RowShift(offset=1.0)
    )
    assert torch.equal(plain[0].image, moved[0].image)
    assert torch.equal(plain[1].image[1:], moved[1].image[:-1])


@pytest.mark.parametrize('kind', ['ellipse', 'rectangle', 'grid', 'star', 'foliage', 'spokes'])
def test_every_shape_stays_inside_its_box(kind: str) -> None:
    outline = Outline(kind=kind, x=50, y=40, radius_x=20, radius_y=9, angle=0.6, cut=0.4)
    x = torch.arange(120.0)[None].expand(90, 120)
    y = torch.arange(90.0)[:, None].expand(90, 120)
    covered = outline.covers(x, y, smooth_pool())
    half_width, half_height = outline.extent()
    outside = ((x - 50).abs() > half_width + 1e-3) | ((y - 40).abs() > half_height + 1e-3)
    assert covered.any()
    assert not (covered & outside).any()


def test_textures_repeat_mirrored_without_a_seam() -> None:
    pool = smooth_pool()
    zero = torch.zeros(4, dtype=torch.long)
    u = torch.tensor([-1.0, 0.0, 255.0, 256.0])
    found = sample_textures(pool, zero, u, torch.zeros(4))[:, 0]
    assert found[0] == found[1] and found[2] == found[3]


def test_textures_are_drawn_the_same_for_the_same_seed() -> None:
    one, other = (texture_pool(np.random.default_rng(3), [], 6) for _ in range(2))
    assert torch.equal(one, other)
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    image = draw_texture(np.random.default_rng(1), [photo])
    assert image.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3) and image.dtype == np.uint8


def test_batches_go_on_where_they_were_left() -> None:
    stream = batches(SMALL, [], batch_size=2)
    whole = [next(stream) for _ in range(7)]
    later = next(batches(SMALL, [], batch_size=2, first=6))
    for name in ('left', 'right', 'disparity', 'is_occluded'):
        np.testing.assert_array_equal(getattr(whole[6], name), getattr(later, name))
    other = next(batches(SMALL, [], batch_size=2, stream=1))
    assert not np.array_equal(other.left, whole[0].left)


def test_mirrored_sample_is_a_valid_left_view() -> None:
    scene = render(box_scene(), smooth_pool(), height=HEIGHT, width=WIDTH)
    settings = SampleSettings(
        scene_height=HEIGHT, scene_width=WIDTH, height=HEIGHT, width=WIDTH, max_disparity=20.0
    )
    seen = set()
    for seed in range(12):
        sample = take_sample(np.random.default_rng(seed), settings, *scene)
        row = sample.disparity[32]
        edges = tuple(np.flatnonzero(np.diff(row)))
        seen.add(edges)
        # A nearer box hides background on its left in a left view, mirrored or not.
        first = edges[0] + 1
        assert sample.is_occluded[32, first - 9 : first].all()
        assert not sample.is_occluded[32, edges[1] + 2 : edges[1] + 20].any()
    assert len(seen) == 2


def test_cameras_change_the_picture_but_not_its_layout() -> None:
    clean = np.zeros((32, 64, 3), np.float32)
    clean[:, 32:] = 200.0
    for seed in range(20):
        left, right = shoot(np.random.default_rng(seed), clean, clean)
        for image in (left, right):
            assert image.shape == clean.shape and image.dtype == np.uint8
        assert left[:, 40:60].mean() > left[:, 16:28].mean()


def objects(**shares: float) -> list[Layer]:
    size = SceneSize(height=128, width=256, max_disparity=60.0, textures=4, **shares)
    rng = np.random.default_rng(8)
    layers = [layer for _ in range(12) for layer in draw_scene(rng, size)]
    return [layer for layer in layers if layer.outline.kind != 'all']


def test_plain_and_narrow_objects_are_as_many_as_asked_for() -> None:
    def plain_share(layers: list[Layer]) -> float:
        return float(np.mean([layer.paint.contrast < 0.3 for layer in layers]))

    def narrow_share(layers: list[Layer]) -> float:
        narrow = [layer.outline.radius_x <= 0.2 * layer.outline.radius_y for layer in layers]
        return float(np.mean(narrow))

    assert plain_share(objects()) == 0.0
    assert 0.35 < plain_share(objects(plain=0.5)) < 0.55
    assert narrow_share(objects(blades=1.0)) > 0.95
    assert narrow_share(objects(blades=0.5)) > narrow_share(objects()) + 0.2
