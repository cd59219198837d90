"""A picture of training samples of a recipe."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from depth_ros.pictures.panels import write_picture
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.task import DataFolders

SAMPLES_PER_ROW = 2


def draw_contact_sheet(
    recipe: TrainRecipe, folders: DataFolders, picture: Path, *, samples: int = 20
) -> None:
    """Draw ``samples`` samples into a PNG or JPEG, two in a row."""
    stream = recipe.task.source(folders).batches(batch_size=SAMPLES_PER_ROW)
    # Neighbours in the stream may share a scene; every fifth batch rarely does.
    chosen = islice(stream, 0, 5 * samples // SAMPLES_PER_ROW, 5)
    rows = [
        np.hstack([tile for row in recipe.task.tiles(batch) for tile in row]) for batch in chosen
    ]
    write_picture(picture, np.vstack(rows).astype(np.uint8))
