"""Jobs as YAML: read, refused with the nearest name, written for a recording."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from depth_ros.errors import DepthRosError, InputError, WeightsError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job_file import default_task, read_job, written_job
from depth_ros.recordings.odometry_work import OdometryWork
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.stereo_work import StereoWork
from depth_ros.recordings.topics import PosedTopicNames
from tests.kit.plane_drive import Drive


def written(folder: Path, text: str) -> Path:
    path = folder / 'job.yaml'
    path.write_text(text)
    return path


def test_a_job_takes_the_settings_of_the_node(tmp_path: Path) -> None:
    job = read_job(
        written(
            tmp_path,
            'tasks:\n  stereo:\n    settings: {model: sgbm, sgbm.block_size: 7, max_depth_m: 9}\n'
            '    outputs: {points: true}\nsegments: {frames: 8}\nworkers: {threads: 2}\n',
        )
    )
    (task,) = job.tasks
    assert task.values['settings']['sgbm.block_size'] == 7
    assert task.values['settings']['max_depth_m'] == 9.0
    assert task.values['outputs']['points'] is True
    assert (task.threads, job.segments.frames) == (2, 8)


def test_the_job_that_is_written_for_a_recording_reads_back(drive: Path, tmp_path: Path) -> None:
    recording = Recording(str(drive))
    text, notes = written_job(recording.topics)
    assert notes == []
    job = read_job(written(tmp_path, text))
    (task,) = job.tasks
    assert task.kind == 'stereo'
    assert task.values['input']['left'] == '/left/image_rect'
    assert task.values['settings']['max_depth_m'] == math.inf
    for line in text.splitlines():
        assert len(line) < 100


def test_a_recording_of_one_camera_gets_a_mono_job_and_what_it_needs_first(tmp_path: Path) -> None:
    lost = [('right', number) for number in range(8)]
    bag = Drive(without=lost).write(tmp_path / 'drive.mcap')
    text, (note,) = written_job(Recording(str(bag)).topics)
    job = read_job(written(tmp_path, text))
    assert [task.kind for task in job.tasks] == ['mono']
    assert 'ships without weights' in note and note.split()[-1] in text
    assert 'weights' in job.tasks[0].values['settings']
    with pytest.raises(WeightsError):
        job.tasks[0].open()


def topic(name: str, kind: str) -> BagTopic:
    return BagTopic(name=name, type=kind, count=3)


def camera(place: str) -> list[BagTopic]:
    return [
        topic(f'{place}/image_rect', 'sensor_msgs/msg/Image'),
        topic(f'{place}/camera_info', 'sensor_msgs/msg/CameraInfo'),
    ]


ODOMETRY = topic('/odom', 'nav_msgs/msg/Odometry')


def test_one_camera_with_poses_gets_a_job_that_needs_no_weights(tmp_path: Path) -> None:
    text, notes = written_job([*camera('/camera'), ODOMETRY])
    (task,) = read_job(written(tmp_path, text)).tasks
    assert task.kind == 'mono_refined' and task.values['input']['poses'] == '/odom'
    assert notes == []


@pytest.mark.parametrize(
    ('sides', 'kind', 'key'), [(('left', 'right'), 'stereo', 'left'), (('eye',), 'mono', 'image')]
)
def test_of_two_robots_the_first_gets_a_job_which_names_the_other(
    tmp_path: Path, sides: tuple[str, ...], kind: str, key: str
) -> None:
    topics = [one for robot in ('/b', '/a') for side in sides for one in camera(f'{robot}/{side}')]
    text, notes = written_job(topics)
    (task,) = read_job(written(tmp_path, text)).tasks
    assert task.kind == kind and task.values['input'][key] == f'/a/{sides[0]}/image_rect'
    assert (
        'job of /a' in notes[0]
        and f'cameras of /b ({kind})' in notes[0]
        and '# this is the job' in text
    )


def test_a_robot_of_another_kind_is_named_with_its_task(tmp_path: Path) -> None:
    rig = [*camera('/a/left'), *camera('/a/right')]
    other = [*camera('/b/eye'), topic('/b/odom', 'nav_msgs/msg/Odometry')]
    text, (note,) = written_job([*rig, *other, *camera('/wide_depth')])
    (task,) = read_job(written(tmp_path, text)).tasks
    assert task.kind == 'stereo' and task.values['input']['left'] == '/a/left/image_rect'
    assert 'job of /a/left/image_rect; the recording also has cameras of /b (mono_refined)' in note
    assert 'wide_depth' not in note
    own = default_task('mono_refined', input=PosedTopicNames(image='/b/eye/image_rect'))
    assert own.guessed((*rig, *other))[0].values['input']['poses'] == '/b/odom'


def test_two_cameras_of_one_rig_are_no_other_robot() -> None:
    assert written_job([*camera('/left'), *camera('/right')])[1] == []


def test_a_recording_without_images_is_refused_in_the_keys_of_a_job() -> None:
    info = topic('/camera/camera_info', 'sensor_msgs/msg/CameraInfo')
    with pytest.raises(InputError, match=r'none; record one, or name it with input\.image; '):
        written_job([info])


def test_topics_of_one_robot_that_are_not_clear_are_listed() -> None:
    with pytest.raises(InputError, match='exactly one image topic, found /a/x/image_rect, /a/y'):
        written_job([*camera('/a/x'), *camera('/a/y')])


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('task: {}', "there is no key 'task' of .*did you mean 'tasks'"),
        ('tasks: {sterio: {}}', "there is no key 'sterio' in tasks .*did you mean 'stereo'"),
        ('tasks: {stereo: {outputs: {pionts: true}}}', "'pionts'.*did you mean 'points'"),
        ('tasks: {stereo: {settings: {modell: sgbm}}}', "'modell'.*did you mean 'model'"),
        ('tasks: {stereo: {settings: {model: sgmb}}}', "there is no stereo model 'sgmb'.*sgbm"),
        ('tasks: {stereo: {outputs: {points: 3}}}', r'tasks.stereo.outputs.points is a bool'),
        ('tasks: {stereo: {outputs: {points_stride: 0}}}', 'must be within 1'),
        ('tasks: {stereo: 3}', 'tasks.stereo must be a mapping'),
        ('tasks: {}', 'at least one of stereo, mono'),
        ('segments: {frames: 3}', 'at least one of stereo, mono'),
        ('- 1', 'must be a mapping'),
        ('', 'must be a mapping'),
        ('tasks: [', 'is no YAML'),
        ('tasks: {1: 2}', 'must be a mapping'),
        (
            'tasks:\n  stereo:\n    outputs:\n      points: true\n      points: false\n',
            "'points' is there twice, lines 4 and 5",
        ),
        ('tasks: {stereo: {}, stereo: {}}', "'stereo' is there twice, lines 1 and 1"),
        ('tasks: {stereo: {settings: {max_depth_m: inf}}}', r"got 'inf'; set it like .* \.inf"),
        (
            'tasks: {stereo: {outputs: {depth: false, camera_info: false}}}',
            'must write something; set one of these to true: depth, camera_info, disparity',
        ),
        ('tasks: {match: {outputs: {matches: false}}}', 'one of these to true: matches, picture'),
        (
            'tasks: {odometry: {outputs: {poses: false, tf: false, direction: false}}}',
            'one of these to true: poses, tf, direction',
        ),
        *(
            (
                f"tasks: {{{task}: {{outputs: {{namespace: '{name}'}}}}}}",
                'namespace must be a name',
            )
            for task, name in (
                ('stereo', 'front camera'),
                ('mono', '2nd'),
                ('odometry', 'a//b'),
                ('multiview', 'a__b'),
                ('match', 'größe'),
            )
        ),
        ('tasks: {stereo: {}}\nfusion: {cloud: true}', 'fusion.cloud needs poses.*add odometry'),
        (
            'tasks: {stereo: {settings: {sgbm: {block_size: 7}}}}',
            'settings.sgbm is no mapping.*like sgbm.block_size: 7$',
        ),
        (
            'tasks: {odometry: {input: {source: rgbd}}}',
            "no key 'source' in tasks.odometry.input.*belongs to tasks.odometry.settings",
        ),
        (
            'tasks: {stereo: {}}\ncopy: {topics: [/a, /b]}',
            "copy.topics is one text, got a list; .*: topics: '/a /b'$",
        ),
        ('tasks: {stereo: {}}\ncopy: {topic: all}', "'topic'.*did you mean 'topics'"),
    ],
)
def test_what_is_wrong_is_named_with_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DepthRosError, match=words):
        read_job(written(tmp_path, text))


def test_infinity_is_written_as_yaml_has_it(tmp_path: Path) -> None:
    text = 'tasks: {stereo: {settings: {max_depth_m: .inf}}}'
    (task,) = read_job(written(tmp_path, text)).tasks
    assert task.values['settings']['max_depth_m'] == math.inf


@pytest.mark.parametrize(
    ('namespace', 'topic'),
    [('', '/depth/image'), ('/front/', '/front/depth/image'), ('a/b', '/a/b/depth/image')],
)
def test_topics_of_a_namespace_are_names_of_ros(namespace: str, topic: str) -> None:
    channels = frame_channels(PairOutputs(namespace=namespace))
    assert channels[0].topic == topic


def test_odometry_that_has_nothing_to_write_is_refused(tmp_path: Path) -> None:
    text = 'tasks: {odometry: {settings: {source: mono}, outputs: {direction: false}}}'
    (task,) = read_job(written(tmp_path, text)).tasks
    with pytest.raises(DepthRosError, match=r'set direction in tasks\.odometry\.outputs'):
        OdometryWork(task)


def test_hints_that_follow_the_pair_before_are_refused(tmp_path: Path) -> None:
    """Segments, and with them the number of workers, would change the bytes."""
    text = 'tasks: {stereo: {settings: {model: crestereo_tiny_hinted, hints: previous}}}'
    (task,) = read_job(written(tmp_path, text)).tasks
    with pytest.raises(DepthRosError, match=r'follow the pair before.*set hints to auto'):
        StereoWork(task)
