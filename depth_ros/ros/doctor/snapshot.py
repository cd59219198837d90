"""What was seen of a robot, as plain frozen values; ``checks`` judges them. Imports no ROS."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
IMAGES = (IMAGE, COMPRESSED)
ParameterValue = bool | int | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointQos:
    """Quality of service of one end, in the words of ``qos_overrides``.

    Attributes:
        reliability: ``'reliable'`` or ``'best_effort'``.
        durability: ``'volatile'`` or ``'transient_local'``.
        deadline_s: Longest time between messages that is offered or asked; infinite if none is.
        liveliness: ``'automatic'`` or ``'manual_by_topic'``.
    """

    reliability: str = 'reliable'
    durability: str = 'volatile'
    deadline_s: float = math.inf
    liveliness: str = 'automatic'


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A publisher or a subscription.

    Attributes:
        node: Full name of its node.
        topic: Full name.
        kind: Message type, e.g. ``'sensor_msgs/msg/Image'``.
        qos: Its quality of service.
    """

    node: str
    topic: str
    kind: str
    qos: EndpointQos = field(default_factory=EndpointQos)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardHeader:
    """The header of one message.

    Attributes:
        arrival_s: When it came, by this machine's steady clock.
        stamp_ns: Its stamp.
        wall_ns: This machine's wall clock at arrival.
        clock_ns: The newest ``/clock`` at arrival; 0 without one.
        frame_id: Its frame.
    """

    arrival_s: float
    stamp_ns: int
    wall_ns: int
    clock_ns: int
    frame_id: str

    def delay_s(self, *, is_simulated: bool) -> float:
        """Return the age of the stamp at arrival by the wall clock or by ``/clock``."""
        return ((self.clock_ns if is_simulated else self.wall_ns) - self.stamp_ns) * 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardImage:
    """What the newest image of a topic says of itself.

    Attributes:
        height: Rows; 0 where a compressed picture cannot be read.
        width: Columns.
        encoding: Its encoding; of a compressed image the ``format``.
        num_bytes: Bytes of its data.
        problem: Why it cannot be read, or None.
        depth_median: Median of the positive finite values as sent; NaN where it is no depth.
    """

    height: int
    width: int
    encoding: str
    num_bytes: int
    problem: InputError | None = None
    depth_median: float = math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardTopic:
    """What came on a topic that a node of ours takes in.

    Attributes:
        topic: Full name.
        kind: Message type.
        listened_s: For how long it was listened to.
        heard_s: From its first message to the end.
        headers: Of the messages, in order of arrival; of images only of the first few.
        image: Of the newest image; None of other topics.
        camera: Calibration of the newest camera_info; None of others, and where it is refused.
        problem: Why the calibration is refused, or None.
    """

    topic: str
    kind: str
    listened_s: float
    heard_s: float = 0.0
    headers: tuple[HeardHeader, ...] = ()
    image: HeardImage | None = None
    camera: PinholeCamera | None = None
    problem: InputError | None = None

    @property
    def frame_id(self) -> str:
        """Frame of the newest message; empty without one."""
        return self.headers[-1].frame_id if self.headers else ''

    @property
    def is_depth(self) -> bool:
        """Whether it carries depth."""
        return self.image is not None and not math.isnan(self.image.depth_median)

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        """Stamps in order of arrival."""
        return tuple(header.stamp_ns for header in self.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusReport:
    """One status of a node on ``/diagnostics``, at the beginning and at the end.

    Attributes:
        level: 0 good, 1 warning, 2 error, 3 stale.
        message: Newest sentence.
        first: Values when it was first heard.
        last: Newest values.
    """

    level: int
    message: str
    first: Mapping[str, str]
    last: Mapping[str, str]

    def number(self, key: str) -> float:
        """Return a value as a number; NaN where it is none."""
        return _number(self.last.get(key, ''))

    def rise(self, key: str) -> int:
        """Return by how much a counter rose while it was watched; 0 where it cannot be told."""
        rise = _number(self.last.get(key, '')) - _number(self.first.get(key, '0'))
        return int(rise) if math.isfinite(rise) else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeCamera:
    """One camera of a node: its images and their calibration.

    Attributes:
        images: Name of the topic.
        info: Name of its camera_info; empty where the node takes none.
    """

    images: str
    info: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthNode:
    """A node of this package.

    Attributes:
        name: Full name.
        parameters: Those that were asked for, by name.
        state: Its own status; None where it says nothing on ``/diagnostics``.
        inputs: Status by topic that it takes in, in its own order: left before right.
        cameras: Its cameras, in that order.
    """

    name: str
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    state: StatusReport | None = None
    inputs: Mapping[str, StatusReport] = field(default_factory=dict)
    cameras: tuple[NodeCamera, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """Whether it takes its time from ``/clock``."""
        return self.parameters.get('use_sim_time') is True

    @property
    def lifecycle(self) -> str:
        """State as a managed node; empty where it does not say."""
        return self.state.last.get('lifecycle', '') if self.state else ''

    def number(self, name: str, default: float) -> float:
        """Return a parameter that is a number."""
        value = self.parameters.get(name)
        return float(value) if isinstance(value, int | float) else default

    def text(self, name: str) -> str:
        """Return a parameter that is a text; empty without one."""
        value = self.parameters.get(name)
        return value if isinstance(value, str) else ''


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardClock:
    """``/clock``.

    Attributes:
        num_messages: How many came.
        advance_s: By how much it went on between the first and the last.
    """

    num_messages: int = 0
    advance_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardTransform:
    """One edge of the TF tree, the newest message of it.

    Attributes:
        parent: Frame it is given in.
        child: Frame it places.
        is_static: Whether it came on ``/tf_static``.
        translation: Metres.
        quaternion: x, y, z, w as sent.
        delay_s: Age of its stamp by the wall clock; of static ones NaN.
    """

    parent: str
    child: str
    is_static: bool
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    delay_s: float = math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class RosProcess:
    """A process of this machine and user that has a ROS middleware loaded.

    Attributes:
        pid: Its number.
        name: What it is called, for sentences.
        middleware: E.g. ``'rmw_fastrtps_cpp'``.
        domain: Its ``ROS_DOMAIN_ID``.
        profile: Path of its Fast DDS profile; empty without one.
    """

    pid: int
    name: str
    middleware: str
    domain: str
    profile: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuLoad:
    """One GPU.

    Attributes:
        name: As its driver calls it.
        busy: Share of time, 0..1; NaN where it is not told.
        memory: Share that is taken, 0..1; NaN where it is not told.
    """

    name: str
    busy: float
    memory: float


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineState:
    """The computer that the doctor runs on.

    Attributes:
        domain: Own ``ROS_DOMAIN_ID``.
        middleware: Own middleware.
        num_cores: Processors.
        cpu_busy: Share of time that they worked while watched, nice work left out; NaN if unknown.
        load: Load average of the last minute; NaN if unknown.
        gpus: What ``nvidia-smi`` says.
        gpu_problem: What it says instead; empty if there is none, or it is well.
        shared_bytes: Size of ``/dev/shm``; 0 where there is none.
        shared_free_bytes: What is free of it.
        stale_bytes: What Fast DDS segments of processes that have ended take of it.
        processes: ROS processes.
        cache: Folder of built engines.
        cache_problem: Why it cannot be used; empty if it can.
        cache_free_bytes: What is free on its disk; NaN if unknown.
        num_engines: Engines in it.
        unfinished: Folders in it that no engine was finished in.
        profile: Path of the package's Fast DDS profile.
    """

    domain: str = '0'
    middleware: str = ''
    num_cores: int = 1
    cpu_busy: float = math.nan
    load: float = math.nan
    gpus: tuple[GpuLoad, ...] = ()
    gpu_problem: str = ''
    shared_bytes: int = 0
    shared_free_bytes: int = 0
    stale_bytes: int = 0
    processes: tuple[RosProcess, ...] = ()
    cache: str = ''
    cache_problem: str = ''
    cache_free_bytes: float = math.nan
    num_engines: int = 0
    unfinished: tuple[str, ...] = ()
    profile: str = 'config/fastdds.xml'


@dataclass(frozen=True, kw_only=True, slots=True)
class RobotSnapshot:
    """All that was seen.

    Attributes:
        seconds: For how long.
        node_names: Full names of all nodes; a name twice is two nodes.
        publishers: All of them, the doctor's own left out.
        subscriptions: All of them, likewise.
        nodes: Nodes of this package.
        simulated: Nodes that take their time from ``/clock``, as far as they were asked.
        states: State of managed nodes by name, as far as they were asked.
        topics: What was listened to, by name.
        clock: ``/clock``.
        transforms: The TF tree; a child with two parents is in it twice.
        is_tf_readable: Whether tf2_msgs is installed.
        costmaps: Parameters of Nav2's costmaps by their nodes' names.
        machine: The computer.
    """

    seconds: float
    node_names: tuple[str, ...] = ()
    publishers: tuple[Endpoint, ...] = ()
    subscriptions: tuple[Endpoint, ...] = ()
    nodes: tuple[DepthNode, ...] = ()
    simulated: frozenset[str] = frozenset()
    states: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, HeardTopic] = field(default_factory=dict)
    clock: HeardClock = field(default_factory=HeardClock)
    transforms: tuple[HeardTransform, ...] = ()
    is_tf_readable: bool = True
    costmaps: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    machine: MachineState = field(default_factory=MachineState)

    def publishers_of(self, topic: str) -> list[Endpoint]:
        """Return who publishes a topic."""
        return [end for end in self.publishers if end.topic == topic]

    def subscriptions_of(self, node: str) -> list[Endpoint]:
        """Return what a node subscribes to."""
        return [end for end in self.subscriptions if end.node == node]

    def heard(self, node: DepthNode) -> list[HeardTopic]:
        """Return what a node takes in and the doctor listened to, left before right."""
        names = [end.topic for end in self.subscriptions_of(node.name)]
        ordered = sorted(set(names), key=lambda name: ([*list(node.inputs), name]).index(name))
        return [self.topics[name] for name in ordered if name in self.topics]

    def heard_cameras(self, node: DepthNode) -> Iterator[tuple[HeardTopic, HeardTopic | None]]:
        """Give (images, camera_info) of every camera of a node; None where there is no info."""
        for camera in node.cameras:
            images = self.topics.get(camera.images)
            if images is not None:
                yield images, self.topics.get(camera.info)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
