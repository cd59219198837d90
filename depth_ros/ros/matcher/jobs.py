"""What the matcher's worker gets: a request of the service, or the latest pair of frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from depth_ros.errors import DepthRosError, InputError
from depth_ros.frames import ImagePair
from depth_ros.messages.matches import fill_matches
from depth_ros.ros.matcher.messages import (
    MatchStatus,
    decode_mask,
    fill_geometry,
    needs_cameras,
    status_of,
)
from depth_ros.ros.matcher.views import MatchView
from depth_ros.ros.node.roles import Job
from depth_ros.streams.fair_queue import Queued, QueueRefusal
from depth_ros.tasks.matching.question import MatchAnswer, MatchQuestion
from depth_ros_interfaces.msg import Matches
from depth_ros_interfaces.srv import MatchImages

Request: TypeAlias = MatchImages.Request
Response: TypeAlias = MatchImages.Response
TOPIC_CALLER = '\0matches'
"""Lane of the pairs of the topic; no text of a message holds a NUL."""

REFUSALS: dict[QueueRefusal, tuple[MatchStatus, str, str]] = {
    QueueRefusal.FULL: (
        MatchStatus.BUSY,
        'busy',
        'as many requests wait as may; ask again later, or raise queue_size or queue_megabytes',
    ),
    QueueRefusal.IN_WORK: (
        MatchStatus.BUSY,
        'busy_caller',
        'an earlier request of this caller is being worked on; wait for its answer',
    ),
    QueueRefusal.REPLACED: (
        MatchStatus.BUSY,
        'replaced',
        'a newer request of this caller took its place; read the answer to that one',
    ),
    QueueRefusal.CLOSED: (MatchStatus.SHUTTING_DOWN, 'shutdown', 'the node ends; ask another one'),
}
"""Status, reason for the statistics, and text."""


class MatchJob(Queued, Job['Question'], Protocol):
    """Both kinds of job, as queue, worker and outputs see them."""

    @property
    def views(self) -> tuple[MatchView, MatchView]:
        """Both images."""

    def answer(self, answer: Answer) -> None:
        """Send the answer to the caller, if there is one."""

    def fail(self, error: Exception) -> None:
        """Tell the caller why there is no result."""

    def refused(self, reason: QueueRefusal) -> None:
        """Tell the caller that it will not be processed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchTicket:
    """Links an answer to its job.

    Attributes:
        job: The job.
        started_s: Monotonic clock when the worker took it.
    """

    job: MatchJob
    started_s: float = field(default_factory=time.monotonic)


Question: TypeAlias = MatchQuestion[MatchTicket]
Answer: TypeAlias = MatchAnswer[MatchTicket]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TopicJob:
    """The latest pair of frames, for the ``matches`` topic."""

    views: tuple[MatchView, MatchView]
    accepted_s: float = field(default_factory=time.monotonic)
    caller: str = TOPIC_CALLER
    num_bytes: int = 0
    is_own: bool = True

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newer frame."""
        return self.views[1].stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the newer frame."""
        return str(self.views[1].header.frame_id)

    def decode(self) -> Question:
        """Decode both frames."""
        return _question(self, MatchImages.Request())

    def answer(self, answer: Answer) -> None:
        """Do nothing: the output is published already."""

    def fail(self, error: Exception) -> None:
        """Do nothing: the worker counts and warns."""

    def refused(self, reason: QueueRefusal) -> None:
        """Do nothing: the queue counts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ServiceJob:
    """A request.

    Attributes:
        request: The message.
        views: Both images, sent or recent.
        max_wait_s: How long it may wait.
        send: Takes the response, once; called from any thread.
        count: Counts a refusal by reason and text.
        accepted_s: Monotonic clock at the callback.
    """

    request: Request
    views: tuple[MatchView, MatchView]
    max_wait_s: float
    send: Callable[[Response], None]
    count: Callable[[InputError], None]
    accepted_s: float = field(default_factory=time.monotonic)
    is_own: bool = False

    @property
    def caller(self) -> str:
        """The name the request gave."""
        return str(self.request.caller)

    @property
    def num_bytes(self) -> int:
        """Images and masks that came with the request."""
        masks = len(self.request.first_mask.data) + len(self.request.second_mask.data)
        return masks + sum(view.num_bytes for view in self.views if not view.is_recent)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the second image."""
        return self.views[1].stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the second image; requests need none."""
        return str(self.views[1].header.frame_id) or 'request'

    def decode(self) -> Question:
        """Decode what was sent.

        Raises:
            InputError: If something of it cannot be used, or it waited too long.
        """
        waited_s = time.monotonic() - self.accepted_s
        if waited_s > self.max_wait_s:
            raise InputError(
                'expired',
                f'the request waited {waited_s:.1f} s but only {self.max_wait_s:g} s are allowed; '
                'ask again later, or raise max_wait_s',
            )
        return _question(self, self.request)

    def answer(self, answer: Answer) -> None:
        """Send matches and geometry."""
        response = MatchImages.Response(status=int(MatchStatus.OK))
        fill_whole_matches(response.matches, answer)
        fill_geometry(response.geometry, answer.geometry, self.request)
        started_s = answer.question.ticket.started_s
        response.wait_ms = (started_s - self.accepted_s) * 1e3
        response.work_ms = (time.monotonic() - started_s) * 1e3
        self.send(response)

    def fail(self, error: Exception) -> None:
        """Send status and text of an error."""
        if isinstance(error, DepthRosError):
            self.send(refusal(status_of(error), str(error)))
        else:
            self.send(refusal(MatchStatus.FAILED, f'a defect of the node, see its log: {error!r}'))

    def refused(self, reason: QueueRefusal) -> None:
        """Count the refusal and send its reason."""
        status, slug, text = REFUSALS[reason]
        self.count(InputError(slug, text))
        self.send(refusal(status, text))


def refuse(job: MatchJob, reason: QueueRefusal) -> None:
    """Tell a job that it will not be processed."""
    job.refused(reason)


def refusal(status: MatchStatus, text: str) -> Response:
    """Make a response without matches."""
    return MatchImages.Response(status=int(status), text=text)


def fill_whole_matches(message: Matches, answer: Answer) -> None:
    """Set every field."""
    first, second = answer.question.ticket.job.views
    pair = answer.question.pair
    fill_matches(message, answer)
    message.header, message.first_header = second.header, first.header
    message.first_height, message.first_width = pair.first.shape[:2]
    message.second_height, message.second_width = pair.second.shape[:2]


def _question(job: MatchJob, request: Request) -> Question:
    ticket = MatchTicket(job=job)
    names = ('first image', 'second image')
    images = [view.decode(what=name) for view, name in zip(job.views, names, strict=True)]
    is_needed = needs_cameras(request)
    cameras = [
        view.checked_camera(image, is_needed=is_needed, what=name)
        for view, image, name in zip(job.views, images, names, strict=True)
    ]
    return MatchQuestion(
        pair=ImagePair(
            first=images[0],
            second=images[1],
            first_mask=decode_mask(request.first_mask, what='first mask'),
            second_mask=decode_mask(request.second_mask, what='second mask'),
        ),
        first_camera=cameras[0],
        second_camera=cameras[1],
        max_matches=int(request.max_matches) or None,
        min_confidence=float(request.min_confidence) if request.min_confidence >= 0.0 else None,
        ticket=ticket,
    )
