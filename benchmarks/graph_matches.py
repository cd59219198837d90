"""Do two exports of a matching network find the same matches on real images?

    python benchmarks/graph_matches.py BEFORE.onnx AFTER.onnx FOLDER [--threshold 0.2]

Neighbours in every folder of images below FOLDER are matched by both graphs in OpenVINO. A match
is the same if it leaves the same cell and ends within 0.05 px of the other's; counted are those
that either graph has, all of them and those above the threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import openvino as ov

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.files.image import read_rgb
from depth_ros.frames import ImagePair
from depth_ros.models.loftr.model import LoftrModel
from depth_ros.tensors import Tensors

ENDINGS = {'.png', '.jpg'}
NO_PICTURES = ('depth', 'disp', 'GT', 'mask')
"""Parts of names of maps that are no pictures."""
SAME_PX = 0.05


@dataclass(slots=True)
class Tally:
    """What was found in all pairs."""

    pairs: int = 0
    either: int = 0
    same: int = 0
    either_sure: int = 0
    same_sure: int = 0
    confidence: float = 0.0
    px: float = 0.0

    def add(self, before: Tensors, after: Tensors, threshold: float) -> None:
        """Count the matches of one pair."""
        sure0, sure1 = before['confidence'], after['confidence']
        distance = np.linalg.norm(before['points'] - after['points'], axis=-1)
        both = (sure0 > 0) & (sure1 > 0)
        same = both & (distance < SAME_PX)
        self.pairs += 1
        self.either += int(((sure0 > 0) | (sure1 > 0)).sum())
        self.same += int(same.sum())
        self.either_sure += int(((sure0 > threshold) | (sure1 > threshold)).sum())
        self.same_sure += int((same & (sure0 > threshold) & (sure1 > threshold)).sum())
        self.confidence = max(self.confidence, float(np.abs(sure0 - sure1)[both].max(initial=0.0)))
        self.px = max(self.px, float(distance[both].max(initial=0.0)))


def neighbours(root: Path) -> Iterator[tuple[Path, Path]]:
    """Return pictures that follow one another in a folder."""
    for folder in sorted({path.parent for path in root.rglob('*') if path.suffix in ENDINGS}):
        if any(word in folder.name for word in NO_PICTURES):
            continue
        files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
        files = [path for path in files if not any(word in path.stem for word in NO_PICTURES)]
        yield from pairwise(files)


def main() -> int:
    """Compare, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('graphs', nargs=2, type=Path, metavar='FILE.onnx')
    parser.add_argument('folder', type=Path)
    parser.add_argument('--threshold', type=float, default=0.2)
    arguments = parser.parse_args()
    core, config = ov.Core(), {'INFERENCE_PRECISION_HINT': 'f32'}
    before, after = (core.compile_model(path, 'CPU', config) for path in arguments.graphs)
    _, height, width, _ = before.input('first').shape
    model, tally = LoftrModel(engine_height=height, engine_width=width), Tally()
    for first, second in neighbours(arguments.folder):
        pair = ImagePair(first=read_rgb(first), second=read_rgb(second))
        feeds = dict(model.preprocess(pair).feeds)
        tally.add(run(before, feeds), run(after, feeds), arguments.threshold)
    print(tally)
    return 0


def run(graph: ov.CompiledModel, feeds: dict[str, np.ndarray]) -> Tensors:
    """Return the outputs by name, copied."""
    results = graph(feeds)
    return {name: results[name].copy() for name in ('confidence', 'points')}


if __name__ == '__main__':
    sys.exit(main())
