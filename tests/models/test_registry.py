"""The table of models is complete: what an entry names is there and fits together."""

from __future__ import annotations

import pytest

from depth_ros.engines.recipe import load_recipe
from depth_ros.models.registry import DEFAULT_MODELS, MODELS, models_of, shipped_model
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.networks import arguments_of, graphs_of
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task

SETTINGS = {
    Task.STEREO: StereoSettings(),
    Task.MONO: MonoSettings(),
    Task.MULTIVIEW: MultiViewSettings(),
    Task.MATCHING: MatchSettings(),
    Task.MOTION: MatchSettings(),
}
SERVICES = [(name, task) for name, entry in MODELS.items() for task in entry.tasks]


@pytest.mark.parametrize(('name', 'task'), SERVICES)
def test_every_model_can_be_made_as_its_entry_says(name: str, task: Task) -> None:
    entry, settings = MODELS[name], SETTINGS[task]
    service = entry.services[task]
    if not entry.needs_weights:
        assert entry.load(task)(**arguments_of(service, settings)).graphs == ()
        return
    recipe = load_recipe(entry.recipe or name)
    options = recipe.variant().options
    arguments = arguments_of(service, settings, options, recipe.training_rig)
    model = entry.load(task)(engine_height=64, engine_width=96, **arguments)
    assert set(model.graphs) == set(graphs_of(service, settings) or recipe.graphs)
    assert set(service.graphs) <= set(recipe.graphs)


def test_every_task_has_a_model_that_is_asked_for_where_nobody_says() -> None:
    for task, name in DEFAULT_MODELS.items():
        assert name in models_of(task)
    assert shipped_model(Task.MATCHING) == 'loftr_tiny'
    assert shipped_model(Task.STEREO) == 'crestereo_tiny'
