"""How much does depth change from pair to pair where nothing moves, by source of hints?

``python benchmarks/stereo_flicker.py WEIGHTS [--data DATA]`` runs rendered drives with the true
poses and a pair of photographs that stands still, with new noise in every pair. Each result is
moved to the next pair's place by the true poses and compared with that pair's result, where the
truth says that both see one surface. Printed: median and 90th percentile of the change of
disparity in px, of depth in percent, the error (EPE px, bad-2 %) and, for what moved, the ghost:
the share of pixels from which an object has just gone that still have its disparity.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.evaluation.accuracy import disparity_errors
from depth_ros.evaluation.stereo_pairs import motorcycle
from depth_ros.frames import KnownBeside, RectifiedStereo
from depth_ros.geometry.moved_disparity import moved_map
from depth_ros.geometry.rigid import inverse
from depth_ros.models.registry import hinted_models
from depth_ros.scenes.paths import scene_path
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo

NOISE_LEVELS = 2.0
DRIVES = ('room', 'corridor', 'moving_object')
DRIVE_FRAMES = 60
SOURCES = ('none', 'sgbm', 'previous', 'previous sgbm', 'sgbm previous')
SAME_PX = 0.5
"""Truth moved by the poses agrees so far with the truth there: the surface stood still."""
GONE_PX = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A pair and its truth, (H, W) px."""

    pair: RectifiedStereo
    truth: np.ndarray


def main() -> int:
    """Measure and print a line for each sequence and source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('weights', help=f'of {hinted_models()[0]}')
    parser.add_argument('--data', type=Path, help='folder that holds middlebury_motorcycle')
    parser.add_argument('--drive', action='append', choices=DRIVES, help='default all')
    parser.add_argument('--hints', action='append', help='default: ' + ', '.join(SOURCES))
    parser.add_argument('--size', default='240x320')
    parser.add_argument('--pairs', type=int, default=6)
    parser.add_argument('--engine', default='torch')
    arguments = parser.parse_args()
    engine = {'engine': arguments.engine, 'weights': arguments.weights, 'size': arguments.size}
    print('sequence       hints          px med  px 90 %  depth %  EPE px  bad-2 %  ghost %')
    for name in (*(arguments.drive or DRIVES), *(['still'] if arguments.data else [])):
        moments = list(sequence(name, arguments))
        for hints in arguments.hints or SOURCES:
            with open_stereo(model=hinted_models()[0], hints=hints, **engine) as one:
                print(f'{name:<13}  {hints:<13}  {line(one, moments)}', flush=True)
    return 0


def sequence(name: str, arguments: argparse.Namespace) -> Iterator[Moment]:
    """Give the pairs of a drive, or of photographs with new noise."""
    rng = np.random.default_rng(0)
    if name == 'still':
        shown = next(motorcycle(arguments.data / 'middlebury_motorcycle'))
        height, width = shown.truth.shape
        rig = ideal_stereo_camera(height=height, width=width)
        for _ in range(arguments.pairs):
            images = (noisy(rng, shown.left), noisy(rng, shown.right))
            pair = RectifiedStereo(left=images[0], right=images[1], camera=rig)
            yield Moment(pair=pair, truth=shown.truth.astype(np.float32))
        return
    path = scene_path(name, num_frames=DRIVE_FRAMES)
    for index in range(20, 20 + arguments.pairs):
        pose = path.world_from_camera[index]
        view = render_stereo(
            path.scene_at(index / path.rate_hz), path.camera, world_from_left=pose
        )
        frame = view.frame(stamp_ns=path.stamp_ns(index))
        left, right = noisy(rng, frame.left), noisy(rng, frame.right)
        beside = KnownBeside(world_from_camera=pose)
        pair = replace(frame, left=left, right=right, beside=beside)
        yield Moment(pair=pair, truth=view.left_disparity.astype(np.float32))


def noisy(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return np.clip(image + rng.normal(0.0, NOISE_LEVELS, image.shape), 0, 255).astype(np.uint8)


def line(processor: StereoProcessor, moments: list[Moment]) -> str:
    """Run all pairs and write the figures; the first change is left out: hints begin there."""
    wanted = Wanted(depth=False)
    maps = [
        processor.process_rectified(moment.pair, wanted=wanted).disparity.disparity
        for moment in moments
    ]
    pixels, shares, ghosts = [], [], []
    for index in range(2, len(moments)):
        before, now = moments[index - 1], moments[index]
        old, real = brought(before, now, maps[index - 1]), brought(before, now, before.truth)
        change = np.abs(old - maps[index])
        is_still = np.abs(real - now.truth) < SAME_PX
        pixels.append(change[is_still])
        shares.append((change / maps[index])[is_still])
        # What the old truth has and the new one does not: something has gone from there.
        is_gone = real - now.truth > GONE_PX
        kept = np.abs(maps[index] - real) < np.abs(maps[index] - now.truth)
        ghosts.append(kept[is_gone])
    errors = [disparity_errors(found, one.truth) for found, one in zip(maps, moments, strict=True)]
    ghost = np.concatenate(ghosts)
    figures = (
        f'{np.nanmedian(np.concatenate(pixels)):6.3f}  '
        f'{np.nanpercentile(np.concatenate(pixels), 90):7.3f}  '
        f'{100 * np.nanmedian(np.concatenate(shares)):7.2f}  '
        f'{np.mean([one.epe_px for one in errors[1:]]):6.3f}  '
        f'{100 * np.mean([one.bad2 for one in errors[1:]]):7.2f}  '
    )
    return figures + (f'{100 * ghost.mean():7.1f}' if ghost.size else '      -')


def brought(before: Moment, now: Moment, disparity: np.ndarray) -> np.ndarray:
    """Move a map to the next pair's place."""
    then, there = before.pair.beside.world_from_camera, now.pair.beside.world_from_camera
    if then is None or there is None:
        return disparity
    grey = np.zeros(disparity.shape, np.uint8)
    moved, _ = moved_map(disparity, grey, now.pair.camera, now_from_then=inverse(there) @ then)
    return moved


if __name__ == '__main__':
    sys.exit(main())
