"""A stereo network for depth_ros from a package of its own. Importing this needs no torch."""

from pathlib import Path

from depth_ros.entries import ModelEntry, Service
from depth_ros.tensors import Task

ENTRY = ModelEntry(
    name='toy_stereo',
    title='Toy stereo',
    summary='Absolute differences over 32 pixels: a package to copy from',
    services={Task.STEREO: Service(factory='toy_stereo.model:ToyStereo')},
    folder=Path(__file__).parent,
)
