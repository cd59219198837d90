"""Topics of the frames' outputs, with what a reader has to know beside the messages."""

from __future__ import annotations

from collections.abc import Mapping

from depth_ros.messages.topic_names import topic_below
from depth_ros.recordings.outcome import OutputChannel
from depth_ros.recordings.outputs import FLOAT, DepthOutputs, channels_of


def frame_channels(outputs: DepthOutputs) -> Mapping[int, OutputChannel]:
    """Return the channels that a job's outputs need, by their place in the table."""
    return {
        place: OutputChannel(
            topic=topic_below(outputs.namespace, output.topic),
            kind=output.kind,
            metadata=_metadata(outputs) if output.switch == 'depth' else {},
        )
        for place, output in channels_of(outputs).items()
    }


def _metadata(outputs: DepthOutputs) -> dict[str, str]:
    unit_m = 1.0 if outputs.depth_encoding == FLOAT else outputs.depth_unit_m
    return {'depth_unit_m': repr(unit_m)}
