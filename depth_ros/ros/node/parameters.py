"""Base of all node parameters: one described dataclass per node, imported without ROS.

A node's parameters are the settings of its task and, in a frozen dataclass on top of
``NodeParameters`` (or of ``CameraParameters``, where it subscribes to images), what is the node's
own; ``declare`` binds them to rclpy and ``parameter_docs`` writes the docs table and the parameter
file from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from depth_ros.settings import (
    Setting,
    Settings,
    SettingValue,
    check_names,
    described,
    nested,
    settings_from,
    settings_of,
    values_of,
)
from depth_ros.tasks.pipeline import NetworkSettings

ParametersT = TypeVar('ParametersT', bound='NodeParameters')

RELIABILITIES = ('reliable', 'best_effort')


@dataclass(frozen=True, kw_only=True)
class NodeParameters(Settings):
    """Parameters that every node with an engine has; a node nests its task's settings."""

    settings: NetworkSettings = nested(NetworkSettings)
    autostart: bool = described(
        True,
        'Configure and activate by itself. false: wait for the transitions that '
        'lifecycle_manager or ros2 lifecycle asks for.',
        is_read_only=True,
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
    input_timeout_s: float = described(
        5.0,
        'Without an image for this long the camera counts as dead: ERROR in diagnostics.',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
        is_read_only=True,
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
        '',
        'JSON file written at exit with all counters, on every way out; refused at start where it '
        'cannot be written. Empty writes none.',
        is_read_only=True,
    )

    @classmethod
    def specs(cls) -> tuple[Setting, ...]:
        """Describe every parameter: the settings of the task, the node's own, then the rest."""
        return tuple(sorted(settings_of(cls), key=lambda setting: setting.name in LAST))

    @classmethod
    def from_values(cls: type[ParametersT], values: Mapping[str, object]) -> ParametersT:
        """Make parameters from values by ROS names; what is missing takes its default.

        Raises:
            ParameterError: If a name is unknown or a value is refused.
        """
        check_names(values, cls.specs())
        return settings_from(cls, values)

    def values(self) -> Mapping[str, SettingValue]:
        """Return every value by its ROS name."""
        return MappingProxyType(values_of(self))

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
    low_bits: int = described(
        16,
        'Bits that a camera of 16-bit images fills, from the lowest: 12 for a 12-bit camera whose '
        'images come out dark.',
        minimum=8,
        maximum=16,
        is_read_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class DepthParameters(CameraParameters):
    """Parameters of nodes that subscribe to metric depth beside images."""

    depth_unit_m: float = described(
        0.001,
        'What one step of 16-bit depth that is subscribed to is: 0.001 for millimetres (REP 118), '
        '0.0002 for 1/5000 m, 0.00025 for a quarter of a millimetre. Floats are metres.',
        unit='m',
        minimum=1e-6,
        maximum=1.0,
        is_read_only=True,
    )
    depth_transport: str = described(
        'raw',
        'raw: sensor_msgs/Image. compressedDepth: sensor_msgs/CompressedImage (PNG or RVL) on the '
        'same name with /compressedDepth behind it.',
        choices=('raw', 'compressedDepth'),
        is_read_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class PoseParameters(CameraParameters):
    """Parameters of nodes that take poses of the camera; a node may describe them again."""

    pose_source: str = described(
        'odometry',
        'Where poses come from. odometry: nav_msgs/Odometry on odometry. pose: '
        'geometry_msgs/PoseStamped on pose. tf: the transform from world_frame to the image.',
        choices=('odometry', 'pose', 'tf'),
        is_read_only=True,
    )
    world_frame: str = described(
        'odom', 'For tf: the frame in which the cloud is built.', is_read_only=True
    )
    base_from_camera: str = described(
        '',
        "Place of the camera's optical frame on what the poses are of, as x y z qx qy qz qw "
        '(metres, quaternion). Empty: none if the poses are those of the camera, which they are '
        "taken to be if their child frame is the image's or empty; else by TF.",
        is_read_only=True,
    )
    max_pose_gap_s: float = described(
        0.25,
        'Largest time between two poses that is interpolated.',
        unit='s',
        minimum=0.001,
        maximum=60.0,
        is_read_only=True,
    )


def cloud_stride_setting() -> int:
    """Make the field of nodes that publish points."""
    return described(
        1, 'Every n-th pixel and row becomes a point.', unit='px', minimum=1, maximum=64
    )


@dataclass(frozen=True, kw_only=True)
class PairParameters(CameraParameters):
    """Parameters of nodes that pair two topics by stamp."""

    max_stamp_difference_s: float = described(
        0.01,
        'Largest difference of stamps within a pair; 0 pairs equal stamps only.',
        unit='s',
        minimum=0.0,
        maximum=10.0,
    )
    sync_queue_size: int = described(
        10, 'Images of one side that may wait for the other side.', minimum=1, maximum=1000
    )


LAST = (
    'autostart',
    'cpu_fallback',
    'build_if_missing',
    'build_only',
    'input_reliability',
    'input_depth',
    'input_timeout_s',
    'output_reliability',
    'output_depth',
    'diagnostics_period_s',
    'report_file',
)
"""Described after the node's own parameters."""
