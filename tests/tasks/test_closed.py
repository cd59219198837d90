"""What is closed refuses, in the same words for every task, with or without engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import depth_ros
from depth_ros.errors import EngineError
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.multiview.processor import MultiViewProcessor

IMAGE = np.zeros((32, 32, 3), np.uint8)
OPENED: dict[str, Callable[[], Any]] = {
    'open_stereo': lambda: depth_ros.open_stereo(model='sgbm'),
    'open_matcher': lambda: depth_ros.open_matcher(model='sift'),
    'open_odometry': lambda: depth_ros.open_odometry(
        source='stereo', model='sift', depth_model='sgbm'
    ),
}
USED: dict[str, list[Callable[[Any], object]]] = {
    'open_stereo': [lambda one: one.process(None), lambda one: one.process_rectified(None)],
    'open_matcher': [lambda one: one(IMAGE, IMAGE), lambda one: one.match(None)],
    'open_odometry': [lambda one: one.process(None), lambda one: one.reset()],
}


@pytest.mark.parametrize('opener', OPENED)
def test_closed_ones_refuse_and_name_their_opener(opener: str) -> None:
    opened = OPENED[opener]()
    with opened:
        pass
    opened.close()
    for use in (*USED[opener], lambda one: one.__enter__()):
        with pytest.raises(EngineError, match=rf'is closed, .*depth_ros\.{opener}\(\)$'):
            use(opened)


@pytest.mark.parametrize('kind', [MonoProcessor, MultiViewProcessor])
def test_those_of_networks_do_as_well(kind: Any) -> None:
    closed = object.__new__(kind)
    closed.is_closed = True
    closed.settings = type('Settings', (), {'model': 'some'})()
    for use in (lambda: closed.process(None), closed.__enter__):
        with pytest.raises(EngineError, match=rf'depth_ros\.{kind.opener}\(\)$'):
            use()


def test_every_opener_is_there() -> None:
    for opener in (*OPENED, MonoProcessor.opener, MultiViewProcessor.opener):
        assert opener in depth_ros.__all__
