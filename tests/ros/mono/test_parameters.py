"""Parameters of the mono node are its settings, every one; and what opens an engine says so."""

from __future__ import annotations

from dataclasses import fields

import pytest

from depth_ros.errors import ParameterError
from depth_ros.models.registry import MODELS
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.node.parameters import NodeParameters
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.settings import settings_of
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode
from depth_ros.tensors import Task
from tests.kit.other_values import other_value

SPECS = {spec.name: spec for spec in MonoParameters.specs()}


def test_every_setting_of_the_task_is_a_parameter() -> None:
    names = [spec.name for spec in MonoParameters.specs()]
    settings = [setting.name for setting in settings_of(MonoSettings)]
    assert names[: len(settings)] == settings
    assert MonoParameters().settings == MonoSettings()


def test_choices_are_the_tables() -> None:
    assert set(SPECS['model'].choices) == {k for k, v in MODELS.items() if Task.MONO in v.tasks}
    assert set(SPECS['scale.mode'].choices) == {mode.value for mode in ScaleMode}
    assert SPECS['path'].choices == MODELS['tio_depth'].services[Task.MONO].graphs


def test_every_value_reaches_the_settings() -> None:
    parameters = MonoParameters.from_values({name: other_value(SPECS[name]) for name in SPECS})
    settings, defaults = parameters.settings, MonoSettings()
    for mine, default in (
        (settings, defaults),
        (settings.engine, defaults.engine),
        (settings.scale, defaults.scale),
        (settings.keyframes, defaults.keyframes),
    ):
        for entry in fields(mine):
            assert getattr(mine, entry.name) != getattr(default, entry.name), entry.name


@pytest.mark.parametrize('kind', [MonoParameters, StereoParameters])
def test_what_opens_an_engine_is_what_a_pipeline_depends_on(kind: type[NodeParameters]) -> None:
    key = kind().settings.pipeline_key
    for spec in kind.specs():
        if spec.name == 'scale.mode':
            continue
        changed = kind.from_values({spec.name: other_value(spec)}).settings.pipeline_key
        assert (changed != key) == spec.opens_engine, spec.name


def test_a_mode_without_what_it_needs_is_refused() -> None:
    for mode, name in (('fixed', 'factor'), ('camera_height', 'camera_height_m')):
        with pytest.raises(ParameterError, match=rf'scale\.{name}'):
            MonoParameters.from_values({'scale.mode': mode})
    with pytest.raises(ParameterError, match='min_depth_m must be below'):
        MonoParameters.from_values({'min_depth_m': 3.0, 'max_depth_m': 2.0})
