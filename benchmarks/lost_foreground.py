"""What becomes of thin foreground: bars, legs, spokes.

``python benchmarks/lost_foreground.py --pairs DATA [--size 480x640]`` measures matchers on pairs:
rendered bars and chairs with exact truth, the real pairs with truth, and the legs of a stool in
an OAK-D pair, marked by hand, whose disparity a tall window gives to about a pixel. Thin is
what stands at least 4 px before everything within 16 px on two opposite sides (a morphological
opening of the true disparity) and is visible to both cameras. It is right within 2 px of the
truth, and lost where the disparity is nearer to the background's than to its own.

``python benchmarks/lost_foreground.py WEIGHTS [WEIGHTS ...]`` is the measure of the row sight: on
the synthetic validation set of the first stage of the small CREStereo's recipe, is thin
foreground that the coarsest level has lost found again? It is lost there where the last
disparity at 1/16 is off by more than 8 px, and found again where the final one is within 2 px.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stereo_certainty import framed, pairs_of
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.evaluation.stereo_pairs import visible_mask
from depth_ros.evaluation.tables import markdown_table, percent
from depth_ros.files.image import read_rgb
from depth_ros.models.crestereo_tiny.network import DEFAULT_ITERATIONS, tiny_network
from depth_ros.scenes.layered.samples import Batch
from depth_ros.scenes.solids import (
    Box,
    Plane,
    Scene,
    Texture,
    ideal_stereo_camera,
    render_stereo,
    thin_bars,
)
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo
from depth_ros.training.crestereo.task import to_tensors
from depth_ros.training.photos import photo_folders
from depth_ros.training.recipe import find_recipe
from depth_ros.training.task import DataFolders

CELL = 16
STANDS_OUT_PX = 4.0
LOST_PX, FOUND_PX = 8.0, 2.0
SIZE = (480, 640)
BARS_M = (0.8, 1.2, 1.8)
"""Distances of rendered bars of 2 cm before a wall at 3 m; they are 12, 8 and 5 px wide."""
LEGS_M = (1.0, 1.6)
MARKED = 'toy'
MARKED_LEGS = (((43, 225), (46, 280), 30.0, 29.0), ((178, 180), (182, 230), 21.0, 21.0))
"""Both ends (x, y) of what stands out of a leg, and its disparity there, px."""
FLOOR_PX_PER_ROW, FLOOR_FROM_ROW = 0.163, 127
"""The floor behind them, a plane through the feet of both."""
HALF_WIDTH_PX = 3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ThinPair:
    """A pair and where thin foreground is in it.

    Attributes:
        name: For the table.
        left: (H, W, 3) uint8 RGB.
        right: The same.
        truth: (H, W) px.
        background: (H, W) px, the disparity behind the thin foreground.
        thin: (H, W) bool.
    """

    name: str
    left: np.ndarray
    right: np.ndarray
    truth: np.ndarray
    background: np.ndarray
    thin: np.ndarray


def main() -> int:
    """Measure and print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('networks', nargs='*', type=Path, metavar='WEIGHTS')
    parser.add_argument('--pairs', type=Path, metavar='DATA', help='folder of the sets')
    parser.add_argument('--size', default='480x640', help='of the networks, with --pairs')
    parser.add_argument('--photos', type=Path, action='append', help='folders of photographs')
    parser.add_argument('--samples', type=int, default=64)
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    if bool(arguments.networks) == bool(arguments.pairs):
        parser.error('name weights, or --pairs with the folder of the sets')
    torch.set_num_threads(arguments.threads)
    if arguments.pairs:
        print(pairs_table(list(thin_pairs(arguments.pairs)), arguments.size, arguments.threads))
    else:
        print(levels_table(arguments))
    return 0


def thin_pairs(data: Path) -> Iterator[ThinPair]:
    """Give every pair that has thin foreground."""
    camera = ideal_stereo_camera(height=SIZE[0], width=SIZE[1])
    scenes = {f'bars at {z_m} m': thin_bars(z_m) for z_m in BARS_M}
    scenes |= {f'chair at {z_m} m': chair(z_m) for z_m in LEGS_M}
    for name, scene in scenes.items():
        view = render_stereo(scene, camera, supersample=2)
        truth = view.left_disparity
        yield thin_pair(name, view.left.image, view.right.image, truth, ~view.left_occluded)
    for pair in pairs_of(data):
        yield thin_pair(pair.name, pair.left, pair.right, pair.truth, visible_mask(pair.truth))
    yield marked_pair(data / 'oakd_stereo')


def thin_pair(
    name: str, left: np.ndarray, right: np.ndarray, truth: np.ndarray, visible: np.ndarray
) -> ThinPair:
    """Find the thin foreground of a pair; beside unknown truth there is none."""
    known = np.where(np.isfinite(truth), truth, np.float32(1e4)).astype(np.float32)
    background = behind(known)
    thin = (known - background > STANDS_OUT_PX) & np.isfinite(truth) & visible
    return ThinPair(
        name=name, left=left, right=right, truth=truth, background=background, thin=thin
    )


def chair(z_m: float) -> Scene:
    """Return a chair of 3 cm legs and rungs on a floor, before a wall."""
    wood = Texture(seed=31, color=(170.0, 130.0, 90.0), wavelength_m=0.1)
    legs = [
        Box(center=(x, 0.35, z_m + z), size=(0.03, 0.5, 0.03), texture=wood)
        for x in (-0.2, 0.2)
        for z in (0.0, 0.4)
    ]
    backs = [
        Box(center=(x, -0.2, z_m + 0.4), size=(0.02, 0.6, 0.02), texture=wood)
        for x in (-0.2, -0.1, 0.0, 0.1, 0.2)
    ]
    seat = Box(center=(0.0, 0.1, z_m + 0.2), size=(0.44, 0.03, 0.44), texture=wood)
    tiles = Texture(seed=32, wavelength_m=0.4)
    floor = Plane(point=(0.0, 0.6, 0.0), direction=(0.0, -1.0, 0.0), texture=tiles)
    wall = Plane(point=(0.0, 0.0, z_m + 1.8), texture=Texture(seed=33, wavelength_m=0.6))
    return Scene(shapes=(*legs, *backs, seat, floor, wall))


def marked_pair(folder: Path) -> ThinPair:
    """Return the OAK-D pair with the legs that were marked by hand."""
    left, right = (read_rgb(folder / f'{MARKED}_{side}.png') for side in ('left', 'right'))
    truth = np.full(left.shape[:2], np.nan, np.float32)
    background = truth.copy()
    for (x0, y0), (x1, y1), first, last in MARKED_LEGS:
        for y in range(y0, y1 + 1):
            share = (y - y0) / (y1 - y0)
            middle = round(x0 + share * (x1 - x0))
            columns = slice(middle - HALF_WIDTH_PX, middle + HALF_WIDTH_PX + 1)
            truth[y, columns] = first + share * (last - first)
            background[y, columns] = FLOOR_PX_PER_ROW * (y - FLOOR_FROM_ROW)
    name = f'OAK-D {MARKED}, legs of the stool'
    thin = np.isfinite(truth)
    return ThinPair(
        name=name, left=left, right=right, truth=truth, background=background, thin=thin
    )


def pairs_table(pairs: list[ThinPair], size: str, num_threads: int) -> str:
    """Write for every pair and matcher the shares right, lost and unknown."""
    network = {'size': size, 'num_threads': num_threads, 'min_confidence': 0.0}
    matchers = {
        'SGBM filled': {'model': 'sgbm', 'fill_holes': True},
        'crestereo_tiny': {'model': 'crestereo_tiny', **network},
        'crestereo_tiny_hinted': {'model': 'crestereo_tiny_hinted', **network},
        'the same, as nodes publish': {
            'model': 'crestereo_tiny_hinted', 'size': size, 'num_threads': num_threads
        },
    }  # fmt: skip
    rows = []
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(open_stereo(**settings))
            for name, settings in matchers.items()
        }
        for pair in pairs:
            shares = [' / '.join(map(percent, fates(one, pair))) for one in opened.values()]
            rows.append([pair.name, str(np.count_nonzero(pair.thin)), *shares])
    return markdown_table([f'right / lost / unknown %, {size}', 'px', *matchers], rows)


def fates(processor: StereoProcessor, pair: ThinPair) -> tuple[float, float, float]:
    """Give the shares of thin foreground that are right, lost to the background and unknown."""
    frame = framed(pair.left, pair.right)
    result = processor.process_rectified(frame, wanted=Wanted(depth=False))
    found, truth = result.disparity.disparity[pair.thin], pair.truth[pair.thin]
    error = np.abs(found - truth)
    is_lost = (error > FOUND_PX) & (error > np.abs(found - pair.background[pair.thin]))
    return (
        float((error <= FOUND_PX).mean()),
        float(is_lost.mean()),
        float(np.isnan(found).mean()),
    )


def levels_table(arguments: argparse.Namespace) -> str:
    """Write for networks what the coarsest level loses and what is found again."""
    photos = tuple(arguments.photos) if arguments.photos else photo_folders()
    pairs = find_recipe('crestereo_tiny').task.pairs
    batches = pairs.validation(DataFolders(photos=photos), arguments.samples)
    rows = []
    for weights in arguments.networks:
        network = tiny_network(load_checkpoint(weights), iterations=DEFAULT_ITERATIONS)
        rows.append([weights.name, *map(percent, shares(network, batches))])
    header = ['weights', 'thin, lost at 1/16 %', 'of these found again %']
    return markdown_table([*header, 'thin, wrong at the end %'], rows)


def shares(network: torch.nn.Module, batches: list[Batch]) -> tuple[float, float, float]:
    """Give the shares of thin foreground lost, of that found again, and wrong at the end."""
    lost, right = [], []
    for batch in batches:
        left, right_image, disparity, hidden = to_tensors(batch, 'cpu')
        with torch.no_grad():
            predictions = network.predict(left, right_image)
        coarse = [found for cell, found in predictions.coarse if cell == CELL][-1]
        coarse = torch.nn.functional.interpolate(coarse, scale_factor=CELL, mode='nearest')
        background = np.stack([behind(one) for one in batch.disparity])
        thin = torch.from_numpy(batch.disparity - background > STANDS_OUT_PX) & ~hidden[:, 0]
        lost.append(((coarse - disparity).abs() > LOST_PX)[:, 0][thin])
        right.append(((predictions.full - disparity).abs() <= FOUND_PX)[:, 0][thin])
    is_lost, is_right = torch.cat(lost), torch.cat(right)
    found = (is_lost & is_right).sum() / is_lost.sum()
    return float(is_lost.float().mean()), float(found), float((~is_right).float().mean())


def behind(disparity: np.ndarray) -> np.ndarray:
    """Return the disparity (H, W) without what is narrower than a cell in one direction."""
    sides = [
        cv2.getStructuringElement(cv2.MORPH_RECT, size) for size in ((CELL + 1, 1), (1, CELL + 1))
    ]
    opened = [cv2.morphologyEx(disparity, cv2.MORPH_OPEN, side) for side in sides]
    return np.minimum.reduce(opened)


if __name__ == '__main__':
    sys.exit(main())
