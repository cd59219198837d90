"""A setting is written once: parameters, files, docs and options are made from it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import Enum

import pytest

from depth_ros.cli.kit.commands import CommandParser
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.errors import ParameterError
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.ros import parameter_docs
from depth_ros.ros.node.parameters import NodeParameters
from depth_ros.ros.parameter_docs import parameters_markdown, parameters_yaml
from depth_ros.settings import (
    Setting,
    SettingError,
    Settings,
    described,
    nested,
    settings_from,
    settings_of,
    values_of,
)
from depth_ros.tasks.pipeline import NetworkSettings
from depth_ros.tasks.stereo.settings import StereoSettings


class Shape(Enum):
    ROUND = 'round'
    SQUARE = 'square'


@dataclass(frozen=True, kw_only=True, slots=True)
class HoleSettings(Settings):
    shape: Shape = described(Shape.ROUND, 'Shape of a hole.', opens_engine=True)
    width_m: float = described(
        0.5, 'Width of a hole.', unit='m', minimum=0.1, maximum=2.0, formerly='hole_size'
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DigSettings(NetworkSettings):
    depth_m: float = described(1.0, 'How deep to dig.', unit='m', minimum=0.0, flags=('--down',))
    is_wet: bool = described(False, 'Dig in the rain.')
    hole: HoleSettings = nested(HoleSettings, prefix='hole.', words='--hole')

    def check_together(self) -> None:
        if self.hole.width_m > self.depth_m:
            raise SettingError('{width_m} must not exceed {depth_m}; dig deeper')


@dataclass(frozen=True, kw_only=True)
class DigParameters(NodeParameters):
    settings: DigSettings = nested(DigSettings)


def parsed(*words: str) -> DigSettings:
    parser = CommandParser(prog='dig')
    add_settings(parser, DigSettings, title='dig')
    return read_settings(DigSettings, parser.parse_args(words))


def test_one_field_shows_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = next(spec for spec in DigParameters.specs() if spec.name == 'hole.width_m')
    assert (spec.default, spec.unit, spec.minimum, spec.maximum) == (0.5, 'm', 0.1, 2.0)
    monkeypatch.setattr(parameter_docs, 'NODES', {'dig': f'{__name__}:DigParameters'})
    row = '| `hole.width_m` | double | `0.5` | 0.1..2 m | yes | Width of a hole. |\n'
    assert row in parameters_markdown()
    entry = '    # Width of a hole.\n    # 0.1..2 m\n    hole.width_m: 0.5\n'
    assert entry in parameters_yaml('dig')
    parser = argparse.ArgumentParser()
    add_settings(parser, DigSettings, title='dig')
    told = ' '.join(parser.format_help().split())
    assert '--hole-width-m M Width of a hole. (0.1..2 m; default 0.5)' in told


@pytest.mark.parametrize(
    'words',
    [
        ('--hole-width-m', '0.25', '--hole-shape', 'square', '--depth-m', '3', '--is-wet'),
        ('--hole', 'width_m=0.25', '--hole', 'shape=square', '--down', '3', '--is-wet'),
    ],
)
def test_options_and_parameters_make_the_same(words: tuple[str, ...]) -> None:
    values = {'hole.width_m': 0.25, 'hole.shape': 'square', 'depth_m': 3, 'is_wet': True}
    made = DigParameters.from_values(values).settings
    assert parsed(*words) == made
    assert made.hole == HoleSettings(shape=Shape.SQUARE, width_m=0.25)
    assert settings_from(DigSettings, values_of(made)) == made


@pytest.mark.parametrize(
    ('values', 'words', 'said'),
    [
        ({'hole.width_m': 3.0}, ('--hole-width-m', '3'), 'must be within 0.1..2 m, got 3.0'),
        ({'hole.shape': 'flat'}, ('--hole-shape', 'flat'), "cannot be 'flat'"),
        ({'depth_m': 0.2}, ('--depth-m', '0.2'), 'must not exceed'),
    ],
)
def test_mistakes_are_told_by_the_name_that_was_typed(
    values: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    (name,) = values
    with pytest.raises(ParameterError, match=said) as as_parameter:
        DigParameters.from_values(values)
    assert name in str(as_parameter.value) and '--' not in str(as_parameter.value)
    with pytest.raises(ParameterError, match=said) as as_option:
        parsed(*words)
    assert words[0] in str(as_option.value) and name not in str(as_option.value)


def test_in_python_fields_are_named() -> None:
    with pytest.raises(ParameterError, match=r'^width_m must be within 0\.1\.\.2 m'):
        HoleSettings(width_m=0.0)
    with pytest.raises(ParameterError, match=r'^width_m must not exceed depth_m'):
        DigSettings(depth_m=0.3)


def test_a_former_name_says_the_new_one() -> None:
    with pytest.raises(ParameterError, match=r"'hole_size' is called 'hole\.width_m' now"):
        DigParameters.from_values({'hole_size': 1.0})
    with pytest.raises(ParameterError, match='--hole-size is called --hole-width-m now'):
        parsed('--hole-size', '1')


def test_what_opens_an_engine_is_the_key_of_a_pipeline() -> None:
    key = DigSettings().pipeline_key
    assert DigSettings(hole=HoleSettings(shape=Shape.SQUARE)).pipeline_key != key
    assert DigSettings(depth_m=5.0).pipeline_key == key


def test_the_largest_gradient_has_one_range() -> None:
    """OpenCV refuses more than 63."""
    (spec,) = (spec for spec in settings_of(StereoSettings) if spec.field == 'prefilter_cap')
    assert (spec.minimum, spec.maximum) == (1, 63)
    assert SgbmSettings(prefilter_cap=63).prefilter_cap == 63
    for make in (
        lambda: SgbmSettings(prefilter_cap=64),
        lambda: settings_from(StereoSettings, {'sgbm.prefilter_cap': 64}),
    ):
        with pytest.raises(ParameterError, match=r'prefilter_cap.* within 1\.\.63'):
            make()


def test_ranges_and_kinds_are_written_as_people_do() -> None:
    setting = Setting(name='n', field='n', default=1, description='', minimum=0, maximum=2**31 - 1)
    with pytest.raises(ParameterError, match=r'within 0\.\.2147483647, got -1'):
        setting.checked(-1, what='n')
    with pytest.raises(ParameterError, match=r"^n is an integer, got 'x'"):
        setting.checked('x', what='n')
