"""What the parameters of all nodes share: one described dataclass a node, imported without ROS.

A node's own parameters are a frozen dataclass on top of ``NodeParameters`` (or of
``CameraParameters``, where it subscribes to images); ``declare`` binds them to rclpy and
``parameter_docs`` writes the docs table and the parameter file from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from depth_ros.engines.runtime import AUTO_ENGINE, RUNTIMES
from depth_ros.engines.tensorrt.options import GpuOptions, from_words
from depth_ros.errors import EngineError, ParameterError
from depth_ros.ros.node.parameter_specs import (
    RELIABILITIES,
    ParameterSpec,
    ParameterValue,
    check_names,
    described,
    parse_size,
    spec_of,
)

if TYPE_CHECKING:
    from depth_ros.tasks.networks import EngineChoice

ParametersT = TypeVar('ParametersT', bound='NodeParameters')


@dataclass(frozen=True, kw_only=True)
class NodeParameters:
    """Parameters that every node with an engine has; a node declares ``model`` again."""

    model: str = described(
        '',
        'Model. A change is prepared in the background and swapped between two frames.',
        opens_engine=True,
    )
    engine: str = described(
        'auto',
        'Runtime of a network; auto takes the first that is installed and says which.',
        choices=(AUTO_ENGINE, *RUNTIMES),
        opens_engine=True,
    )
    precision: str = described(
        'f32',
        'Arithmetic of a network where the recipe allows it; auto takes the lowest that passes '
        'the accuracy gate on this machine and says which.',
        choices=('f32', 'auto', 'bf16', 'f16'),
        opens_engine=True,
    )
    preset: str = described(
        '', "Named size of the model's recipe; empty takes its default.", opens_engine=True
    )
    size: str = described(
        '',
        "Engine size as HEIGHTxWIDTH, e.g. 480x640, instead of the preset's; empty takes it.",
        opens_engine=True,
    )
    weights: str = described(
        '', 'Checkpoint file; empty takes shipped or exported weights.', opens_engine=True
    )
    num_threads: int = described(
        0,
        'CPU threads of the engine; 0 lets the runtime choose.',
        minimum=0,
        maximum=1024,
        opens_engine=True,
    )
    tensorrt: str = described(
        '',
        'Options of TensorRT builds as NAME=VALUE words, e.g. low_memory=true workspace_mib=512; '
        'docs/engines.md lists them. They override DEPTH_ROS_TENSORRT and the recipe.',
        opens_engine=True,
    )
    cpu_fallback: bool = described(
        False,
        'When the GPU is lost while running, go on with a CPU engine in f32, slower. false: exit '
        'with 1, so that whoever started the node starts it again.',
    )
    build_if_missing: bool = described(
        True,
        'Build an engine that is not in the cache, which takes from seconds to many minutes and '
        'shows in diagnostics. false: stop instead, with the command to type.',
        is_read_only=True,
    )
    build_only: bool = described(
        False,
        'Open the engine, building it whatever build_if_missing says, say what was built, and '
        'exit with 0.',
        is_read_only=True,
    )
    input_reliability: str = described(
        'best_effort',
        'Reliability asked of the image publishers; best_effort matches every camera.',
        choices=RELIABILITIES,
        is_read_only=True,
    )
    input_depth: int = described(
        2, 'Queue of each image subscription.', minimum=1, maximum=100, is_read_only=True
    )
    output_reliability: str = described(
        'reliable',
        'Reliability offered to subscribers; reliable matches every subscriber.',
        choices=RELIABILITIES,
        is_read_only=True,
    )
    output_depth: int = described(
        2, 'Queue of each publisher.', minimum=1, maximum=100, is_read_only=True
    )
    diagnostics_period_s: float = described(
        1.0,
        'Time between two diagnostics messages.',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
        is_read_only=True,
    )
    report_file: str = described(
        '', 'JSON file written at exit with all counters; empty writes none.', is_read_only=True
    )

    def __post_init__(self) -> None:
        """Check every value, then what must hold between values."""
        for spec in self.specs():
            spec.checked(getattr(self, spec.field))
        parse_size(self.size)
        check_tensorrt(self.tensorrt)
        self.check_together()

    @classmethod
    def specs(cls) -> tuple[ParameterSpec, ...]:
        """Describe every parameter: the model and its engine, the node's own, then the rest."""
        return _specs_of(cls)

    @classmethod
    def from_values(cls: type[ParametersT], values: Mapping[str, object]) -> ParametersT:
        """Make parameters from values by ROS names; what is missing takes its default.

        Raises:
            ParameterError: If a name is unknown or a value is refused.
        """
        by_name = {spec.name: spec for spec in cls.specs()}
        check_names(values, by_name)
        checked = {
            by_name[name].field: by_name[name].checked(value) for name, value in values.items()
        }
        return cls(**checked)  # type: ignore[arg-type]

    def check_together(self) -> None:
        """Refuse values that contradict each other; a node puts its own rules here.

        Raises:
            ParameterError: Naming the parameters, their values and what to correct.
        """

    def values(self) -> Mapping[str, ParameterValue]:
        """Return every value by its ROS name."""
        return MappingProxyType({spec.name: getattr(self, spec.field) for spec in self.specs()})

    def changed(self: ParametersT, changes: Mapping[str, object]) -> ParametersT:
        """Return a copy with values set by their ROS names.

        Raises:
            ParameterError: If a name is unknown or a value is refused.
        """
        return type(self).from_values({**self.values(), **changes})

    @property
    def may_build(self) -> bool:
        """Whether an engine that is missing may be built."""
        return self.build_if_missing or self.build_only

    @property
    def engine_choice(self) -> EngineChoice:
        """Which engine to open, for the settings of any task."""
        return {
            'engine': self.engine,
            'precision': self.precision,
            'preset': self.preset,
            'size': parse_size(self.size),
            'weights': self.weights,
            'num_threads': self.num_threads,
            'tensorrt': self.tensorrt,
        }


@dataclass(frozen=True, kw_only=True)
class CameraParameters(NodeParameters):
    """Parameters of nodes that subscribe to images; a node describes ``input`` again."""

    input: str = described(
        'raw',
        'raw: subscribe to image_raw and rectify it by camera_info. rectified: subscribe to '
        'image_rect and take it as it is. auto: whichever of the two has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    image_transport: str = described(
        'raw',
        'raw: sensor_msgs/Image. compressed: sensor_msgs/CompressedImage (JPEG or PNG) on the '
        'same name with /compressed behind it.',
        choices=('raw', 'compressed'),
        is_read_only=True,
    )


LAST_FIELDS = (
    'cpu_fallback',
    'build_if_missing',
    'build_only',
    'input_reliability',
    'input_depth',
    'output_reliability',
    'output_depth',
    'diagnostics_period_s',
    'report_file',
)
"""Described after the node's own parameters."""


def check_depth_range(min_depth_m: float, max_depth_m: float) -> None:
    """Require that the range is one.

    Raises:
        ParameterError: If it is empty.
    """
    if not min_depth_m < max_depth_m:
        raise ParameterError(
            f'min_depth_m must be below max_depth_m, got {min_depth_m:g} and '
            f'{max_depth_m:g}; correct one of them'
        )


def check_tensorrt(words: str) -> None:
    """Require that options of TensorRT are ones.

    Raises:
        ParameterError: If a name is unknown or a value is not allowed.
    """
    try:
        GpuOptions(**from_words(words, where='tensorrt'))  # type: ignore[arg-type]
    except EngineError as error:
        raise ParameterError(str(error)) from error


def _specs_of(kind: type[NodeParameters]) -> tuple[ParameterSpec, ...]:
    entries = sorted(fields(kind), key=lambda entry: entry.name in LAST_FIELDS)
    return tuple(spec_of(entry) for entry in entries)


def base_from_camera(text: str) -> tuple[float, ...] | None:
    """Read ``'x y z qx qy qz qw'``; None where empty.

    Raises:
        ParameterError: If it is not seven numbers, or the quaternion has no length.
    """
    if not text.strip():
        return None
    try:
        numbers = tuple(float(word) for word in text.replace(',', ' ').split())
    except ValueError:
        numbers = ()
    is_finite = all(abs(number) < 1e9 for number in numbers)
    if len(numbers) != 7 or not is_finite or not any(numbers[3:]):
        raise ParameterError(
            f'base_from_camera takes x y z qx qy qz qw, got {text!r}; for a camera that looks '
            'forward from the base itself set it to: 0 0 0 -0.5 0.5 -0.5 0.5'
        )
    return numbers
