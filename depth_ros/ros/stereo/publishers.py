"""Publishes a pair's outputs, and what costmaps get of its depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rclpy.node import Node

from depth_ros.camera import StereoCamera
from depth_ros.ros.node.diagnostics import HINT_LEFT_OUT, NOTHING_KNOWN
from depth_ros.ros.node.navigation import NavigationPublishers
from depth_ros.ros.node.publishers import TopicPublishers, joined
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.ros.stereo.topics import OUTPUT_TOPICS
from depth_ros.tasks.stereo.hint_remarks import hint_remark
from depth_ros.tasks.stereo.nothing_remark import nothing_remark
from depth_ros.tasks.stereo.processor import StereoOutput, Wanted

HINT_USED = 'hint_used'
"""Key of diagnostics: share of another sensor's depth that the last pair did not speak against."""
PARALLEL_PX = 0.01
"""Difference of the principal points that moves no depth worth telling."""

VERGED = (
    'cx of the cameras differ by {offset:.2f} px (verged rig, or a crop): disparity is corrected '
    'for that already, so that Z = f T / d. stereo_image_proc and others that take disparity '
    'together with both camera_info (point_cloud_node) correct once more and get wrong metres; '
    'give them points or depth/image with depth/camera_info instead'
)


class StereoPublishers(TopicPublishers[StereoOutput, StereoParameters, Wanted]):
    """Publishes, and warns of topics that must not be combined."""

    def __init__(self, node: Node, parameters: StereoParameters, warn: ThrottledWarnings) -> None:
        """Advertise every topic."""
        super().__init__(node, parameters, warn, OUTPUT_TOPICS)
        self._navigation = NavigationPublishers(node, parameters, warn)
        self._log = node.get_logger()
        self._told_offset_px = 0.0
        self._warn = warn
        self._settings = parameters.settings
        self._hint_details: Mapping[str, str] = {}
        self._nothing_known: Mapping[str, str] = {}

    def set_parameters(self, parameters: StereoParameters) -> None:
        """Use other parameters from the next output on."""
        super().set_parameters(parameters)
        self._settings = parameters.settings
        self._navigation.set_parameters(parameters)

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""
        return (*super().rates(), *self._navigation.rates())

    def details(self) -> Mapping[str, str]:
        """Return why outputs, hints and all pixels are left out, for diagnostics."""
        return {**self._hint_details, **self._nothing_known, **self._navigation.details()}

    def wanted(self) -> Wanted | None:
        """Return which outputs have subscribers; None if there are none."""
        own = super().wanted()
        if not self._navigation.is_wanted():
            return own
        return joined([own or Wanted(), Wanted(depth=True)])

    def publish(self, output: StereoOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish on every topic that has subscribers."""
        self._tell_verged(output.disparity.camera)
        self._tell_hint(output)
        self._tell_nothing(output)
        super().publish(output, stamp_ns=stamp_ns, frame_id=frame_id)
        rgb = output.rectified.left
        self._navigation.publish(output.depth, rgb, stamp_ns=stamp_ns, frame_id=frame_id)

    def _tell_verged(self, rig: StereoCamera) -> None:
        """Warn once of every rig whose disparity others would correct again."""
        offset = rig.cx_offset_px
        is_told = abs(offset - self._told_offset_px) <= PARALLEL_PX
        self._told_offset_px = offset
        if not is_told and abs(offset) > PARALLEL_PX:
            self._log.warning(f'[verged] {VERGED.format(offset=offset)}')

    def _tell_hint(self, output: StereoOutput) -> None:
        """Say how much of what another sensor measured was told on, and why it was nothing."""
        if output.hint_used is None:
            self._hint_details = {}
            return
        details = {HINT_USED: f'{output.hint_used:.4f}'}
        why = hint_remark('another sensor', output, unit_setting='depth_unit_m')
        if why:
            self._warn('hint_refuted', why)
            details[HINT_LEFT_OUT] = why
        self._hint_details = details

    def _tell_nothing(self, output: StereoOutput) -> None:
        """Say which settings leave out every pixel; a pair that is wrong is told of elsewhere."""
        why = nothing_remark('the pair', output.valid_fraction, self._settings)
        self._nothing_known = {NOTHING_KNOWN: why} if why and not output.fault else {}
        for reason, text in self._nothing_known.items():
            self._warn(reason, text)
