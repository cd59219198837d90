"""Several nodes in one process: the results of separate processes, and an end for each alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip('tests.kit.built_interfaces')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger
from stereo_msgs.msg import DisparityImage

from depth_ros.errors import ParameterError
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.ros.perception import left_aside, parted_by_node, wanted
from depth_ros_interfaces.msg import OdometryStatus
from tests.kit.live_node import NodeProcess, Robot, image, robot, running, set_stamp
from tests.kit.odometry_sequences import shots

pytestmark = pytest.mark.ros
FRAMES = (0, 1, 2, 4, 6, 8)
OUTPUTS = {'odometry': Odometry, 'odometry/status': OdometryStatus, 'depth/image': Image}
BESIDE = {
    'disparity': DisparityImage,
    'rectified/right/image': Image,
    'rectified/right/camera_info': CameraInfo,
    'cloud': PointCloud2,
    'way': PathMessage,
}
STEREO = {'model': 'sgbm', 'input_reliability': 'reliable', 'speckle_size_px': '50'}
ODOMETRY = {
    'model': 'orb',
    'input_reliability': 'reliable',
    'max_gap_s': '60.0',
    'silence_s': '60.0',
    'keyframe_parallax': '0.01',
}
NODES = ('--nodes', 'stereo,odometry')


def options(node: str, values: dict[str, str]) -> list[str]:
    """Return parameters of one of several nodes."""
    return [word for name, value in values.items() for word in ('-p', f'{node}:{name}:={value}')]


@dataclass
class Stage:
    driver: Robot
    folder: Path
    processes: Sequence[NodeProcess]

    def log(self) -> str:
        return '\n'.join(process.log() for process in self.processes)

    def send(self, index: int, stamp: int | None = None) -> int:
        path = shots('room', 60).path
        pair, stamp = path.stereo(index), stamp or self.driver.next_stamp()
        eyes = (('left', pair.left, path.camera.left), ('right', pair.right, path.camera.right))
        for side, pixels, camera in eyes:
            info = CameraInfo()
            fill_camera_info(info, camera)
            info.header.frame_id = f'{side}_eye'
            self.driver.send(f'{side}/camera_info', info)
            message = image(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), 'bgr8', 'left_eye')
            set_stamp(message, stamp)
            self.driver.send(f'{side}/image_raw', message)
        return stamp

    def answers(self, index: int, *topics: str, tries: int = 20) -> dict[str, Any]:
        """Send a pair until everything that is asked for comes out of it."""
        for _ in range(tries):
            stamp, patience_s = self.send(index), 3.0 if tries > 1 else 30.0
            if self.driver.spin_until(lambda s=stamp: all(self.found(s, topics)), patience_s):
                return dict(zip(topics, self.found(stamp, topics), strict=True))
        raise AssertionError(self.log())

    def found(self, stamp: int, topics: Sequence[str]) -> list[Any]:
        return [self.driver.output(name, stamp) for name in topics]

    def reset(self) -> None:
        client = self.driver.node.create_client(Trigger, 'odometry_node/reset')
        assert self.driver._call(client, Trigger.Request()).success

    def change(self, node: str, transition: int) -> bool:
        client = self.driver.node.create_client(ChangeState, f'/{node}/change_state')
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.driver._call(client, request).success)


@contextmanager
def together(
    folder: Path,
    *arguments: str,
    nodes: Sequence[str] = NODES,
    outputs: Any = OUTPUTS,
    namespace: str = '',
) -> Iterator[Stage]:
    arguments = (*arguments, *(('-r', f'__ns:=/{namespace}') if namespace else ()))
    with (
        running(folder, *arguments, module='perception', words=nodes) as node,
        robot(node='odometry_node', outputs=outputs, namespace=namespace) as driver,
    ):
        yield Stage(driver, folder, [node])


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('together')
    file = folder / 'parameters.yaml'
    file.write_text(
        'stereo_node:\n  ros__parameters:\n    max_depth_m: 7.5\n'
        'odometry_node:\n  ros__parameters:\n    max_path_poses: 77\n'
    )
    reports = {
        node: {'report_file': str(folder / f'{node}.json')} for node in ('stereo', 'odometry')
    }
    arguments = [
        *options('stereo_node', STEREO | reports['stereo']),
        *options('odometry_node', ODOMETRY | reports['odometry']),
        *('--params-file', str(file), '-r', 'stereo_node:points:=cloud'),
        *('-r', 'odometry_node:path:=way'),
    ]
    with together(folder, *arguments) as stage:
        stage.driver.connect(num_images=4)
        yield stage


def walk(stage: Stage) -> list[dict[str, Any]]:
    """Drive once everybody hears everybody, from a new origin on."""
    stage.answers(0, 'odometry/status', 'depth/image')
    stage.reset()
    first = [stage.answers(0, 'odometry/status', 'depth/image', tries=1)]
    rest = [stage.answers(index, *OUTPUTS, tries=1) for index in FRAMES[1:]]
    return first + rest


def compared(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what must be equal to the last digit."""
    poses = [entry['odometry'].pose.pose for entry in found[1:]]
    places = [(p.position.x, p.position.y, p.position.z) for p in poses]
    turns = [(p.orientation.x, p.orientation.y, p.orientation.z, p.orientation.w) for p in poses]
    depths = [bytes(entry['depth/image'].data) for entry in found[1:]]
    counts = [entry['odometry/status'].num_inliers for entry in found[1:]]
    return list(zip(places, turns, depths, counts, strict=True))


def test_results_are_those_of_separate_processes(stage: Stage, tmp_path: Path) -> None:
    """Keyframes are taken of nearly every frame, so that their depth is in every pose."""
    one = walk(stage)
    assert 'depth of keyframes comes from the stereo node of this process (sgbm)' in stage.log()
    assert one[-1]['odometry/status'].num_keyframes > 2
    alone = {'stereo_node': STEREO | {'max_depth_m': '7.5'}, 'odometry_node': ODOMETRY}
    with ExitStack() as stack:
        arguments = ('-r', '__ns:=/apart')
        started = [
            stack.enter_context(
                running(
                    tmp_path,
                    *arguments,
                    *(w for k, v in values.items() for w in ('-p', f'{k}:={v}')),
                    module=node,
                )
            )
            for node, values in alone.items()
        ]
        driver = stack.enter_context(
            robot(namespace='apart', node='odometry_node', outputs=OUTPUTS)
        )
        driver.connect(num_images=4)
        apart = walk(Stage(driver, tmp_path, started))
    assert len(compared(one)) == len(FRAMES) - 1
    assert compared(one) == compared(apart)


def test_names_parameters_and_remappings_are_those_of_each_node(stage: Stage) -> None:
    driver = stage.driver
    assert driver.get_parameter('max_depth_m', '/stereo_node') == 7.5
    assert driver.get_parameter('max_path_poses', '/odometry_node') == 77
    topics = dict(driver.node.get_topic_names_and_types())
    assert {'/cloud', '/way', '/depth/image', '/odometry'} <= set(topics)
    assert not {'/points', '/path'} & set(topics)
    assert 'unknown_parameter' not in stage.log()


def test_frames_of_outputs(stage: Stage) -> None:
    """As docs/topics.md has them; tests/ros/test_frames.py compares that with the code."""
    driver = stage.driver
    for topic, kind in BESIDE.items():
        driver.subscribe(topic, kind)
    found = stage.answers(7, *OUTPUTS, *BESIDE)
    frames = {name: message.header.frame_id for name, message in found.items()}
    in_odom = {'odometry', 'way'}
    assert {name for name, frame in frames.items() if frame == 'odom'} == in_odom
    assert {frames[name] for name in set(frames) - in_odom} == {'left_eye'}
    assert found['odometry'].child_frame_id == 'left_eye'
    assert found['disparity'].image.header.frame_id == 'left_eye'


def test_each_node_has_a_lifecycle_of_its_own(stage: Stage) -> None:
    """Without the stereo node odometry goes on by its own matcher, and says so."""
    walk(stage)
    assert stage.change('stereo_node', Transition.TRANSITION_DEACTIVATE)
    assert stage.change('stereo_node', Transition.TRANSITION_CLEANUP)
    stage.answers(9, 'odometry', 'odometry/status')
    stage.answers(12, 'odometry', 'odometry/status')
    stage.answers(15, 'odometry', 'odometry/status')
    assert 'depth of keyframes comes from its own sgbm' in stage.log()
    assert stage.change('stereo_node', Transition.TRANSITION_CONFIGURE)
    assert stage.change('stereo_node', Transition.TRANSITION_ACTIVATE)
    stage.answers(16, *OUTPUTS)
    assert stage.change('odometry_node', Transition.TRANSITION_DEACTIVATE)
    stage.answers(17, 'depth/image')
    assert stage.change('odometry_node', Transition.TRANSITION_ACTIVATE)
    stage.answers(18, *OUTPUTS)


def test_every_node_leaves_its_report_at_a_clean_end(stage: Stage) -> None:
    """The last test of this process."""
    (process,) = stage.processes
    assert process.stop() == 0, process.log()
    for node, model in (('stereo', 'sgbm'), ('odometry', 'orb')):
        report = json.loads((stage.folder / f'{node}.json').read_text())
        assert report['model'] == model and report['outputs'] > 5
        assert report['paired'] == report['outputs'] + sum(report['dropped'].values())


def test_topics_between_nodes_are_not_on_dds_and_one_failure_is_one(tmp_path: Path) -> None:
    """Odometry reads image and depth from the stereo node; the mono node has no weights."""
    outputs = {'odometry': Odometry, 'odometry/status': OdometryStatus}
    arguments = [
        *options('stereo_node', STEREO),
        *options('odometry_node', ODOMETRY | {'source': 'rgbd', 'input': 'rectified'}),
        *('-r', 'odometry_node:image_rect:=rectified/left/image'),
        *('-r', 'odometry_node:camera_info:=rectified/left/camera_info'),
        *('-p', 'mono_node:weights:=/nowhere.pth', '-p', 'mono_node:model:=monodepth2'),
    ]
    nodes = ('--nodes', 'stereo_node,odometry_node,mono_node')
    with together(tmp_path, *arguments, nodes=nodes, outputs=outputs, namespace='inner') as stage:
        driver = stage.driver
        driver.connect(num_images=2)
        (process,) = stage.processes
        process.wait_for('mono_node has ended with code 1')
        stage.answers(0, 'odometry/status')
        found = [stage.answers(index, *outputs, tries=1) for index in (1, 2, 4)]
        assert [entry['odometry/status'].state for entry in found] == [OdometryStatus.TRACKING] * 3
        assert driver.node.count_publishers('/inner/depth/image') == 1
        assert driver.node.count_subscribers('/inner/depth/image') == 0, 'nobody reads it over DDS'
        assert driver.node.count_subscribers('/inner/rectified/left/image') == 0
        assert process.stop() == 1, 'the worst exit code of the three'
    assert '/nowhere.pth' in process.log()


def test_lines_of_the_library_have_the_name_of_their_node(stage: Stage) -> None:
    log = stage.processes[0].log()
    for node, model in (('stereo_node', 'sgbm'), ('odometry_node', 'orb')):
        assert re.search(rf'\[(\w+\.)*{node}\]: running .*{model}', log), log
    assert '[perception]: running' not in log


def test_wrong_lists_are_refused_with_what_to_type(tmp_path: Path) -> None:
    with running(tmp_path, module='perception', words=('--nodes', 'stereo,stereo')) as process:
        assert process.process.wait(20.0) == 2
    assert 'type e.g. --nodes stereo,odometry' in process.log()


@pytest.mark.parametrize('listed', ['stereo,,mono', 'stereo,', '', 'stereo,eyes'])
def test_lists_with_gaps_or_strangers_are_refused(listed: str) -> None:
    with pytest.raises(ParameterError, match='needs different nodes'):
        wanted(['--nodes', listed])


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('-p stereo_nod:model:=sgbm', 'type -p stereo_node:model:=sgbm'),
        ('-r mono_node:a:=b', 'or add mono to --nodes'),
        ('-p model:=a:b', ''),
        ('-p stereo_node:model:=sgbm', ''),
        ('-r stereo_node:__node:=eyes -p eyes:model:=sgbm', ''),
        ('-r rgb:=/cam:1', ''),
    ],
)
def test_words_for_a_node_that_is_not_there_are_warned_of(words: str, said: str) -> None:
    common, own = parted_by_node(words.split(), ['stereo_node', 'odometry_node'])
    sentences = left_aside(common, own)
    assert len(sentences) == bool(said) and all(said in sentence for sentence in sentences)


def test_a_word_for_nobody_is_in_the_log_and_the_nodes_go_on(tmp_path: Path) -> None:
    arguments = ('-r', '__ns:=/alone', '-p', 'matcher_node:input:=none', '-p', 'foo_node:model:=a')
    words = ('--nodes', 'matcher')
    with running(tmp_path, *arguments, module='perception', words=words) as process:
        process.wait_for('there is no foo_node here, but matcher_node')
        assert process.stop() == 0
