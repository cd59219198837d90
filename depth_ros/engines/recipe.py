"""Recipes: per model, which graphs there are, at which sizes, options and tolerances.

They are YAML files in ``engines/``, installed into ``share/depth_ros/engines``. Nothing in them
is code; every key is checked, so a typing mistake is an error that names the file and the key.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from depth_ros import plugins
from depth_ros.engines.calibrations import INT8
from depth_ros.engines.checks.gate_measures import Measure, read_measure
from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.runtime import ALSO_LOW
from depth_ros.engines.tensorrt.options import GpuOptions, from_mapping
from depth_ros.errors import EngineError, RecipeError
from depth_ros.files.checked_yaml import Section
from depth_ros.files.share import share_roots
from depth_ros.tensors import EngineInfo, Options, OptionValue, Task

FOLDER = 'engines'
FULL_PRECISION = 'f32'
_SIZE = re.compile(r'(\d+)x(\d+)')


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsSource:
    """Official weights.

    Attributes:
        file: File name as published.
        sha256: Its hash, or None where it is not published.
        licence: SPDX name or a few words.
        homepage: Page that offers it.
        siblings: Names, without endings, of further files under the same licence.
    """

    file: str
    sha256: str | None
    licence: str
    homepage: str
    siblings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A number or word that changes the graph.

    Attributes:
        name: Name, as ``exportable`` takes it.
        short: Abbreviation in file names, e.g. ``'it'`` in ``crestereo-240x320-it4``.
        default: Value if none is given.
        min: Smallest number, or None.
        max: Largest number, or None.
        choices: The only values allowed; empty for a range.
    """

    name: str
    short: str
    default: OptionValue
    min: float | None = None
    max: float | None = None
    choices: tuple[OptionValue, ...] = ()

    def check(self, value: OptionValue, *, where: str) -> None:
        """Refuse a value of another type, outside the range or not among the choices.

        Raises:
            RecipeError: Naming the option, what is allowed and what came.
        """
        if type(value) is not type(self.default) or not self._allows(value):
            raise RecipeError(
                f'{where}: option {self.name!r} must be {self.describe()}, got {value!r}; '
                'set it to an allowed value'
            )

    def describe(self) -> str:
        """Return what is allowed."""
        if self.choices:
            return f'one of {list(self.choices)}'
        kind = type(self.default).__name__
        bounds = [f'>= {self.min}' if self.min is not None else '']
        bounds.append(f'<= {self.max}' if self.max is not None else '')
        return ' '.join([kind, *filter(None, bounds)])

    def _allows(self, value: OptionValue) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, (str, bool)):
            return True
        low = self.min is None or value >= self.min
        return low and (self.max is None or value <= self.max)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A named size with option values."""

    size: tuple[int, int]
    options: Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """One graph of a recipe.

    Attributes:
        name: Name, as ``exportable`` takes it and ``Model.graphs`` lists it.
        options: Names of the recipe's options that change it.
        tolerances: Limits by precision, then by output; the precisions it offers are its keys.
        parts: Parts of the weights it needs, where a checkpoint may lack some.
        gate: What reduced precision may change on the gate images; None refuses it.
        gate_inputs: Module whose ``gate_feeds`` makes the gate's inputs out of the graphs before
            this one, where they are no images; empty where they are.
        is_geometry: Whether it stays in float32, whatever precision the recipe is opened in.
        also_low: What else, out of ``ALSO_LOW``, runs in the lower precision where the runtime
            leaves the choice.
        int8: Beginnings of the names of the weights whose layers run in int8 when that is asked
            for; empty keeps the graph in float32 then.
    """

    name: str
    options: tuple[str, ...]
    tolerances: Mapping[str, Mapping[str, Tolerance]]
    parts: tuple[str, ...] = ()
    gate: Measure | None = None
    gate_inputs: str = ''
    is_geometry: bool = False
    also_low: tuple[str, ...] = ()
    int8: tuple[str, ...] = ()

    def precision(self, asked: str) -> str:
        """Precision that this graph runs in when the recipe is opened in ``asked``."""
        is_kept = self.is_geometry or (asked == INT8 and not self.int8)
        return FULL_PRECISION if is_kept else asked


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRig:
    """The camera that the weights were trained with; it gives relative depth its scale.

    Attributes:
        metres_per_unit: Metres per unit of the network's depth, for that camera.
        focal_over_width: Its focal length divided by the image's width.
        needs_stereo_weights: Whether it holds only for weights that say they were trained on
            stereo pairs, because the same network is also trained without any scale.
    """

    metres_per_unit: float
    focal_over_width: float
    needs_stereo_weights: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A size with every option decided.

    Attributes:
        size: ``(height, width)``.
        options: Every option of the recipe.
    """

    size: tuple[int, int]
    options: Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What a model's engines are made from.

    Attributes:
        name: The model's name.
        summary: One line.
        tasks: What the model serves.
        network: Module that offers ``exportable``.
        weights: Official weights.
        size: Default ``(height, width)``.
        min_size: Smallest ``(height, width)``.
        size_multiple: Height and width must be multiples of these.
        options: Options by name.
        presets: Presets by name; one serves all graphs, so that they fit together.
        graphs: Graphs by name.
        path: File it was read from.
        training_rig: The camera the weights were trained with, or None where scale does not come
            from one.
        tensorrt: Options of TensorRT builds that differ from the defaults.
    """

    name: str
    summary: str
    tasks: tuple[Task, ...]
    network: str
    weights: WeightsSource
    size: tuple[int, int]
    min_size: tuple[int, int]
    size_multiple: tuple[int, int]
    options: Mapping[str, Option]
    presets: Mapping[str, Preset]
    graphs: Mapping[str, Graph]
    path: Path
    training_rig: TrainingRig | None = None
    tensorrt: Mapping[str, OptionValue] = field(default_factory=dict)

    def variant(
        self,
        *,
        preset: str | None = None,
        size: tuple[int, int] | None = None,
        options: Options | None = None,
    ) -> Variant:
        """Decide size and options: those given, else the preset's, else the defaults.

        Raises:
            RecipeError: If the preset or an option is unknown, or a value is not allowed.
        """
        where = f'recipe {self.name!r}'
        if preset and preset not in self.presets:
            raise RecipeError(
                f'{where} has no preset {preset!r}; use one of: {", ".join(self.presets)}'
            )
        chosen = self.presets[preset] if preset else Preset(size=self.size, options={})
        values = {name: option.default for name, option in self.options.items()}
        values.update({**chosen.options, **(options or {})})
        self._check_options(values, where)
        variant = Variant(size=size or chosen.size, options=values)
        self._check_size(variant.size, where)
        return variant

    def graph(self, name: str) -> Graph:
        """Look a graph up.

        Raises:
            RecipeError: If there is none of that name.
        """
        if name not in self.graphs:
            raise RecipeError(
                f'recipe {self.name!r} has no graph {name!r}; use one of: {", ".join(self.graphs)}'
            )
        return self.graphs[name]

    def graph_options(self, graph: str, variant: Variant) -> dict[str, OptionValue]:
        """Return the options of a variant that change one graph."""
        return {name: variant.options[name] for name in self.graph(graph).options}

    def rig_of(self, info: EngineInfo) -> TrainingRig | None:
        """Return the training rig if it is that of an opened engine's weights."""
        rig = self.training_rig
        if rig is None or (rig.needs_stereo_weights and not info.is_stereo_trained):
            return None
        return rig

    def stem(self, graph: str, variant: Variant) -> str:
        """File name of a graph's artefact without ending, e.g. ``crestereo-240x320-it4-st1``."""
        options = self.graph_options(graph, variant)
        parts = [f'{self.options[name].short}{value}' for name, value in options.items()]
        name = graph if graph == self.name else f'{self.name}-{graph}'
        return '-'.join([name, format_size(variant.size), *parts])

    def build_command(self, variant: Variant | None = None, *, weights: str = 'FILE') -> str:
        """Return the command that exports a variant."""
        variant = variant or self.variant()
        parts = [f'depth-ros build {self.name} --weights {shlex.quote(weights)}']
        parts.append(f'--size {format_size(variant.size)}')
        for name, value in variant.options.items():
            if value != self.options[name].default:
                parts.append(f'--option {name}={value}')
        return ' '.join(parts)

    def _check_options(self, values: Options, where: str) -> None:
        for name, value in values.items():
            if name not in self.options:
                raise RecipeError(
                    f'{where} has no option {name!r}; it has: {", ".join(self.options)}'
                )
            self.options[name].check(value, where=where)

    def _check_size(self, size: tuple[int, int], where: str) -> None:
        fitting = self._next_size(size)
        if size != fitting:
            raise RecipeError(
                f'{where}: size must be at least {format_size(self.min_size)} (height x width) '
                f'in multiples of {format_size(self.size_multiple)}, got {format_size(size)}; try '
                f'{format_size(fitting)}'
            )

    def _next_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the smallest allowed size that is not smaller."""
        limits = zip(size, self.min_size, self.size_multiple, strict=True)
        height, width = (-(-max(got, least) // step) * step for got, least, step in limits)
        return height, width


def parse_size(text: str) -> tuple[int, int]:
    """Read ``'240x320'`` as ``(height, width)``.

    Raises:
        RecipeError: If it is not two positive numbers joined by ``x``.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise RecipeError(f'size must be HEIGHTxWIDTH as in 240x320, got {text!r}; write it so')
    return int(match[1]), int(match[2])


def format_size(size: tuple[int, int]) -> str:
    """Write ``(240, 320)`` as ``'240x320'``."""
    return f'{size[0]}x{size[1]}'


def recipe_names() -> list[str]:
    """Names of all recipes found, sorted."""
    return sorted(recipe_files())


def recipe_files() -> dict[str, Path]:
    """Return every recipe by name: installed ones first, then those of other packages."""
    files = dict(plugins.recipe_files())
    for root in reversed(share_roots()):
        files.update({path.stem: path for path in (root / FOLDER).glob('*.yaml')})
    return files


def load_recipe(name: str) -> Recipe:
    """Load a recipe by name.

    Raises:
        RecipeError: If there is none of that name, or it is malformed.
    """
    files = recipe_files()
    if name not in files:
        raise RecipeError(
            f'no recipe {name!r} is installed; use one of: {", ".join(sorted(files))}'
        )
    return read_recipe(files[name])


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises:
        RecipeError: Naming the file, the key, and what was expected there.
    """
    section = Section.read(path)
    recipe = _read(section, path)
    section.finish()
    _check_variants(recipe)
    return recipe


def _read(section: Section, path: Path) -> Recipe:
    options = {name: _option(part, name) for name, part in section.sections('options')}
    recipe = Recipe(
        name=section.text('name'),
        summary=section.text('summary'),
        tasks=_tasks(section),
        network=section.text('network'),
        weights=_weights(section.section('weights')),
        size=_size(section, 'size'),
        min_size=_size(section, 'min_size'),
        size_multiple=_multiple(section),
        options=options,
        presets={name: _preset(part) for name, part in section.sections('presets')},
        graphs={name: _graph(part, name, options) for name, part in section.sections('graphs')},
        path=path,
        training_rig=_training_rig(section),
        tensorrt=_tensorrt(section),
    )
    if recipe.name != path.stem:
        section.fail('name', f'the file name {path.stem!r}', recipe.name)
    if not recipe.graphs:
        section.fail('graphs', 'at least one graph', {})
    return recipe


def _check_variants(recipe: Recipe) -> None:
    """Refuse defaults or presets that the recipe itself does not allow."""
    for preset in (None, *recipe.presets):
        try:
            recipe.variant(preset=preset)
        except RecipeError as error:
            key = f'presets.{preset}' if preset else 'size and options'
            raise RecipeError(f'{recipe.path}: {key}: {error}') from error


def _tasks(section: Section) -> tuple[Task, ...]:
    known = {task.value: task for task in Task}
    names = section.texts('tasks')
    if not names or any(name not in known for name in names):
        section.fail('tasks', f'a list of {sorted(known)}', list(names))
    return tuple(known[name] for name in names)


def _weights(section: Section) -> WeightsSource:
    sha256 = section.optional_text('sha256')
    if sha256 is not None and not re.fullmatch('[0-9a-f]{64}', sha256):
        section.fail('sha256', '64 hexadecimal digits or null', sha256)
    source = WeightsSource(
        file=section.text('file'),
        sha256=sha256,
        licence=section.text('licence'),
        homepage=section.text('homepage'),
        siblings=section.optional_texts('siblings'),
    )
    section.finish()
    return source


def _training_rig(section: Section) -> TrainingRig | None:
    part = section.optional_section('training_rig')
    if part is None:
        return None
    rig = TrainingRig(
        metres_per_unit=part.number('metres_per_unit'),
        focal_over_width=part.number('focal_over_width'),
        needs_stereo_weights=part.flag('needs_stereo_weights'),
    )
    if not min(rig.metres_per_unit, rig.focal_over_width) > 0.0:
        section.fail('training_rig', 'numbers above 0', rig)
    part.finish()
    return rig


def _tensorrt(section: Section) -> Mapping[str, OptionValue]:
    """Read the optional section; environment and commands take precedence."""
    part = section.optional_section('tensorrt')
    values = {} if part is None else {name: part.scalar(name) for name in part.body}
    try:
        GpuOptions(**from_mapping(values, where='tensorrt'))  # type: ignore[arg-type]
    except EngineError as error:
        section.fail('tensorrt', f'options of TensorRT ({error})', values)
    return values


def _multiple(section: Section) -> tuple[int, int]:
    """Read one number for both axes, or HEIGHTxWIDTH."""
    key = 'size_multiple'
    if section.is_text(key):
        return _size(section, key)
    multiple = section.integer(key)
    return multiple, multiple


def _size(section: Section, key: str) -> tuple[int, int]:
    text = section.text(key)
    try:
        return parse_size(text)
    except RecipeError:
        return section.fail(key, 'HEIGHTxWIDTH as in 240x320', text)


def _option(section: Section, name: str) -> Option:
    option = Option(
        name=name,
        short=section.text('short'),
        default=section.scalar('default'),
        min=section.optional_number('min'),
        max=section.optional_number('max'),
        choices=section.scalars('choices'),
    )
    section.finish()
    option.check(option.default, where=f'{section.path}: {section.where}')
    return option


def _preset(section: Section) -> Preset:
    size = _size(section, 'size')
    options = {key: section.scalar(key) for key in section.remaining()}
    return Preset(size=size, options=options)


def _graph(section: Section, name: str, options: Mapping[str, Option]) -> Graph:
    names = section.texts('options')
    unknown = [option for option in names if option not in options]
    if unknown:
        section.fail('options', f'names out of {sorted(options)}', unknown)
    tolerances = {
        precision: {output: _tolerance(limits) for output, limits in part.all_sections()}
        for precision, part in section.sections('tolerances')
    }
    if FULL_PRECISION not in tolerances:
        section.fail('tolerances', f'at least {FULL_PRECISION!r}', sorted(tolerances))
    also_low = section.optional_texts('also_low')
    if not set(also_low) <= set(ALSO_LOW):
        section.fail('also_low', f'names out of {sorted(ALSO_LOW)}', list(also_low))
    graph = Graph(
        name=name,
        options=names,
        tolerances=tolerances,
        parts=section.optional_texts('parts'),
        gate=read_measure(section.optional_section('gate')),
        gate_inputs=section.optional_text('gate_inputs') or '',
        is_geometry=section.flag('is_geometry'),
        also_low=also_low,
        int8=section.optional_texts('int8'),
    )
    section.finish()
    return graph


def _tolerance(section: Section) -> Tolerance:
    tolerance = Tolerance(
        mean=section.number('mean'),
        max=section.optional_number('max'),
        outlier_above=section.optional_number('outlier_above'),
        outlier_fraction=section.optional_number('outlier_fraction') or 0.0,
    )
    section.finish()
    return tolerance
