"""Which topics of a recording are those of one camera and of its poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from depth_ros.errors import InputError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.camera_reader import guessed_camera
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.recorded_poses import POSE_KINDS
from depth_ros.recordings.topics import PosedTopicNames


def guessed_posed_camera(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
    """Return the task with the topics of camera and poses named, and the topic of the images."""
    named, topic = guessed_camera(task, topics)
    given = cast('PosedTopicNames', named.input)
    poses = _poses_topic(task.kind, given, topics)
    return replace(named, input=replace(given, poses=poses)), topic


def pose_topics(topics: Sequence[BagTopic]) -> list[str]:
    """Return the names of the topics that hold poses, sorted."""
    return sorted(topic.name for topic in topics if topic.type in POSE_KINDS and topic.count)


def _poses_topic(kind: str, given: PosedTopicNames, topics: tuple[BagTopic, ...]) -> str:
    known = pose_topics(topics)
    names = [given.poses] if given.poses else known
    if len(names) != 1 or names[0] not in known:
        found = ', '.join(known) or 'none'
        raise InputError(
            'bag_topic',
            f'a {kind} job needs one topic of poses ({" or ".join(POSE_KINDS)}), found '
            f'{found}; name it as poses in tasks.{kind}.input, or make one first with a job of '
            'odometry that copies all topics',
        )
    return names[0]
