"""Results beside the bag: folders of files, Zarr, WebDataset. Each is one class of one interface.

A sink is filled from the finished bag, so that it holds the same and is the same bytes every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol, cast

from depth_ros.recordings.places import join, remove_tree
from depth_ros.recordings.result_frames import ResultFrame, frame_counts, result_frames
from depth_ros.recordings.result_settings import SinkSettings


class FrameSink(Protocol):
    """Takes the frames of a result."""

    def add(self, frame: ResultFrame) -> None:
        """Write a frame.

        Raises:
            DepthRosError: If the disk is full.
        """

    def finish(self) -> None:
        """Write what is left."""


class OpensSink(Protocol):
    """A class of sinks."""

    def __call__(self, folder: str, *, counts: Mapping[str, int], shard_frames: int) -> FrameSink:
        """Begin.

        Args:
            folder: Where everything goes; it does not exist.
            counts: Messages of every topic.
            shard_frames: Frames of a file, where a file holds several.
        """


_HERE = 'depth_ros.recordings'
SINKS: dict[str, str] = {
    'files': f'{_HERE}.files_sink:FilesSink',
    'zarr': f'{_HERE}.zarr_sink:ZarrSink',
    'webdataset': f'{_HERE}.webdataset_sink:WebDatasetSink',
}
"""``module:class`` of every sink, by its switch, which is also the ending of its folder."""


def write_sinks(settings: SinkSettings, bag: str, out: str, name: str) -> None:
    """Write what is asked for of a result, and delete what is not.

    Args:
        settings: What is asked for.
        bag: The result's bag.
        out: Folder of results.
        name: Name of the recording.

    Raises:
        DepthRosError: If a library is missing or the disk is full.
    """
    folders = {kind: join(out, f'{name}.{kind}') for kind in SINKS}
    for folder in folders.values():
        remove_tree(folder)
    wanted = [kind for kind in SINKS if getattr(settings, kind)]
    if not wanted:
        return
    counts = frame_counts(bag)
    sinks = [
        _opener(kind)(folders[kind], counts=counts, shard_frames=settings.shard_frames)
        for kind in wanted
    ]
    for frame in result_frames(bag):
        for sink in sinks:
            sink.add(frame)
    for sink in sinks:
        sink.finish()


def expect_libraries(settings: SinkSettings) -> None:
    """Require what the sinks need, before hours of work.

    Raises:
        DepthRosError: Naming the package and how to install it.
    """
    for kind in SINKS:
        if getattr(settings, kind):
            check = getattr(import_module(SINKS[kind].partition(':')[0]), 'expect_library', None)
            if check is not None:
                cast('Callable[[], None]', check)()


def _opener(kind: str) -> OpensSink:
    module, _, attribute = SINKS[kind].partition(':')
    return cast('OpensSink', getattr(import_module(module), attribute))
