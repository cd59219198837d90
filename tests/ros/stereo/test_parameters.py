"""Parameters as data: described, checked, and the same as the settings they become. No ROS."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields

import pytest

from depth_ros.errors import ParameterError
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.settings import parse_size, settings_of
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.other_values import other_value
from tests.kit.shared_data import REPOSITORY


def test_every_setting_of_the_task_is_a_parameter() -> None:
    names = [spec.name for spec in StereoParameters.specs()]
    settings = [setting.name for setting in settings_of(StereoSettings)]
    assert names[: len(settings)] == settings
    assert StereoParameters().settings == StereoSettings()


def test_every_value_reaches_the_settings() -> None:
    """Set every parameter to something else; no field of the settings keeps its default."""
    changes = {spec.name: other_value(spec) for spec in StereoParameters.specs()}
    settings, defaults = StereoParameters.from_values(changes).settings, StereoSettings()
    for mine, default in (
        (settings, defaults),
        (settings.engine, defaults.engine),
        (settings.sgbm, defaults.sgbm),
    ):
        for entry in fields(mine):
            assert getattr(mine, entry.name) != getattr(default, entry.name), entry.name


def test_every_parameter_is_described() -> None:
    for spec in StereoParameters.specs():
        assert spec.description.endswith('.') and len(spec.description) > 10
        suffix = spec.name.rpartition('_')[2]
        units = {'m': 'm', 's': 's', 'px': 'px'}
        if suffix in units:
            assert spec.unit == units[suffix], spec.name


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('cloud_stride', 0, ['cloud_stride', '1..64', '0']),
        ('cloud_stride', True, ['integer', 'True']),
        ('cloud_stride', 2.0, ['integer', '2.0']),
        ('fill_holes', 1, ['bool']),
        ('model', 'psmnet', ['psmnet', 'sgbm', 'crestereo']),
        ('min_depth_m', math.nan, ['min_depth_m', 'nan']),
        ('baseline_m', -0.1, ['0..100 m']),
        ('size', '480', ['HEIGHTxWIDTH', '480x640']),
        ('size', '0x640', ['HEIGHTxWIDTH']),
        ('sgbm.num_disparities', 100, ['multiple of 16']),
        ('sgbm.smoothness_small', 40, ['below sgbm.smoothness_large']),
        ('color_max_disparity_px', -1.0, ['color_min_disparity_px']),
        ('max_detph_m', 1.0, ['max_detph_m', "did you mean 'max_depth_m'?"]),
        ('zzz', 1.0, ['docs/parameters.md']),
    ],
)
def test_refusals_name_parameter_value_and_remedy(
    name: str, value: object, words: list[str]
) -> None:
    with pytest.raises(ParameterError) as refusal:
        StereoParameters.from_values({name: value})
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_options_of_tensorrt_reach_the_settings_and_mistakes_are_named() -> None:
    words = 'low_memory=true workspace_mib=256'
    parameters = StereoParameters.from_values({'tensorrt': words})
    assert parameters.settings.engine.tensorrt == words
    with pytest.raises(ParameterError, match=r"tensorrt names 'dla', .* dla_core"):
        StereoParameters.from_values({'tensorrt': 'dla=0'})


def test_values_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ParameterError, match='min_depth_m must be below max_depth_m'):
        StereoParameters.from_values({'min_depth_m': 3.0, 'max_depth_m': 2.0})


def test_an_integer_will_do_for_a_double() -> None:
    value = StereoParameters.from_values({'max_depth_m': 10}).settings.max_depth_m
    assert (value, type(value)) == (10.0, float)


def test_changing_keeps_the_rest() -> None:
    first = StereoParameters.from_values({'cloud_stride': 4, 'size': '480x640'})
    second = first.changed({'cloud_stride': 2})
    assert (first.cloud_stride, second.cloud_stride) == (4, 2)
    assert second.settings.engine.size == (480, 640)
    assert parse_size('') is None


def test_parameters_import_without_ros() -> None:
    program = (
        'import sys; sys.modules["rclpy"] = None; sys.modules["cv2"] = None\n'
        'import depth_ros.ros.parameter_docs as docs; docs.outputs()'
    )
    subprocess.run([sys.executable, '-c', program], check=True, cwd=REPOSITORY)
