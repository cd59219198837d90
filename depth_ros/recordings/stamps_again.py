"""Outputs whose stamps came before in their recording, as where it looped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class StampsAgain:
    """What has a stamp that came before.

    Segments do not know each other, so an image is refused for its stamp only if the other one
    lies within ``segments.overlap_s``; the rest is known once a recording is whole.

    Attributes:
        count: Outputs whose stamp is not later than that of one before, of the same task.
        first_log_ns: Time of recording of the first; 0 without any.
    """

    count: int = 0
    first_log_ns: int = 0


def stamps_again(figures: Iterable[bytes]) -> StampsAgain:
    """Return the outputs that have a stamp of before.

    Args:
        figures: Lines of JSON, one for each output in order of recording.
    """
    newest: dict[str, int] = {}
    count, first_log_ns = 0, 0
    for line in figures:
        output = json.loads(line)
        task, stamp_ns = output['task'], output['stamp_ns']
        if stamp_ns <= newest.get(task, -1):
            count += 1
            first_log_ns = first_log_ns or output['log_ns']
        newest[task] = max(stamp_ns, newest.get(task, -1))
    return StampsAgain(count=count, first_log_ns=first_log_ns)
