"""Which presets of a recipe ``preset: auto`` chooses from, and the one that suits an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from depth_ros.engines.choice import AUTO_PRESET, EngineChoice
from depth_ros.engines.recipe import Recipe
from depth_ros.files.share import find_share


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeStep:
    """A preset that may be taken.

    Attributes:
        preset: Its name.
        size: ``(height, width)`` of the engine.
    """

    preset: str
    size: tuple[int, int]

    @property
    def num_pixels(self) -> int:
        """Pixels of the engine's image."""
        return self.size[0] * self.size[1]


def steps_of(recipe: Recipe, choice: EngineChoice) -> tuple[SizeStep, ...]:
    """Return the presets to choose from, the smallest first, one of each size.

    Where no weights are named these are the presets whose graphs ship, if any do; others would
    have to be exported first.
    """
    found: dict[tuple[int, int], str] = {}
    for name, preset in recipe.presets.items():
        found.setdefault(preset.size, name)
    steps = [SizeStep(preset=name, size=size) for size, name in found.items()]
    shipped = [] if choice.weights else [step for step in steps if _ships(recipe, step.preset)]
    return tuple(sorted(shipped or steps, key=lambda step: step.num_pixels))


def fitting(steps: Sequence[SizeStep], image_size: tuple[int, int]) -> SizeStep:
    """Return the largest that an image needs not be enlarged for, else the smallest.

    Args:
        steps: As ``steps_of`` gives them; at least one.
        image_size: ``(height, width)``; its proportions are kept, so one side decides.
    """
    height, width = image_size
    enough = [step for step in steps if step.size[0] <= height or step.size[1] <= width]
    return max(enough or steps[:1], key=lambda step: step.num_pixels)


def settled(choice: EngineChoice, preset: str) -> EngineChoice:
    """Return a choice with ``preset`` in place of ``auto``; any other choice as it is."""
    is_open = choice.preset == AUTO_PRESET
    return replace(choice, preset='' if choice.size else preset) if is_open else choice


def _ships(recipe: Recipe, preset: str) -> bool:
    """Whether every graph of a preset ships."""
    variant = recipe.variant(preset=preset)
    stems = [recipe.stem(graph, variant) for graph in recipe.graphs]
    folders = ('weights', f'weights/{recipe.name}')
    return any(all(find_share(f'{folder}/{stem}.onnx') for stem in stems) for folder in folders)
