"""Is thin foreground that the coarsest level has lost found again? The ablation of the row sight.

``python benchmarks/lost_foreground.py RECIPE=WEIGHTS [RECIPE=WEIGHTS ...]`` measures networks of
the small CREStereo on the synthetic validation set of the first recipe named. Thin foreground is
what stands at least 4 px before everything within 16 px (one cell of the coarsest level) on two
opposite sides, found by a morphological opening of the true disparity, and is visible to both
cameras. It is lost where the last disparity at 1/16 is off by more than 8 px, and found again
where the final disparity is within 2 px.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.crestereo.network_tiny import tiny_config
from depth_ros.scenes.layered.samples import Batch
from depth_ros.training.crestereo.task import TinyStereoTask, to_tensors
from depth_ros.training.crestereo.validation import validation_set
from depth_ros.training.photos import photo_folders
from depth_ros.training.recipe import find_recipe

CELL = 16
STANDS_OUT_PX = 4.0
LOST_PX, FOUND_PX = 8.0, 2.0


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('networks', nargs='+', metavar='RECIPE=WEIGHTS')
    parser.add_argument('--photos', type=Path, action='append', help='folders of photographs')
    parser.add_argument('--samples', type=int, default=64)
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    named = [text.split('=', 1) for text in arguments.networks]
    samples = find_recipe(named[0][0]).task.samples
    photos = tuple(arguments.photos) if arguments.photos else photo_folders()
    batches = validation_set(samples, photos, arguments.samples)
    print('| recipe | thin, lost at 1/16 % | of these found again % | thin, wrong at the end % |')
    print('| --- | --- | --- | --- |')
    for recipe, weights in named:
        lost, found, wrong = shares(load(recipe, Path(weights)), batches)
        print(f'| {recipe} | {100 * lost:.1f} | {100 * found:.1f} | {100 * wrong:.1f} |')
    return 0


def load(recipe: str, weights: Path) -> torch.nn.Module:
    """Make a recipe's network with these weights, which may lack the later parts."""
    task = find_recipe(recipe).task
    if not isinstance(task, TinyStereoTask):
        raise SystemExit(f'{recipe!r} is no recipe of crestereo_tiny; name one that is')
    state = load_checkpoint(weights)
    given = tiny_config(state, iterations=task.network.iterations[-1])
    config = replace(task.network, fine=given.fine, compare=given.compare)
    network = replace(task, network=config).build()
    load_strict(network, state)
    return network.eval()


def shares(network: torch.nn.Module, batches: list[Batch]) -> tuple[float, float, float]:
    """Give the shares of thin foreground lost, of that found again, and wrong at the end."""
    lost, right = [], []
    for batch in batches:
        left, right_image, disparity, hidden = to_tensors(batch, 'cpu')
        with torch.no_grad():
            predictions = network.predict(left, right_image)
        coarse = [found for cell, found in predictions.coarse if cell == CELL][-1]
        coarse = torch.nn.functional.interpolate(coarse, scale_factor=CELL, mode='nearest')
        thin = torch.from_numpy(thin_foreground(batch.disparity)) & ~hidden[:, 0]
        lost.append(((coarse - disparity).abs() > LOST_PX)[:, 0][thin])
        right.append(((predictions.full - disparity).abs() <= FOUND_PX)[:, 0][thin])
    is_lost, is_right = torch.cat(lost), torch.cat(right)
    found = (is_lost & is_right).sum() / is_lost.sum()
    return float(is_lost.float().mean()), float(found), float((~is_right).float().mean())


def thin_foreground(disparity: np.ndarray) -> np.ndarray:
    """Mark (N, H, W) pixels of objects narrower than a cell in one direction."""
    sides = [
        cv2.getStructuringElement(cv2.MORPH_RECT, size) for size in ((CELL + 1, 1), (1, CELL + 1))
    ]
    opened = [
        np.minimum.reduce([cv2.morphologyEx(one, cv2.MORPH_OPEN, side) for side in sides])
        for one in disparity
    ]
    return disparity - np.stack(opened) > STANDS_OUT_PX


if __name__ == '__main__':
    sys.exit(main())
