"""LoFTR's NumPy side: fit two images to the engine, bring the matches back to their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import ImagePair
from depth_ros.geometry.preprocess import Placement, place_image
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import MatchResult
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

GRAPH = 'loftr'


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPlacement:
    """Where both images lie inside the engine's."""

    first: Placement
    second: Placement


class LoftrModel:
    """Detector-free matching; ``Model[ImagePair, MatchResult]``.

    An image is scaled by one factor until it fills the engine's height or width; the rest is
    padding, which the network is told to ignore. Points of the first image lie on a grid of
    ``cell_px`` engine pixels; those of the second are refined, unless the network is the coarse
    student. Confidence is the network's: 0.2 is the paper's threshold, the student's is 0.01.
    """

    name = 'loftr'
    graphs: tuple[str, ...] = (GRAPH,)

    def __init__(self, *, engine_height: int, engine_width: int, cell_px: int = 8) -> None:
        """Describe the engine the images are fitted to.

        Args:
            engine_height: Rows of the engine's inputs.
            engine_width: Columns of the engine's inputs.
            cell_px: Edge of a coarse cell: 8, and 16 for the coarse student.

        Raises:
            ParameterError: If the sizes are not multiples of the cell.
        """
        sizes = (engine_height, engine_width)
        if cell_px <= 0 or min(sizes) < cell_px or any(size % cell_px for size in sizes):
            raise ParameterError(
                f'engine_height and engine_width must be multiples of the cell of {cell_px} px, '
                f'got {engine_height} and {engine_width}; take them from the engine'
            )
        self._engine_size = sizes
        self._cell_px = cell_px
        cells = (1, engine_height // cell_px, engine_width // cell_px)
        self._outputs = (
            TensorSpec(name='confidence', shape=cells, dtype='float32'),
            TensorSpec(name='points', shape=(*cells, 2), dtype='float32', unit='px'),
        )

    def preprocess(self, frame: ImagePair) -> Prepared[PairPlacement]:
        """Convert to grey, then scale: uint8 (1, H, W, 1) images and (1, h, w) cell masks."""
        context = PairPlacement(
            first=self._placement(frame.first), second=self._placement(frame.second)
        )
        feeds = {
            'first': _grey(frame.first, context.first),
            'second': _grey(frame.second, context.second),
            'first_mask': self._cell_mask(frame.first_mask, context.first),
            'second_mask': self._cell_mask(frame.second_mask, context.second),
        }
        return Prepared(feeds=feeds, context=context)

    def infer(self, engines: Engines, prepared: Prepared[PairPlacement]) -> Tensors:
        """Run the one graph."""
        return engines[GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[PairPlacement], frame: ImagePair
    ) -> MatchResult:
        """Return the matches in pixels of the original images, most confident first."""
        check_tensors(outputs, self._outputs, what="outputs of 'loftr'")
        confidence = outputs['confidence'][0]
        cells = np.argwhere(confidence > 0)
        rows, columns = cells.T
        order = np.argsort(-confidence[rows, columns], kind='stable')
        rows, columns = rows[order], columns[order]
        first = np.stack([columns, rows], axis=1) * self._cell_px
        first = unplaced_points(first, prepared.context.first)
        second = unplaced_points(outputs['points'][0, rows, columns], prepared.context.second)
        kept = _are_wanted(first, frame.first, frame.first_mask)
        kept &= _are_wanted(second, frame.second, frame.second_mask)
        return MatchResult(
            points_first=first[kept],
            points_second=second[kept],
            confidence=confidence[rows, columns][kept],
        )

    def _placement(self, image: np.ndarray) -> Placement:
        """Fill the engine's height or width, enlarging small images too."""
        height, width = image.shape[:2]
        engine_height, engine_width = self._engine_size
        scale = min(engine_height / height, engine_width / width)
        return Placement(
            frame_height=height,
            frame_width=width,
            placed_height=min(engine_height, max(1, round(height * scale))),
            placed_width=min(engine_width, max(1, round(width * scale))),
            engine_height=engine_height,
            engine_width=engine_width,
        )

    def _cell_mask(self, mask: np.ndarray | None, placement: Placement) -> np.ndarray:
        """Mark the cells whose point lies on the image and on the wanted part of it."""
        height, width = self._engine_size
        rows, columns = np.arange(0, height, self._cell_px), np.arange(0, width, self._cell_px)
        is_row, is_column = rows < placement.placed_height, columns < placement.placed_width
        cells = is_row[:, np.newaxis] & is_column[np.newaxis, :]
        if mask is not None:
            corner = unplaced_points(np.stack([columns[is_column]] * 2, axis=1), placement)
            x = _nearest(corner[:, 0], placement.frame_width)
            corner = unplaced_points(np.stack([rows[is_row]] * 2, axis=1), placement)
            y = _nearest(corner[:, 1], placement.frame_height)
            cells[: len(y), : len(x)] = mask[np.ix_(y, x)]
        return cells[np.newaxis].astype(np.uint8)


def coarse_model(*, engine_height: int, engine_width: int) -> LoftrModel:
    """Return the model of the coarse student, whose cells are of 16 px."""
    return LoftrModel(engine_height=engine_height, engine_width=engine_width, cell_px=16)


def unplaced_points(points: np.ndarray, placement: Placement) -> np.ndarray:
    """Take (N, 2) engine pixels (x, y) back to the frame, float32; pixel centres are integers."""
    factors = (
        placement.frame_width / placement.placed_width,
        placement.frame_height / placement.placed_height,
    )
    frame = (np.asarray(points, np.float64) + 0.5) * factors - 0.5
    return np.asarray(frame, np.float32)


def _grey(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Grey first and scaled then, as the images were that the weights were trained with."""
    placed = place_image(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), placement)
    return np.ascontiguousarray(placed)[np.newaxis, :, :, np.newaxis]


def _are_wanted(points: np.ndarray, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Whether (N, 2) points lie on the image and on the wanted part of it."""
    height, width = image.shape[:2]
    limits = np.array([width - 0.5, height - 0.5])
    kept = np.asarray(((points >= -0.5) & (points < limits)).all(axis=1))
    if mask is not None:
        x, y = _nearest(points[:, 0], width), _nearest(points[:, 1], height)
        kept &= mask[y, x]
    return kept


def _nearest(coordinates: np.ndarray, size: int) -> np.ndarray:
    return np.clip(np.rint(coordinates), 0, size - 1).astype(np.intp)
