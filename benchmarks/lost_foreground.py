"""Is thin foreground that the coarsest level has lost found again? The measure of the row sight.

``python benchmarks/lost_foreground.py WEIGHTS [WEIGHTS ...]`` measures networks of the small
CREStereo on the synthetic validation set of the first stage of its recipe. Thin foreground is
what stands at least 4 px before everything within 16 px (one cell of the coarsest level) on two
opposite sides, found by a morphological opening of the true disparity, and is visible to both
cameras. It is lost where the last disparity at 1/16 is off by more than 8 px, and found again
where the final disparity is within 2 px.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.models.crestereo_tiny.network import DEFAULT_ITERATIONS, tiny_network
from depth_ros.scenes.layered.samples import Batch
from depth_ros.training.crestereo.task import to_tensors
from depth_ros.training.photos import photo_folders
from depth_ros.training.recipe import find_recipe
from depth_ros.training.task import DataFolders

CELL = 16
STANDS_OUT_PX = 4.0
LOST_PX, FOUND_PX = 8.0, 2.0


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('networks', nargs='+', type=Path, metavar='WEIGHTS')
    parser.add_argument('--photos', type=Path, action='append', help='folders of photographs')
    parser.add_argument('--samples', type=int, default=64)
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    photos = tuple(arguments.photos) if arguments.photos else photo_folders()
    pairs = find_recipe('crestereo_tiny').task.pairs
    batches = pairs.validation(DataFolders(photos=photos), arguments.samples)
    print('| weights | thin, lost at 1/16 % | of these found again % | thin, wrong at the end % |')
    print('| --- | --- | --- | --- |')
    for weights in arguments.networks:
        network = tiny_network(load_checkpoint(weights), iterations=DEFAULT_ITERATIONS)
        lost, found, wrong = shares(network, batches)
        print(f'| {weights.name} | {100 * lost:.1f} | {100 * found:.1f} | {100 * wrong:.1f} |')
    return 0


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
