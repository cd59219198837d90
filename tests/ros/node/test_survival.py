"""What ends a node: a signal or its own failure, and nothing that others send it."""

from __future__ import annotations

import subprocess
import sys
import time
from array import array
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

import rclpy
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.node import Node

from depth_ros.errors import ImageError, ParameterError
from depth_ros.ros.multiview.job import MultiviewJob, SearchPlace
from depth_ros.ros.multiview.pending_view import PendingView
from depth_ros.ros.node.guarded_executor import CALLBACK, GuardedExecutor
from depth_ros.ros.node.qos import subscription_events
from depth_ros.ros.node.report_file import ReportFile
from depth_ros.ros.node.throttled_warnings import LONGEST, ThrottledWarnings
from depth_ros.tasks.multiview.keyframes import ViewSet
from tests.kit.live_node import REPOSITORY, Robot, image, robot, running
from tests.kit.multiview_doubles import CAMERA, HEIGHT, START_NS, WIDTH, pose_at

PLACE = SearchPlace(limits_m=(0.5, 20.0), seen_m=None, follow=False, world_frame='odom')


def typed(name: str, kind: int, **value: object) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=kind, **value))


def set_together(driver: Robot, parameters: list[Parameter]) -> object:
    service = '/stereo_node/set_parameters_atomically'
    client = driver.node.create_client(SetParametersAtomically, service)
    request = SetParametersAtomically.Request(parameters=parameters)
    return driver._call(client, request).result


@pytest.mark.ros
def test_values_of_unknown_types_are_refused_and_the_node_lives(tmp_path: Path) -> None:
    """A number that is no type ended any node, and its report was lost."""
    unknown = typed('cloud_stride', 77)
    good = typed('cloud_stride', ParameterType.PARAMETER_INTEGER, integer_value=2)
    with running(tmp_path, '-p', 'diagnostics_period_s:=0.1') as node, robot() as driver:
        driver.connect()
        refusal = driver.set_messages([unknown, good], node='/stereo_node')
        assert not refusal.successful
        assert "'cloud_stride' came with value type 77" in refusal.reason
        assert driver.get_parameter('cloud_stride') == 2, 'its neighbour is set all the same'
        together = set_together(driver, [typed('cloud_stride', 255), good])
        assert not together.successful and 'value type 255' in together.reason
        assert not driver.set_messages([typed('', 0)], node='/stereo_node').successful
        endless = typed('model', ParameterType.PARAMETER_STRING, string_value='x' * 20_000)
        assert len(driver.set_messages([endless], node='/stereo_node').reason) < LONGEST + 100
        driver.send_infos()
        driver.good_pair()
        assert driver.count('callback_failures') == 0
        assert node.stop() == 0
    report = node.report()
    assert report['outputs'] >= 1 and report['callback_failures'] == 0
    assert max(map(len, node.log().splitlines())) < LONGEST + 200


@pytest.fixture
def context() -> Context:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


def test_a_callback_that_fails_is_told_counted_and_called_again(context: Context) -> None:
    node = Node('guarded', context=context)
    lines: list[str] = []
    warn, calls = ThrottledWarnings(lines.append), Counter[str]()

    def fail() -> None:
        calls['timer'] += 1
        raise ZeroDivisionError('nobody foresaw this')

    node.create_timer(0.01, fail)
    executor = GuardedExecutor(context=context)
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while calls['timer'] < 3 and time.monotonic() < end:
        assert executor.spin_guarded(0.1, warn)
    assert warn.count(CALLBACK) == calls['timer'] == 3
    assert len(lines) == 1, 'repeated at most once in some seconds'
    assert 'Traceback' in lines[0] and 'nobody foresaw this' in lines[0]
    rclpy.shutdown(context=context)
    assert not executor.spin_guarded(0.0, warn), 'there is nothing to spin any more'
    assert warn.count(CALLBACK) == 3
    executor.shutdown()


SIGNAL_AT_IMPORT = """
import os, signal, sys
sys.path.insert(0, {repository!r})

class Interrupt:
    '''Sends SIGINT when a heavy package is looked for.'''

    def find_spec(self, name, path=None, target=None):
        if name == 'rclpy':
            os.kill(os.getpid(), signal.SIGINT)
            try:
                sum(range(100_000))
            except KeyboardInterrupt:
                pass  # as libraries do that try an import
        return None

sys.meta_path.insert(0, Interrupt())
from depth_ros.ros.entry import main
assert 'rclpy' not in sys.modules and 'numpy' not in sys.modules
code = main(['stereo_node', '--ros-args', '-p', 'model:=sgbm'])
import rclpy
assert not rclpy.ok(), 'nothing was begun'
sys.exit(code)
"""


def test_a_signal_during_imports_is_not_lost() -> None:
    program = SIGNAL_AT_IMPORT.format(repository=str(REPOSITORY))
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('name', ['stereo_node', 'perception', 'sample_camera'])
def test_without_ros_a_sentence_says_what_to_type(name: str) -> None:
    program = (
        "import sys; sys.modules['rclpy'] = None\n"
        'from depth_ros.ros.entry import main\n'
        f'sys.exit(main([{name!r}]))'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 1
    assert f'{name} needs ROS 2 for Python, and rclpy' in done.stderr
    assert 'Traceback' not in done.stderr


HANGING_UP = """
import os, signal, sys
signal.signal(signal.SIGHUP, {before})
from depth_ros.ros.node.stop_request import stop_request
stop = stop_request()
os.kill(os.getpid(), signal.SIGHUP)
print(stop.is_set)
"""


@pytest.mark.parametrize(
    ('before', 'stops'), [('signal.SIG_DFL', 'True'), ('signal.SIG_IGN', 'False')]
)
def test_a_terminal_that_closes_stops_a_node_unless_nohup_started_it(
    before: str, stops: str
) -> None:
    """A shell that ends by a lost connection hangs up; the report was lost with it."""
    program = HANGING_UP.format(before=before)
    command = [sys.executable, '-c', program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == stops, done.stderr


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('/proc/nowhere/report.json', 'no file can be written'),
        ('/dev', 'it is a folder'),
        ('~nobody_of_that_name/report.json', 'home folder'),
        ('a\0b.json', 'NUL'),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_at_start(path: str, words: str) -> None:
    with pytest.raises(ParameterError, match='report_file') as refusal:
        ReportFile(path)
    assert words in str(refusal.value)


def test_a_report_file_is_proven_without_touching_an_earlier_report(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'report.json'
    file = ReportFile(str(path))
    assert list(path.parent.iterdir()) == []
    file.write({'outputs': 3})
    ReportFile(str(path))
    assert list(path.parent.iterdir()) == [path] and '"outputs": 3' in path.read_text()
    ReportFile('').write({'outputs': 3})


@pytest.mark.parametrize(
    ('change', 'counted'), [(1, 1), (37, 37), (2**31 - 1, 1), (-(2**31), 1), (0, 1)]
)
def test_losses_that_no_camera_has_count_once(change: int, counted: int) -> None:
    """A writer whose sequence numbers jump is reported as 2^31 losses."""
    losses: list[int] = []
    events = subscription_events('/left/image_raw', lambda reason, text: None, losses.append)
    events.message_lost(SimpleNamespace(total_count_change=change))
    assert losses == [counted]


def test_warnings_have_an_end() -> None:
    lines: list[str] = []
    ThrottledWarnings(lines.append)('encoding', 'begin ' + 'x' * 20_000 + ' end')
    assert len(lines[0]) < LONGEST + 100
    assert lines[0].startswith('[encoding] begin') and lines[0].endswith(' end')
    assert '16010 characters left out' in lines[0]


def pending(stamp_ns: int, *, num_bytes: int | None = None) -> PendingView:
    message = image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), 'rgb8')
    if num_bytes is not None:
        message.data = array('B', bytes(num_bytes))
    return PendingView(
        message,
        CAMERA,
        world_from_camera=pose_at(stamp_ns),
        stamp_ns=stamp_ns,
        name='left_eye',
        is_rectified=True,
    )


def test_keyframes_are_decoded_by_the_worker_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    module = 'depth_ros.ros.multiview.pending_view'
    original = sys.modules[module].decode_frame

    def counting(message: object, camera: object, **rest: object) -> object:
        decoded.append(rest['stamp_ns'])
        return original(message, camera, **rest)

    monkeypatch.setattr(f'{module}.decode_frame', counting)
    first, second, broken = (
        pending(START_NS),
        pending(START_NS + 1),
        pending(START_NS + 2, num_bytes=5),
    )
    assert decoded == [], 'nothing is decoded where keyframes are chosen'
    job = MultiviewJob(
        views=ViewSet(reference=first, sources=(second, broken)), place=PLACE, min_sources=1
    )
    frame = job.decode()
    assert (job.stamp_ns, job.frame_id) == (START_NS, 'left_eye')
    assert [view.stamp_ns for view in frame.views.sources] == [START_NS + 1]
    assert frame.views.reference.frame.image[0, 0].tolist() == [90, 90, 90]
    job.decode()
    assert sorted(decoded) == [START_NS, START_NS + 1, START_NS + 2]
    with pytest.raises(ImageError, match='5'):
        MultiviewJob(
            views=ViewSet(reference=broken, sources=(first,)), place=PLACE, min_sources=1
        ).decode()
    with pytest.raises(Exception, match='0 of 1 source images'):
        MultiviewJob(
            views=ViewSet(reference=first, sources=(broken,)), place=PLACE, min_sources=1
        ).decode()
