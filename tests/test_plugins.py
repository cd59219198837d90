"""A model from another package is found; a broken one is told and stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from depth_ros import plugins
from depth_ros.entries import ModelEntry, Service
from depth_ros.errors import ParameterError
from depth_ros.models.registry import model_entry, model_faults, models, models_of
from depth_ros.tensors import Task

BROKEN = {
    'absent': ('no_such_package:ENTRY', 'ModuleNotFoundError'),
    'wrong': ('json:dumps', 'json:dumps must be a ModelEntry, got function'),
    'renamed': ('tests.test_plugins:TOY', "its entry is named 'toy'"),
    'lacking': ('tests.test_plugins:LACKING', 'folder must say where its recipe is'),
}

SERVICES = {Task.STEREO: Service(factory='tests.kit.nowhere:Model')}
TOY = ModelEntry(name='toy', title='Toy', summary='A toy', services=SERVICES, needs_weights=False)
SGBM = ModelEntry(
    name='sgbm', title='Another', summary='A toy', services=SERVICES, needs_weights=False
)
LACKING = ModelEntry(name='lacking', title='Toy', summary='A toy', services=SERVICES)


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Entry points by name, as if packages had declared them."""
    values: dict[str, str] = {}

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == 'depth_ros.models'
        return [EntryPoint(name, value, group) for name, value in values.items()]

    monkeypatch.setattr(plugins, 'entry_points', entry_points)
    plugins.plugins.cache_clear()
    yield values
    plugins.plugins.cache_clear()


def test_a_declared_model_is_one_among_the_others(declared: dict[str, str]) -> None:
    declared['toy'] = 'tests.test_plugins:TOY'
    assert models()['toy'] is TOY and model_entry('toy', Task.STEREO) is TOY
    assert models_of(Task.STEREO)[0] == 'sgbm' and models_of(Task.STEREO)[-1] == 'toy'
    assert model_faults() == {}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_one_is_told_in_one_sentence_and_stops_nothing(
    name: str, declared: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    declared[name], expected = BROKEN[name]
    declared['toy'] = 'tests.test_plugins:TOY'
    assert set(models()) >= {'toy', 'sgbm'} and name not in models()
    (line,) = caplog.messages
    assert expected in line and '\n' not in line
    assert model_faults() == {name: line}
    with pytest.raises(ParameterError, match='cannot be used'):
        model_entry(name, Task.STEREO)


def test_a_name_that_is_taken_stays_with_this_package(declared: dict[str, str]) -> None:
    declared['sgbm'] = 'tests.test_plugins:SGBM'
    assert models()['sgbm'].title == 'SGBM'
    assert 'this package has one of that name' in model_faults()['sgbm']
