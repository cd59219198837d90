"""What our nodes say of themselves: states, drops, engines. Imports no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import DepthNode, RobotSnapshot, StatusReport
from depth_ros.ros.doctor.typed import restart_line, set_line

QUIET = ('superseded', 'no_subscriber', 'shutdown')
"""Drops that do not indicate a fault; the newest wins, and nobody may listen."""

GROUPS = ('dropped_', 'unpaired_', 'refused_')
TOTALS = tuple(f'{group}{side}' for group in GROUPS for side in ('left', 'right', 'depth'))
"""Counters by side, which repeat those by reason."""

SLOW_SHARE = 0.5
MIN_DROPS = 2
"""At both ends of the watch a frame may be waiting, and is counted as neither."""

DEFECTS = ('callback_failures', 'dropped_internal')
MIN_JOBS = 10
SILENT_PERIODS = 3.0
"""Diagnostics periods without a word before a node counts as silent."""

NOT_WORDS = ('preparing: ', 'no image on ', 'no camera_info on ')
"""Beginnings of sentences that other checks tell better."""

TRANSITIONS = {'unconfigured': 'configure', 'inactive': 'activate'}


def find_lifecycle(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes of ours, and drivers of their cameras, that wait for a transition."""
    yield from _drivers(seen)
    for node in seen.nodes:
        waits = node.parameters.get('autostart') is False or node.lifecycle == 'inactive'
        if node.lifecycle in TRANSITIONS and waits:
            yield Fault(
                about=node.name,
                text=f'{node.name} is {node.lifecycle} and does nothing until somebody asks for '
                'the transition: Nav2 (its node_names), or you',
                remedy=f'ros2 lifecycle set {node.name} {TRANSITIONS[node.lifecycle]}',
            )
        elif node.lifecycle == 'finalized':
            yield Fault(
                about=node.name,
                text=f'{node.name} was shut down and cannot come back; start it again',
                remedy=restart_line(node),
            )


def _drivers(seen: RobotSnapshot) -> Iterator[Fault]:
    ours = {node.name for node in seen.nodes}
    drivers = {end.node for topic in seen.topics for end in seen.publishers_of(topic)} - ours
    for name in sorted(drivers):
        state = seen.states.get(name, '')
        if state in TRANSITIONS:
            yield Fault(
                about=name,
                text=f'{name} publishes inputs of ours, is {state} and sends nothing until '
                'somebody asks for the transition',
                remedy=f'ros2 lifecycle set {name} {TRANSITIONS[state]}',
            )


def find_node_silent(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes that are there and say nothing."""
    for node in seen.nodes:
        period_s = node.number('diagnostics_period_s', 1.0)
        if node.state is None and seen.seconds > SILENT_PERIODS * period_s:
            yield Fault(
                about=node.name,
                text=f'{node.name} said nothing on /diagnostics in {seen.seconds:.0f} s, expected '
                f'a word every {period_s:g} s: it hangs, or starves for the processor',
                remedy=f'ros2 param get {node.name} diagnostics_period_s',
            )


def find_node_error(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes that say they cannot go on."""
    for node in seen.nodes:
        if node.state is not None and node.state.level >= 2:
            yield Fault(
                about=node.name,
                text=f'{node.name}: {_short(node.state.message)}',
                remedy='ros2 topic echo --once /diagnostics',
            )


def find_node_warning(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find what nodes warn of, where no other check tells it."""
    for node in seen.nodes:
        if node.state is None or node.state.level != 1:
            continue
        words = [
            word
            for word in node.state.message.split('; ')
            if not word.startswith(NOT_WORDS) and ' dropped: ' not in word
        ]
        if words:
            yield Fault(
                about=node.name,
                text=f'{node.name}: {_short("; ".join(words))}',
                remedy='ros2 topic echo --once /diagnostics',
            )


def find_dropped(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find inputs that nodes dropped while they were watched, by reason."""
    for node in seen.nodes:
        for key, count in drops(node.state).items() if node.state else ():
            reason = key.partition('_')[2]
            advice, remedy = _advice(node, reason)
            total = node.state.last.get(key, '?') if node.state else '?'
            yield Fault(
                about=f'{node.name} {reason}',
                text=f'{node.name} dropped {count} inputs {span(seen)} ({total} since its '
                f'start), reason {reason}: {advice}',
                remedy=remedy,
            )


def drops(state: StatusReport) -> Mapping[str, int]:
    """Return by how much every counter of faults rose, where it did."""
    keys = [key for key in state.last if key.startswith(GROUPS) and key not in TOTALS]
    faults = [key for key in keys if key.partition('_')[2] not in QUIET and key not in DEFECTS]
    rises = {key: state.rise(key) for key in faults}
    return {key: rise for key, rise in rises.items() if rise >= MIN_DROPS}


def _advice(node: DepthNode, reason: str) -> tuple[str, str]:
    """Return what a reason means, and the line to type."""
    cameras = ' '.join(camera.images for camera in node.cameras)
    hertz = f'ros2 topic hz {cameras}'
    queue = set_line(node.name, 'sync_queue_size', 30)
    known = {
        'no_partner': ('no image of the other side has a stamp near enough', hertz),
        'nearer_partner': ('another image was nearer, as where rates differ', hertz),
        'queue_full': ('the other side is late', queue),
        'no_camera_info': ('no calibration came', 'ros2 topic list -t | grep CameraInfo'),
        'no_pose': ('no pose came for its stamp', 'ros2 topic hz /odom'),
    }
    return known.get(reason, ('its log says why and what to do', _log_line(node)))


def find_defect(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find callbacks and frames that ended with an error nobody foresaw."""
    for node in seen.nodes:
        count = sum(node.state.rise(key) for key in DEFECTS) if node.state else 0
        if count:
            yield Fault(
                about=node.name,
                text=f'{count} callbacks or frames of {node.name} ended {span(seen)} with an '
                'error that nobody foresaw: its log has the traceback; please report it',
                remedy=_log_line(node),
            )


def span(seen: RobotSnapshot) -> str:
    """Return for how long counters were watched, in words; a report is of a whole run."""
    return f'in {seen.seconds:.0f} s' if seen.seconds else 'in its run'


def _log_line(node: DepthNode) -> str:
    return f'ros2 topic echo /rosout --filter "m.name==\'{node.name.rpartition("/")[2]}\'"'


def find_messages_lost(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find messages that DDS lost on the way."""
    for node in seen.nodes:
        lost = [key for key in (node.state.last if node.state else {}) if key.startswith('lost')]
        for key in lost:
            count = node.state.rise(key) if node.state else 0
            if count >= MIN_DROPS:
                yield Fault(
                    about=f'{node.name} {key}',
                    text=f'{node.name} lost {count} messages between the processes '
                    f'{span(seen)} ({key}): large images need the Fast DDS profile of '
                    'this package on both sides',
                    remedy=f'export FASTDDS_DEFAULT_PROFILES_FILE={seen.machine.profile}',
                )


def find_slow(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes that leave out most of what comes because they take too long."""
    for node in seen.nodes:
        state = node.state
        if state is None:
            continue
        outputs, left_out = state.rise('outputs'), state.rise('dropped_superseded')
        if outputs + left_out >= MIN_JOBS and left_out > SLOW_SHARE * (outputs + left_out):
            yield Fault(
                about=node.name,
                text=f'{node.name} computed {outputs} and left out {left_out}, taking the '
                f'newest each time ({state.last.get("rate_hz", "?")} Hz): take a faster model or '
                'a smaller size, or let the camera send less',
                remedy=f'ros2 param describe {node.name} model preset size',
            )


def find_preparing(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes whose engine is being built or opened."""
    for node in seen.nodes:
        text = node.state.message if node.state else ''
        if 'preparing: ' in text:
            phase = text.partition('preparing: ')[2].partition('; ')[0]
            yield Fault(
                about=node.name,
                text=f'{node.name} still prepares its engine ({phase}); build it beforehand to '
                'start at once',
                remedy=restart_line(node, build_only=True),
            )


def find_fallback(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes that run another engine, precision or model than they are told."""
    for node in seen.nodes:
        for name in ('engine', 'precision', 'model'):
            wanted = node.text(name)
            runs = node.state.last.get(name, '') if node.state else ''
            is_open = wanted in ('', 'auto') or runs in ('', wanted)
            if not is_open and not (name == 'engine' and runs == node.text('model')):
                yield Fault(
                    about=node.name,
                    text=f'{node.name} is told {name} {wanted!r} and runs {runs!r}: a GPU was '
                    'lost, or a change of parameters did not succeed',
                    remedy=f'ros2 param get {node.name} {name}',
                )


def _short(text: str) -> str:
    return text if len(text) <= 300 else f'{text[:300]}...'


NODE_CHECKS = (
    HealthCheck(
        name='lifecycle',
        severity=Severity.ERROR,
        meaning='A node of ours, or the driver of its camera, is not active and waits for a '
        'transition.',
        remedy='ros2 lifecycle set NODE configure (then activate), or -p autostart:=true',
        find=find_lifecycle,
    ),
    HealthCheck(
        name='node-silent',
        severity=Severity.ERROR,
        meaning='A node of ours is there and publishes no diagnostics.',
        remedy='ros2 param get NODE diagnostics_period_s; start it again',
        find=find_node_silent,
    ),
    HealthCheck(
        name='node-error',
        severity=Severity.ERROR,
        meaning='A node of ours says it cannot go on: a dead camera, a failed engine.',
        remedy='ros2 topic echo --once /diagnostics',
        find=find_node_error,
    ),
    HealthCheck(
        name='node-warning',
        severity=Severity.WARNING,
        meaning='A node of ours warns of something that no other check tells.',
        remedy='ros2 topic echo --once /diagnostics',
        find=find_node_warning,
    ),
    HealthCheck(
        name='dropped',
        severity=Severity.WARNING,
        meaning='Inputs were dropped while the doctor watched, by reason ([reasons](topics.md)).',
        remedy='ros2 param set NODE max_stamp_difference_s SECONDS, or what the log says',
        find=find_dropped,
    ),
    HealthCheck(
        name='node-defect',
        severity=Severity.ERROR,
        meaning='A callback or a frame of a node of ours ended with an error that nobody foresaw.',
        remedy='ros2 topic echo /rosout, and report the traceback',
        find=find_defect,
    ),
    HealthCheck(
        name='messages-lost',
        severity=Severity.WARNING,
        meaning='DDS lost messages between the processes.',
        remedy='export FASTDDS_DEFAULT_PROFILES_FILE=.../config/fastdds.xml, on both sides',
        find=find_messages_lost,
    ),
    HealthCheck(
        name='node-slow',
        severity=Severity.NOTE,
        meaning='A node leaves out most images because it computes longer than they come.',
        remedy='ros2 param describe NODE model preset size, then ros2 param set',
        find=find_slow,
    ),
    HealthCheck(
        name='engine-preparing',
        severity=Severity.NOTE,
        meaning='The engine is being built or opened.',
        remedy='-p build_only:=true beforehand',
        find=find_preparing,
    ),
    HealthCheck(
        name='engine-other',
        severity=Severity.WARNING,
        meaning='Another engine, precision or model runs than the parameters say.',
        remedy='ros2 param get NODE engine',
        find=find_fallback,
    ),
)
