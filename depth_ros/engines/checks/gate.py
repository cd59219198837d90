"""Accuracy gate: reduced precision must stay close to float32 on images, or it is refused.

The golden check catches engines that compute something else; it says little about precision,
because its input is noise. The gate compares with a float32 engine, itself checked against the
golden outputs, on rendered scenes. What it measures are distances from float32, so they bound the
change of the error against any truth: by the triangle inequality the mean distance of two
disparity maps is at least the difference of their end-point errors.

Where the comparison would prove nothing (made-up weights, a map that is nearly constant, a few
matches) the gate is undecidable, and what is undecidable is refused.

Precision ``auto`` is the lower one a runtime has where the gate lets it through. A refusal is
stored with its figures beside the built engines, under the key that the engine would have had, so
that the next start does not build and measure it again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from depth_ros.engines.cache import CacheKey
from depth_ros.engines.calibrations import INT8
from depth_ros.engines.checks.gate_images import GATE_SCENES, gate_feeds
from depth_ros.engines.checks.gate_measures import Figure, Measure
from depth_ros.engines.recipe import Graph
from depth_ros.errors import ArtifactError, DepthRosError, InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.whole_file import write_json
from depth_ros.tensors import Engine, Tensors, TensorSpec

VERSION = 2
"""Part of the cache key: raise it when images or measures change, and every gate runs again."""

Feeds = Callable[[Sequence[TensorSpec]], Mapping[str, Tensors]]
"""Makes a graph's inputs by scene, from its specifications."""
REMEDY = "use precision 'f32'"
REMEDIES = {INT8: f'{REMEDY}, or calibrate again on more of what the robot sees'}
"""What else helps, by precision."""
AUTO_PRECISION = 'auto'

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The graph under test.

    Attributes:
        name: Of the graph, for messages.
        is_untrained: Whether its weights are made up.
    """

    name: str
    is_untrained: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a passed gate measured: the worst of all images; kept in the cache's sidecar.

    Attributes:
        measure: Kind of the measure, e.g. ``'stereo'``.
        reference: The float32 engine compared with, in one line.
        scenes: Names of the gate images.
        figures: Value and limit by name.
    """

    measure: str
    reference: str
    scenes: tuple[str, ...]
    figures: tuple[Figure, ...]

    def describe(self) -> str:
        """Return the figures in one line."""
        return '; '.join(figure.describe() for figure in self.figures)

    def as_dict(self) -> dict[str, object]:
        """Return the verdict as the sidecar has it."""
        return {**asdict(self), 'verdict': 'passed', 'version': VERSION}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GateReference:
    """Float32 outputs on the gate images.

    Attributes:
        engine: Engine that computed them, in one line.
        feeds: Inputs by name of scene.
        outputs: Outputs by name of scene.
    """

    engine: str
    feeds: Mapping[str, Tensors]
    outputs: Mapping[str, Tensors]


def gate_key(measure: Measure | None) -> str:
    """Return the part of the cache key: another limit or another gate is another engine."""
    limits = None if measure is None else asdict(measure)  # type: ignore[call-overload]
    return json.dumps({'version': VERSION, 'limits': limits}, sort_keys=True)


def expect_decidable(subject: Subject, measure: Measure | None, precision: str) -> None:
    """Refuse, before anything is built, graphs that the gate cannot decide.

    Raises:
        ArtifactError: If the weights are made up or the recipe has no gate for the graph.
    """
    if subject.is_untrained:
        raise _refusal(
            subject.name,
            precision,
            'is undecidable: its weights are made up, and untrained weights say nothing about '
            'trained ones',
        )
    if measure is None:
        raise _refusal(
            subject.name,
            precision,
            "is undecidable: the recipe has no 'gate' for this graph that says what may change",
        )


def feeds_maker(graph: Graph, before: Mapping[str, Engine]) -> Feeds | None:
    """Return what makes the gate's inputs of a graph that takes no images; else None.

    Args:
        graph: Of the recipe.
        before: The graphs opened before it.
    """
    if not graph.gate_inputs:
        return None
    make = import_module(graph.gate_inputs).gate_feeds
    feeds: Feeds = partial(make, engines=dict(before), scenes=GATE_SCENES)
    return feeds


def reference_outputs(
    name: str,
    engine: Engine,
    measure: Measure,
    precision: str,
    *,
    make_feeds: Feeds | None = None,
) -> GateReference:
    """Run a float32 engine on the gate images.

    Args:
        name: Name of the graph for messages.
        engine: Computes in float32.
        measure: What will be compared.
        precision: What is going to be compared with it, for messages.
        make_feeds: Where the graph takes no images; None gives it the gate images.

    Raises:
        ArtifactError: If its outputs leave the gate undecidable; gives the figures.
    """
    feeds = (make_feeds or gate_feeds)(engine.inputs)
    outputs: dict[str, Tensors] = {}
    for scene, tensors in feeds.items():
        given = engine.infer(tensors)
        outputs[scene] = {key: array.copy() for key, array in given.items()}
        doubt = measure.doubt(outputs[scene])
        if doubt:
            raise _refusal(name, precision, f'is undecidable on the gate image {scene!r}: {doubt}')
    return GateReference(engine=engine.info.describe(), feeds=feeds, outputs=outputs)


def run_gate(
    name: str, engine: Engine, measure: Measure, reference: GateReference, precision: str
) -> Verdict:
    """Run an engine on the gate images and compare it with float32.

    Raises:
        ArtifactError: If a figure is beyond its limit; gives all of them.
    """
    by_scene: dict[str, Sequence[Figure]] = {}
    for scene, tensors in reference.feeds.items():
        by_scene[scene] = measure.figures(reference.outputs[scene], engine.infer(tensors))
    worst = worst_of(list(by_scene.values()))
    failed = [
        f'{figure.describe()} on {scene!r}'
        for scene, figures in by_scene.items()
        for figure in figures
        if not figure.is_within
    ]
    if failed:
        raise _refusal(
            name,
            precision,
            f'fails the accuracy gate against {reference.engine}: {"; ".join(failed)}',
        )
    return Verdict(
        measure=measure.kind,
        reference=reference.engine,
        scenes=tuple(by_scene),
        figures=worst,
    )


def worst_of(by_scene: Sequence[Sequence[Figure]]) -> tuple[Figure, ...]:
    """Return each figure of a measure as the worst scene has it."""
    return tuple(max(same, key=_badness) for same in zip(*by_scene, strict=True))


def _badness(figure: Figure) -> float:
    return -figure.value if figure.is_at_least else figure.value


def _refusal(name: str, precision: str, reason: str) -> ArtifactError:
    remedy = REMEDIES.get(precision, REMEDY)
    return ArtifactError(f'precision {precision!r} of {name!r} {reason}; {remedy}')


class RefusalMemory:
    """Refusals of the accuracy gate, one file for each key, below a cache's root."""

    def __init__(self, root: Path) -> None:
        """Use ``root``; nothing is created yet."""
        self.folder = root / 'refusals'

    def recall(self, key: CacheKey) -> str:
        """Return the text of an earlier refusal; empty if none can be read."""
        try:
            record = parse_json(given_text(self._path(key)))
        except (InputError, ValueError):
            return ''
        return str(record.get('refusal', '')) if isinstance(record, dict) else ''

    def note(self, key: CacheKey, refusal: str) -> None:
        """Store a refusal; if that fails, the gate runs again at the next start."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {'refusal': refusal})
        except (DepthRosError, OSError) as error:
            logger.warning('the refusal of %s could not be kept: %s', key.folder, error)

    def _path(self, key: CacheKey) -> Path:
        return self.folder / f'{key.folder}.json'
