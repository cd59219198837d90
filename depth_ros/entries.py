"""Model entries: all facts of a model that nodes, commands and engines look up by name.

An entry is text and numbers: making one imports no network, and what it names is imported when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from depth_ros.tensors import OptionValue, Task

Names = Collection[str]
Extras = Mapping[str, OptionValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """How to recognise a network by its checkpoint.

    Attributes:
        beginnings: Each must begin the name of some parameter.
        describe: Describes the variant, from the parameters' names and the values
            beside them.
        needs_variant: Whether nothing in the file says which variant it is.
    """

    beginnings: tuple[str, ...]
    describe: Callable[[Names, Extras], str]
    needs_variant: bool = False

    def fits(self, names: Names) -> bool:
        """Whether a checkpoint with parameters of these names is one."""
        return all(has_beginning(names, beginning) for beginning in self.beginnings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """How a model serves one task.

    Attributes:
        factory: What makes the model, as ``'module:name'``. With engines it takes
            ``engine_height`` and ``engine_width``.
        arguments: What it takes beyond, by name: ``'settings.NAME'`` of the task's settings,
            ``'options.NAME'`` of the recipe's options, ``'training_rig.NAME'`` of the recipe's.
        graphs: Graphs of the recipe that it needs; empty for all.
        chosen_by: The task's setting that names the one of ``graphs`` to open; empty for all.
        defaults: What settings of the task take by name where nobody says.
        reads: Settings of the task, or groups of them, that change what it gives besides those
            that the factory takes.
    """

    factory: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    graphs: tuple[str, ...] = ()
    chosen_by: str = ''
    defaults: Mapping[str, float] = field(default_factory=dict)
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """All facts of one model; its weights are in ``weights/registry.yaml``.

    Attributes:
        name: Name in parameters and commands.
        title: Name in tables and pictures.
        summary: One line for ``depth-ros info`` and the docs.
        services: How it serves each of its tasks.
        needs_weights: Whether it runs a trained network; then it has a recipe.
        ships_weights: Whether these are in the package, so that it runs as it comes.
        shipped_licence: Licence of the weights in the package, where the recipe names others.
        recipe: Name of its recipe where that is another model's; empty for its own name.
        folder: For a model from another package: where ``NAME.yaml``, its recipe, is, and
            ``weights/`` with graphs that ship with it.
        signature: How to recognise its official checkpoints; None where there are none.
        former_name: What it was called before, ``'MODEL/VARIANT'``; empty if nothing else.
        tuning: What ``depth-ros finetune`` needs of it, as ``'module:name'``: a ``Student`` of
            ``depth_ros.training.finetune.students``, or for one camera alone what loads its
            networks; empty where it cannot be fine-tuned.
    """

    name: str
    title: str
    summary: str
    services: Mapping[Task, Service]
    needs_weights: bool = True
    ships_weights: bool = False
    shipped_licence: str = ''
    recipe: str = ''
    folder: Path | None = None
    signature: Signature | None = None
    former_name: str = ''
    tuning: str = ''

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that it serves."""
        return tuple(self.services)

    def load(self, task: Task) -> Callable:
        """Import and return what makes the model for a task."""
        factory: Callable = load_named(self.services[task].factory)
        return factory


def load_named(name: str) -> Any:
    """Import what ``'module:name'`` names.

    Raises:
        ImportError: If there is no such module.
        AttributeError: If the module has nothing of that name.
    """
    module, _, attribute = name.partition(':')
    return getattr(import_module(module), attribute)


def has_beginning(names: Names, beginning: str) -> bool:
    """Whether one of the names has this prefix."""
    return any(name.startswith(beginning) for name in names)


def always(text: str) -> Callable[[Names, Extras], str]:
    """Return a description function that ignores the checkpoint."""
    return lambda names, extras: text
