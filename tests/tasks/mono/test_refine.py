"""Keyframes carried to now, the mono map in between: whose depth, how sure, and no ghosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.frames import MonoFrame
from depth_ros.geometry.consistency import DepthView
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.paths import look
from depth_ros.scenes.solids import Box, Scene, Texture, View, render, room
from depth_ros.tasks.mono.keyframe_maps import KeyframeMaps
from depth_ros.tasks.mono.refine import DepthSource, RefinedDepth, has_changed, refined_depth
from depth_ros.tasks.mono.refined_sigma import FITTED_FACTOR, STEP_FACTOR, shown_sigma
from tests.kit.multiview_doubles import CAMERA

SECOND_NS = 10**9
BOX = Box(
    center=(0.0, 0.2, 2.0),
    size=(0.7, 1.4, 0.4),
    texture=Texture(seed=70, color=(170.0, 90.0, 90.0), wavelength_m=0.25, cell_m=0.1),
)
FULL = Scene(shapes=(*room().shapes, BOX))
EMPTY = room()


def seen(x_m: float, scene: Scene = EMPTY) -> View:
    return render(scene, CAMERA, world_from_camera=look((x_m, 0.0, 0.0)))


def frame_of(view: View, stamp_ns: int) -> MonoFrame:
    return MonoFrame(image=view.image, camera=view.camera, stamp_ns=stamp_ns, is_rectified=True)


def keyframe(view: View, *, confidence: float = 1.0, scale: float = 1.0) -> DepthView:
    return DepthView(
        depth=view.depth * np.float32(scale),
        confidence=np.full(view.depth.shape, confidence, np.float32),
        image=view.image,
        camera=view.camera,
        world_from_camera=view.world_from_camera,
    )


def maps_of(*views: DepthView, step_ns: int = SECOND_NS // 10) -> KeyframeMaps:
    maps = KeyframeMaps(min_confidence=0.5)
    for index, view in enumerate(views):
        maps.add(view, stamp_ns=SECOND_NS + index * step_ns)
    return maps


def refine(
    maps: KeyframeMaps,
    view: View,
    *,
    after_ns: int = SECOND_NS // 2,
    relative: np.ndarray | None = None,
) -> RefinedDepth | None:
    stamp_ns = SECOND_NS + after_ns
    mono = None
    if relative is not None:
        mono = DepthResult(
            depth=relative.astype(np.float32),
            camera=view.camera,
            stamp_ns=stamp_ns,
            scale=DepthScale.RELATIVE,
        )
    return refined_depth(
        frame_of(view, stamp_ns),
        view.world_from_camera,
        maps.young(stamp_ns, max_age_ns=SECOND_NS),
        mono,
        max_width_px=320,
    )


def errors(found: RefinedDepth, view: View, source: DepthSource | None = None) -> np.ndarray:
    is_asked = np.isfinite(found.depth.depth)
    if source is not None:
        is_asked &= found.source == source
    return np.abs(found.depth.depth - view.depth)[is_asked] / view.depth[is_asked]


def test_two_keyframes_give_metres_where_the_camera_is_now() -> None:
    now = seen(0.15)
    found = refine(maps_of(keyframe(seen(0.0)), keyframe(seen(0.05))), now)
    assert found is not None and found.fit is None
    assert found.depth.scale is DepthScale.METRIC
    known = np.isfinite(found.depth.depth)
    assert known.mean() > 0.75
    assert np.median(errors(found, now)) < 0.01 and (errors(found, now) > 0.1).mean() < 0.03
    assert set(np.unique(found.source)) == {DepthSource.UNKNOWN, DepthSource.KEYFRAME}
    assert np.array_equal(found.source == DepthSource.UNKNOWN, ~known)
    assert np.array_equal(np.isfinite(found.depth.sigma), known)
    assert found.age_s == pytest.approx(0.4)


def test_what_one_keyframe_alone_says_is_not_shown() -> None:
    assert refine(maps_of(keyframe(seen(0.0))), seen(0.1)) is None
    wrong = keyframe(seen(0.05), scale=1.3)
    found = refine(maps_of(keyframe(seen(0.0)), wrong), seen(0.1))
    assert found is None or np.isfinite(found.depth.depth).mean() < 0.1
    doubted = keyframe(seen(0.05), confidence=0.4)
    assert refine(maps_of(keyframe(seen(0.0)), doubted), seen(0.1)) is None


def test_keyframes_older_than_a_second_are_never_shown() -> None:
    maps = maps_of(keyframe(seen(0.0)), keyframe(seen(0.05)))
    assert refine(maps, seen(0.05), after_ns=SECOND_NS) is not None
    assert refine(maps, seen(0.05), after_ns=SECOND_NS + SECOND_NS // 10 + 1) is None
    assert refine(maps, seen(0.05), after_ns=-1) is None, 'nor are those of the future'


def test_what_has_gone_is_not_shown_where_the_image_has_changed() -> None:
    maps = maps_of(keyframe(seen(0.0, FULL)), keyframe(seen(0.05, FULL)))
    before = seen(0.1, FULL)
    is_box = before.shape_index == len(FULL.shapes) - 1
    shown = refine(maps, before)
    assert shown is not None and np.isfinite(shown.depth.depth[is_box]).mean() > 0.8
    after = refine(maps, seen(0.1, EMPTY))
    assert after is not None
    ghost = np.isfinite(after.depth.depth) & is_box & (after.depth.depth < 0.9 * seen(0.1).depth)
    assert ghost[is_box].mean() < 0.05
    elsewhere = ~is_box & np.isfinite(shown.depth.depth)
    assert np.isfinite(after.depth.depth[elsewhere]).mean() > 0.85


def test_a_newer_keyframe_sees_through_what_has_gone() -> None:
    """Even where the image looks alike: the box has the room's own colours."""
    maps = maps_of(*(keyframe(seen(x, FULL)) for x in (0.0, 0.05)), keyframe(seen(0.1)), step_ns=1)
    kept = maps.young(SECOND_NS + 10, max_age_ns=SECOND_NS)
    is_box = seen(0.05, FULL).shape_index == len(FULL.shapes) - 1
    assert len(kept) == 3
    assert np.isfinite(kept[1].sure[is_box]).mean() < 0.1
    assert np.isfinite(kept[1].sure[~is_box]).mean() > 0.8


def test_the_mono_map_fills_what_keyframes_do_not_show() -> None:
    now = seen(0.1)
    left = keyframe(seen(0.0)), keyframe(seen(0.05))
    half = [replace(view, confidence=view.confidence.copy()) for view in left]
    for view in half:
        view.confidence[:, 100:] = 0.0
    relative = 1.0 / (0.4 / now.depth + 0.05)
    found = refine(maps_of(*half), now, relative=relative)
    assert found is not None and found.fit is not None
    assert found.fit.scale == pytest.approx(2.5, rel=0.03)
    fitted = found.source == DepthSource.FITTED
    assert 0.1 < fitted.mean() < 0.6
    assert np.median(errors(found, now, DepthSource.FITTED)) < 0.02
    alone = refine(maps_of(*half), now)
    assert alone is not None
    assert np.isfinite(alone.depth.depth).mean() < np.isfinite(found.depth.depth).mean() - 0.1
    assert (found.depth.sigma[fitted] > 0).all()


def test_levels_are_those_of_each_region() -> None:
    """A map that is 20 % too far on the left and too near on the right is bent back."""
    now = seen(0.1)
    tilt = np.exp(np.linspace(0.2, -0.2, now.depth.shape[1]))
    views = [keyframe(seen(x)) for x in (0.0, 0.05)]
    for view in views:
        view.confidence[:, np.arange(160) // 16 % 2 == 0] = 0.0
    found = refine(maps_of(*views), now, relative=now.depth * tilt / 3.0)
    assert found is not None
    assert np.median(errors(found, now, DepthSource.FITTED)) < 0.04


def test_what_contradicts_the_mono_map_is_not_taken_from_keyframes() -> None:
    """What moves by itself looks nearer to a moving camera than it is."""
    now = seen(0.1)
    views = [keyframe(seen(x)) for x in (0.0, 0.05)]
    for view in views:
        view.depth[40:80, 60:100] *= 0.5
    found = refine(maps_of(*views), now, relative=now.depth / 4.0)
    assert found is not None
    middle = np.s_[45:75, 65:90]
    assert (found.source[middle] != DepthSource.KEYFRAME).mean() > 0.9
    known = np.isfinite(found.depth.depth[middle])
    error = np.abs(found.depth.depth - now.depth)[middle][known] / now.depth[middle][known]
    assert (error < 0.1).mean() > 0.9


def test_a_mono_map_that_is_noise_takes_nothing_away_and_adds_little() -> None:
    now = seen(0.1)
    maps = maps_of(keyframe(seen(0.0)), keyframe(seen(0.05)))
    noise = np.random.default_rng(1).uniform(0.2, 5.0, now.depth.shape)
    found, alone = refine(maps, now, relative=noise), refine(maps, now)
    assert found is not None and alone is not None
    added = np.isfinite(found.depth.depth).mean() - np.isfinite(alone.depth.depth).mean()
    assert -0.02 < added < 0.02


def test_a_change_of_exposure_is_no_change() -> None:
    image = seen(0.0).image
    looks = image.astype(np.float32)
    darker = (image * 0.7).astype(np.uint8)
    assert not has_changed(darker, looks).any()
    other = image.copy()
    other[30:60, 40:80] = (30, 160, 60)
    changed = has_changed(other, looks)
    assert changed[33:57, 43:77].mean() > 0.9 and changed[70:].mean() == 0.0
    assert not has_changed(image, np.full(image.shape, np.nan, np.float32)).any()


@pytest.mark.parametrize('factor', [2, 3])
def test_large_images_are_joined_small_and_come_out_large(factor: int) -> None:
    from depth_ros.camera import scaled_camera

    camera = scaled_camera(CAMERA, height=factor * CAMERA.height, width=factor * CAMERA.width)
    poses: Sequence[float] = (0.0, 0.05, 0.1)
    views = [render(EMPTY, camera, world_from_camera=look((x, 0.0, 0.0))) for x in poses]
    maps = maps_of(*map(keyframe, views[:2]))
    found = refined_depth(
        frame_of(views[2], SECOND_NS + 5 * 10**8),
        views[2].world_from_camera,
        maps.young(SECOND_NS + 5 * 10**8, max_age_ns=SECOND_NS),
        None,
        max_width_px=CAMERA.width,
    )
    assert found is not None
    assert found.depth.depth.shape == found.source.shape == views[2].depth.shape
    assert found.depth.camera is camera
    assert np.median(errors(found, views[2])) < 0.02


def test_sigma_grows_at_steps_of_depth_and_is_kept_on_surfaces() -> None:
    depth = np.full((8, 12), 2.0, np.float32)
    depth[:, 6:] = 3.0
    depth[0, 0] = np.nan
    sigma = np.where(np.isfinite(depth), 0.05 * depth, np.nan)
    is_fitted = np.zeros(depth.shape, bool)
    is_fitted[4:] = True
    found = shown_sigma(depth, sigma, is_fitted)
    assert found.dtype == np.float32 and np.array_equal(np.isnan(found), np.isnan(depth))
    np.testing.assert_allclose(found[1, 2], 0.1, rtol=1e-6)
    np.testing.assert_allclose(found[5, 2], FITTED_FACTOR * 0.1, rtol=1e-6)
    # On either side of a step of 1 m, less what a slanted surface may have.
    np.testing.assert_allclose(found[2, 5], np.hypot(0.1, STEP_FACTOR * (1.0 - 0.12)), rtol=1e-5)
    slanted = np.broadcast_to(np.linspace(2.0, 2.3, 12, dtype=np.float32), (8, 12))
    np.testing.assert_allclose(shown_sigma(slanted, 0.05 * slanted, ~is_fitted)[2, 1:-1],
                               FITTED_FACTOR * 0.05 * slanted[2, 1:-1], rtol=1e-5)  # fmt: skip


def test_a_map_that_is_far_off_keyframes_is_left_out_whole() -> None:
    now = seen(0.1)
    waves = np.exp(0.6 * np.sin(np.arange(160) / 9.0))[None] * np.ones((120, 1))
    half = [keyframe(seen(x)) for x in (0.0, 0.05)]
    for view in half:
        view.confidence[:, 100:] = 0.0
    found = refine(maps_of(*half), now, relative=now.depth * waves)
    assert found is not None and found.fit is not None
    assert found.fit.spread > 0.25 and not found.is_map_used
    assert not (found.source == DepthSource.FITTED).any()


def test_keyframes_of_a_wall_alone_tell_no_shift_and_so_nothing_of_the_rest() -> None:
    now = seen(0.1)
    far = float(np.median(now.depth[30:60, 60:100]))
    views = [keyframe(seen(x)) for x in (0.0, 0.05)]
    for view in views:
        view.confidence[np.abs(view.depth / far - 1.0) > 0.03] = 0.0
    found = refine(maps_of(*views), now, relative=1.0 / (0.4 / now.depth + 0.3))
    assert found is not None and found.fit is not None and not found.fit.has_shift
    assert not found.is_map_used and not (found.source == DepthSource.FITTED).any()
