"""Recipes: every shipped one loads and fits its model; every mistake names file and key."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.recipe import (
    TrainingRig,
    format_size,
    load_recipe,
    parse_size,
    read_recipe,
    recipe_names,
)
from depth_ros.errors import RecipeError
from depth_ros.models.registry import MODELS
from depth_ros.tensors import Task

TOY: dict = {
    'name': 'toy',
    'summary': 'two graphs for tests',
    'tasks': ['stereo', 'mono'],
    'network': 'toy_network',
    'weights': {
        'file': 'toy.pth',
        'sha256': 'a' * 64,
        'licence': 'MIT',
        'homepage': 'https://example.org',
    },
    'size': '12x20',
    'min_size': '8x8',
    'size_multiple': 4,
    'options': {
        'steps': {'short': 'st', 'default': 2, 'min': 1, 'max': 8},
        'side': {'short': 'sd', 'default': 'left', 'choices': ['left', 'right']},
        'gain': {'short': 'g', 'default': 1.5},
    },
    'presets': {'fast': {'size': '8x12', 'steps': 1}, 'other': {'size': '16x20', 'side': 'right'}},
    'graphs': {
        'features': {'options': [], 'tolerances': {'f32': {'*': {'mean': 0.1}}}},
        'update': {
            'options': ['steps', 'side'],
            'also_low': ['products'],
            'tolerances': {
                'f32': {'flow': {'mean': 0.1, 'max': 1}},
                'bf16': {'flow': {'mean': 1, 'outlier_above': 2, 'outlier_fraction': 0.1}},
            },
        },
    },
}


RIG: dict = {'metres_per_unit': 5.4, 'focal_over_width': 0.58}


def write(tmp_path: Path, body: object) -> Path:
    path = tmp_path / 'toy.yaml'
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return path


@pytest.mark.parametrize('name', recipe_names())
def test_every_shipped_recipe_fits_its_model(name: str) -> None:
    recipe = load_recipe(name)
    entry = MODELS[name]
    assert entry.needs_weights
    assert recipe.tasks == entry.tasks
    assert find_spec(recipe.network) is not None
    for graph in recipe.graphs.values():
        assert graph.tolerances['f32']
    stems = {
        recipe.stem(graph, recipe.variant(preset=preset))
        for preset in recipe.presets
        for graph in recipe.graphs
    }
    assert len(stems) == len(recipe.presets) * len(recipe.graphs)


def test_every_model_with_weights_has_a_recipe() -> None:
    needed = {entry.recipe or entry.name for entry in MODELS.values() if entry.needs_weights}
    assert needed == set(recipe_names())


@pytest.mark.parametrize('name', recipe_names())
def test_network_accepts_every_preset(name: str) -> None:
    """The recipe's sizes and options are the network's; nothing is exported here."""
    pytest.importorskip('torch', reason='torch is absent')
    from depth_ros.engines.export import load_state, make_exportable

    recipe = load_recipe(name)
    state = load_state(recipe, 'synthetic:0')
    for preset in [None, *recipe.presets]:
        variant = recipe.variant(preset=preset)
        for graph in recipe.graphs:
            exportable = make_exportable(recipe, graph, variant, state)
            limits = recipe.graph(graph).tolerances['f32']
            for spec in exportable.outputs:
                assert spec.name in limits or '*' in limits


def test_crestereo_default_is_named_as_in_the_docs() -> None:
    recipe = load_recipe('crestereo')
    assert recipe.stem('crestereo', recipe.variant()) == 'crestereo-240x320-it4-st1'
    assert recipe.build_command() == 'depth-ros build crestereo --weights FILE --size 240x320'


def test_toy_recipe_reads_every_field(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, TOY))
    assert recipe.tasks == (Task.STEREO, Task.MONO)
    assert recipe.weights.licence == 'MIT'
    assert recipe.graph('update').tolerances['bf16']['flow'] == Tolerance(
        mean=1, outlier_above=2, outlier_fraction=0.1
    )
    assert recipe.graph('update').also_low == ('products',)
    assert recipe.graph('features').also_low == ()
    fast = recipe.variant(preset='fast', options={'side': 'right'})
    assert fast.size == (8, 12)
    assert fast.options == {'steps': 1, 'side': 'right', 'gain': 1.5}
    assert recipe.stem('update', fast) == 'toy-update-8x12-st1-sdright'
    assert recipe.stem('features', fast) == 'toy-features-8x12'
    assert recipe.variant(preset='fast', size=(16, 16)).size == (16, 16)
    assert recipe.build_command(fast) == (
        'depth-ros build toy --weights FILE --size 8x12 --option steps=1 --option side=right'
    )


REMOVE = object()


@pytest.mark.parametrize(
    ('keys', 'value', 'words'),
    [
        (['name'], 'other', ['name', "'toy'"]),
        (['name'], REMOVE, ['name', 'expected a value']),
        (['summary'], '', ['summary', 'a text']),
        (['summary'], 3, ['summary', 'got 3']),
        (['tasks'], ['flying'], ['tasks', 'stereo', 'flying']),
        (['tasks'], [], ['tasks']),
        (['tasks'], 'stereo', ['tasks', 'a list']),
        (['weights'], REMOVE, ['weights']),
        (['weights', 'sha256'], 'abc', ['weights.sha256', '64 hexadecimal']),
        (['weights', 'size'], 3, ['weights.size', 'only the keys']),
        (['size'], '240', ['size', 'HEIGHTxWIDTH']),
        (['size'], [12, 20], ['size', 'a text']),
        (['size'], '13x20', ['multiples of 4x4', '13x20', '16x20']),
        (['size'], '4x4', ['at least 8x8', '4x4']),
        (['size_multiple'], 0, ['size_multiple', 'positive']),
        (['size_multiple'], True, ['size_multiple', 'positive']),
        (['size_multiple'], '4x16', ['size and options', 'multiples of 4x16', '12x20', '12x32']),
        (['size_multiple'], '4', ['size_multiple', 'HEIGHTxWIDTH']),
        (['options', 'steps', 'default'], 9, ['options.steps', '<= 8', 'got 9']),
        (['options', 'steps', 'default'], None, ['options.steps.default']),
        (['options', 'side', 'default'], 'up', ['options.side', 'left', 'up']),
        (['options', 'steps'], 3, ['options.steps', 'a mapping']),
        (['presets', 'fast', 'stepz'], 3, ['presets.fast', "no option 'stepz'"]),
        (['presets', 'fast', 'steps'], 'two', ["'steps'", "'two'"]),
        (['presets', 'fast', 'size'], '9x9', ['multiples of 4']),
        (['graphs'], {}, ['graphs', 'at least one']),
        (['graphs', 'update', 'options'], ['steps', 'up'], ['graphs.update.options', 'up']),
        (['graphs', 'update', 'tolerances', 'f32'], REMOVE, ["'f32'", 'tolerances']),
        (
            ['graphs', 'update', 'tolerances', 'f32', 'flow', 'mean'],
            -1,
            ['graphs.update.tolerances.f32.flow.mean', '>= 0'],
        ),
        (
            ['graphs', 'update', 'tolerances', 'f32', 'flow', 'mean'],
            float('nan'),
            ['graphs.update.tolerances.f32.flow.mean', 'nan'],
        ),
        (['surplus'], 1, ['surplus', 'only the keys']),
        (['training_rig'], 5.4, ['training_rig', 'a mapping']),
        (['training_rig'], {'metres_per_unit': 5.4}, ['training_rig.focal_over_width']),
        (
            ['training_rig'],
            {'metres_per_unit': 0, 'focal_over_width': 0.58},
            ['training_rig', 'above 0'],
        ),
        (['training_rig'], {**RIG, 'baseline': 1}, ['training_rig.baseline', 'only the keys']),
        (['training_rig'], {**RIG, 'needs_stereo_weights': 1}, ['true or false', 'got 1']),
        (['weights', 'siblings'], 'other', ['weights.siblings', 'a list']),
        (['graphs', 'update', 'also_low'], ['sums'], ['update.also_low', 'similarities', 'sums']),
        (['graphs', 'update', 'also_low'], 'products', ['update.also_low', 'a list']),
        (['graphs', 'update', 'parts'], [1], ['graphs.update.parts', 'a list of texts']),
        (['tensorrt'], {'workspace': 1}, ['tensorrt', "'workspace', which is no option"]),
        (['tensorrt'], {'workspace_mib': '512'}, ['tensorrt', "a whole number, got '512'"]),
        (['tensorrt'], {'low_memory': 1}, ['tensorrt', 'true or false, got 1']),
        (['tensorrt'], {'optimization_level': 6}, ['tensorrt', '-1 to 5, got 6']),
    ],
)
def test_mistakes_name_file_and_key(
    tmp_path: Path, keys: list[str], value: object, words: list[str]
) -> None:
    body = copy.deepcopy(TOY)
    target = body
    for key in keys[:-1]:
        target = target[key]
    if value is REMOVE:
        del target[keys[-1]]
    else:
        target[keys[-1]] = value
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(tmp_path, body))
    for word in ['toy.yaml', *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize('content', ['', '[1, 2]', 'a: [', '1: 2', '!!python/object:os.system {}'])
def test_files_that_are_no_recipe_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'toy.yaml'
    path.write_text(content)
    with pytest.raises(RecipeError, match=r'toy\.yaml'):
        read_recipe(path)


def test_what_a_recipe_may_leave_out(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, TOY))
    assert recipe.training_rig is None and recipe.weights.siblings == ()
    assert recipe.graph('update').parts == ()
    body = copy.deepcopy(TOY)
    body['training_rig'] = RIG
    body['weights']['siblings'] = ['other']
    body['graphs']['update']['parts'] = ['pose']
    recipe = read_recipe(write(tmp_path, body))
    assert recipe.training_rig == TrainingRig(metres_per_unit=5.4, focal_over_width=0.58)
    assert recipe.weights.siblings == ('other',) and recipe.graph('update').parts == ('pose',)


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, TOY))
    with pytest.raises(RecipeError, match="no preset 'slow'; use one of: fast, other"):
        recipe.variant(preset='slow')
    with pytest.raises(RecipeError, match="no option 'speed'; it has: steps, side, gain"):
        recipe.variant(options={'speed': 1})
    with pytest.raises(RecipeError, match="no graph 'head'; use one of: features, update"):
        recipe.graph('head')
    with pytest.raises(RecipeError, match=r"no recipe 'crestero'.*crestereo"):
        load_recipe('crestero')


@pytest.mark.parametrize('value', [True, 2.0, '2', 0, 9])
def test_option_values_keep_type_and_range(tmp_path: Path, value: object) -> None:
    recipe = read_recipe(write(tmp_path, TOY))
    with pytest.raises(RecipeError, match="option 'steps' must be int >= 1"):
        recipe.variant(options={'steps': value})  # type: ignore[dict-item]


@pytest.mark.parametrize('text', ['', '240', '240x', 'x320', '0x320', '240x320x3', '-2x3', '2*3'])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(RecipeError, match='HEIGHTxWIDTH'):
        parse_size(text)


def test_size_round_trip() -> None:
    assert parse_size('240x320') == (240, 320)
    assert format_size(parse_size(' 720x1280 ')) == '720x1280'


def test_recipe_may_name_options_of_tensorrt(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, TOY)).tensorrt == {}
    options = {'workspace_mib': 512, 'low_memory': True, 'builder': 'torch_tensorrt'}
    assert read_recipe(write(tmp_path, {**TOY, 'tensorrt': options})).tensorrt == options
