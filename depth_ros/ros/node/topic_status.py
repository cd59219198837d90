"""The diagnostics of one topic, with the names that tools for them know.

The first keys and the messages are those of diagnostic_updater's ``FrequencyStatus`` and
``TimeStampStatus`` (``update_functions.hpp``), the last ones those of greenwave_monitor.
"""

from __future__ import annotations

import math

from diagnostic_msgs.msg import DiagnosticStatus

from depth_ros.ros.node.diagnostics import status_from
from depth_ros.ros.node.topic_rate import RateSnapshot

EARLIEST_S, LATEST_S = -1.0, 5.0
"""Acceptable age of a stamp at arrival; diagnostic_updater's defaults."""
NO_EVENTS, MET = 'No events recorded.', 'Desired frequency met'
GOOD_STAMPS, NO_DATA = 'Timestamps are reasonable.', 'No data since last update.'
FUTURE, PAST = 'Timestamps too far in future seen.', 'Timestamps too far in past seen.'
ZERO = 'Zero timestamp seen.'


def input_status(
    node: str, rate: RateSnapshot, *, timeout_s: float, is_needed: bool = True
) -> DiagnosticStatus:
    """Return the status of a topic that the node reads: ERROR once it is silent for too long.

    Args:
        node: Name of the node.
        rate: What was seen.
        timeout_s: Longest silence; infinite where the topic may be silent.
        is_needed: Whether nothing comes out while it is silent; otherwise that is WARN.
    """
    is_silent = rate.silent_s > timeout_s
    frequency = (NO_EVENTS if is_silent else MET) if rate.num_messages or is_silent else NO_DATA
    stamps = stamp_message(rate)
    is_good = stamps == GOOD_STAMPS and not is_silent
    level = DiagnosticStatus.OK if is_good else DiagnosticStatus.WARN
    level = DiagnosticStatus.ERROR if is_silent and is_needed else level
    return _status(node, rate, level, f'{frequency}; {stamps}', lowest_hz=1.0 / timeout_s)


def output_status(node: str, rate: RateSnapshot) -> DiagnosticStatus:
    """Return the status of a topic that the node publishes, which may be silent."""
    return _status(node, rate, DiagnosticStatus.OK, f'{rate.by_arrival.rate_hz:.1f} Hz')


def stamp_message(rate: RateSnapshot) -> str:
    """Return in words whether the stamps of the window fit the node's clock.

    A bag that is played without ``/clock`` has old stamps: a warning here, as nothing in the
    node depends on the present time.
    """
    if not rate.num_in_window:
        return NO_DATA
    if rate.num_zero:
        return ZERO
    if rate.least_delay_s < EARLIEST_S:
        return FUTURE
    return PAST if rate.largest_delay_s > LATEST_S else GOOD_STAMPS


def _status(
    node: str, rate: RateSnapshot, level: bytes, message: str, *, lowest_hz: float = 0.0
) -> DiagnosticStatus:
    name = f'{node}: {rate.topic} topic status'
    return status_from(name, level, message, _values(rate, lowest_hz), hardware_id=rate.frame_id)


def _values(rate: RateSnapshot, lowest_hz: float) -> dict[str, str]:
    arrival, stamp = rate.by_arrival, rate.by_stamp
    delay_ms = 1e3 * rate.largest_delay_s
    return {
        'Events in window': f'{rate.num_in_window}',
        'Events since startup': f'{rate.num_messages}',
        'Duration of window (s)': f'{rate.window_s:f}',
        'Actual frequency (Hz)': f'{arrival.rate_hz:f}',
        'Minimum acceptable frequency (Hz)': f'{lowest_hz:f}',
        'Earliest timestamp delay:': f'{rate.least_delay_s:f}',
        'Latest timestamp delay:': f'{rate.largest_delay_s:f}',
        'Earliest acceptable timestamp delay:': f'{EARLIEST_S:f}',
        'Latest acceptable timestamp delay:': f'{LATEST_S:f}',
        'Zero seen diagnostic update count:': f'{rate.num_zero}',
        'frame_rate_node': f'{arrival.rate_hz:f}',
        'frame_rate_msg': f'{stamp.rate_hz:f}',
        'current_delay_from_realtime_ms': 'N/A' if math.isnan(delay_ms) else f'{delay_ms:f}',
        'mean_abs_jitter_node': f'{arrival.mean_jitter_us:.0f}',
        'mean_abs_jitter_msg': f'{stamp.mean_jitter_us:.0f}',
        'max_abs_jitter_node': f'{arrival.max_jitter_us:.0f}',
        'max_abs_jitter_msg': f'{stamp.max_jitter_us:.0f}',
        'num_jitter_outliers_node': f'{arrival.num_outliers}',
        'num_jitter_outliers_msg': f'{stamp.num_outliers}',
        'num_non_increasing_msg': f'{rate.num_not_rising}',
    }
