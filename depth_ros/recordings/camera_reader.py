"""The one camera of a task: which topics, and its calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from depth_ros.files.bag_topics import CAMERA_INFO, BagTopic, mono_topics
from depth_ros.files.calibration import read_mono_calibration
from depth_ros.recordings.camera_frames import (
    FROM_FILE,
    CameraSource,
    taken_as,
    with_file_topic,
)
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.topics import CameraTopicNames


def guessed_camera(
    task: JobTask, topics: tuple[BagTopic, ...], *, needs_calibration: bool = True
) -> tuple[JobTask, str]:
    """Return the task with every topic named, and the topic of its images.

    Args:
        task: Task whose input is of ``CameraTopicNames``.
        topics: What the recording holds.
        needs_calibration: Whether a recording without one is refused; its ``info`` stays empty
            otherwise.

    Raises:
        InputError: If the topics are not clear; lists them.
    """
    given = cast('CameraTopicNames', task.input)
    has_infos = any(topic.type == CAMERA_INFO and topic.count for topic in topics)
    is_without = not (needs_calibration or has_infos or given.calibration)
    stand_in = given.calibration or ('none' if is_without else '')
    found = mono_topics(
        with_file_topic(topics, stand_in),
        image_topic=given.image,
        info_topic=FROM_FILE if stand_in else given.info,
    )
    known = replace(
        given,
        image=found.image.name,
        info='' if is_without else found.info.name,
        images=taken_as(
            given.images,
            given.calibration,
            is_rectified=found.is_rectified,
            read=read_mono_calibration,
        ),
    )
    return replace(task, input=known), found.image.name


def camera_source(given: CameraTopicNames) -> CameraSource:
    """Return the camera that an input names; reads the calibration, if it is in a file."""
    calibration = given.calibration
    return CameraSource(
        topic=given.image,
        info_topic=given.info,
        camera=read_mono_calibration(calibration).camera if calibration else None,
        is_rectified=given.images == 'rectified',
    )
