"""The loader: whoever is told that something is ready can take it at once, and only once."""

import threading

import pytest

from depth_ros.errors import EngineError

pytest.importorskip('rclpy', reason='no ROS')

from depth_ros.ros.node.loader import Loaded, ProcessorLoader
from depth_ros.tasks.stereo.settings import StereoSettings

TIMEOUT_S = 20.0


def taken_when_told(open_processor) -> tuple[ProcessorLoader, list[Loaded | None]]:
    """Open something; return the loader, and what could be taken at the moment it told."""
    told, found = threading.Event(), []

    def on_done() -> None:
        found.append(loader.take())
        told.set()

    loader: ProcessorLoader = ProcessorLoader(
        open_processor, lambda phase, fraction: None, on_done=on_done
    )
    loader.start(StereoSettings(model='sgbm'))
    assert told.wait(TIMEOUT_S)
    return loader, found


def test_a_processor_can_be_taken_as_soon_as_it_is_told() -> None:
    processor = object()
    loader, (loaded,) = taken_when_told(lambda settings, *, progress: processor)
    assert loaded is not None
    assert (loaded.processor, loaded.error) == (processor, None)
    assert loader.take() is None
    assert not loader.is_busy


def test_a_refusal_is_told_too() -> None:
    def refuse(settings, *, progress):
        raise EngineError('no such engine')

    _, (loaded,) = taken_when_told(refuse)
    assert loaded is not None
    assert loaded.processor is None
    assert str(loaded.error) == 'no such engine'


def test_a_defect_is_told_too() -> None:
    _, (loaded,) = taken_when_told(lambda settings, *, progress: 1 / 0)
    assert loaded is not None
    assert 'ZeroDivisionError' in str(loaded.error)
