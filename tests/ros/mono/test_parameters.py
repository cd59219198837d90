"""Parameters of the mono node are its settings, every one; and what opens an engine says so."""

from __future__ import annotations

from dataclasses import fields

import pytest

from depth_ros.errors import ParameterError
from depth_ros.models.registry import MODELS
from depth_ros.ros.mono.parameters import MonoParameters, mono_settings
from depth_ros.ros.node.parameter_specs import ParameterSpec
from depth_ros.ros.node.parameters import NodeParameters
from depth_ros.ros.stereo.parameters import StereoParameters, stereo_settings
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode, ScaleSettings
from depth_ros.tensors import Task

SPECS = {spec.name: spec for spec in MonoParameters.specs()}


TEXTS = {'size': '96x128', 'tensorrt': 'low_memory=true'}


def test_defaults_are_those_of_the_settings() -> None:
    assert mono_settings(MonoParameters()) == MonoSettings()


def test_every_setting_is_a_parameter() -> None:
    for entry in fields(MonoSettings):
        assert entry.name in SPECS or entry.name == 'scale'
    for entry in fields(ScaleSettings):
        assert f'scale.{entry.name}' in SPECS


def test_choices_are_the_tables() -> None:
    assert set(SPECS['model'].choices) == {k for k, v in MODELS.items() if Task.MONO in v.tasks}
    assert set(SPECS['scale.mode'].choices) == {mode.value for mode in ScaleMode}
    assert SPECS['path'].choices == MODELS['tio_depth'].services[Task.MONO].graphs


def other(spec: ParameterSpec) -> object:
    """Give an allowed value that is not the default."""
    if spec.choices:
        return next(choice for choice in reversed(spec.choices) if choice != spec.default)
    if spec.kind is bool:
        return not spec.default
    if spec.kind is str:
        return TEXTS.get(spec.name, 'something')
    if spec.name in ('max_depth_m', 'color_max_disparity_px'):
        return 5.0
    if spec.name == 'sgbm.num_disparities':
        return 64
    if spec.name == 'sgbm.block_size':
        return 7
    if spec.kind is float and (spec.maximum or 9.0) <= 2.0:
        return spec.kind(spec.default) / 2 + 0.2
    return spec.kind(spec.default) + 1


def test_every_value_reaches_the_settings() -> None:
    settings = mono_settings(
        MonoParameters.from_values({spec.name: other(spec) for spec in SPECS.values()})
    )
    for mine, default in ((settings, MonoSettings()), (settings.scale, ScaleSettings())):
        for entry in fields(mine):
            assert getattr(mine, entry.name) != getattr(default, entry.name), entry.name


@pytest.mark.parametrize(
    ('kind', 'settings_of'),
    [(MonoParameters, mono_settings), (StereoParameters, stereo_settings)],
)
def test_what_opens_an_engine_is_what_a_pipeline_depends_on(
    kind: type[NodeParameters], settings_of: object
) -> None:
    key = settings_of(kind()).pipeline_key
    for spec in kind.specs():
        if spec.name == 'scale.mode':
            continue
        changed = settings_of(kind.from_values({spec.name: other(spec)})).pipeline_key
        assert (changed != key) == spec.opens_engine, spec.name


def test_a_mode_without_what_it_needs_is_refused() -> None:
    for mode, name in (('fixed', 'factor'), ('camera_height', 'camera_height_m')):
        with pytest.raises(ParameterError, match=rf'scale\.{name}'):
            mono_settings(MonoParameters.from_values({'scale.mode': mode}))
    with pytest.raises(ParameterError, match='min_depth_m must be below'):
        MonoParameters.from_values({'min_depth_m': 3.0, 'max_depth_m': 2.0})
