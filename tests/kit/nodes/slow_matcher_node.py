"""A matcher node that opens once a file is there and takes its time; 'orb' fails in a new way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from depth_ros.ros.matcher.node import MatcherNode
from depth_ros.ros.node.runner import run_node
from depth_ros.tasks.matching.matcher import Matcher, open_matcher
from depth_ros.tasks.matching.question import MatchAnswer, MatchQuestion
from depth_ros.tasks.matching.settings import MatchSettings

GATE = 'DEPTH_ROS_TEST_GATE'
OPEN_WITHIN_S = 60.0
MATCH_S = 0.2


class SlowMatcher(Matcher):
    """Matches as usual, later."""

    def process(self, question: MatchQuestion[Any], *, wanted: object = None) -> MatchAnswer[Any]:
        time.sleep(MATCH_S)
        if self.settings.model == 'orb':
            raise KeyError('no such luck')
        return super().process(question)


def open_processor(settings: MatchSettings, *, progress: Any = None) -> Matcher:
    end = time.monotonic() + OPEN_WITHIN_S
    while not Path(os.environ[GATE]).exists() and time.monotonic() < end:
        time.sleep(0.02)
    return SlowMatcher(open_matcher(settings).pipeline, settings)


if __name__ == '__main__':
    sys.exit(run_node('matcher_node', lambda: MatcherNode(open_processor=open_processor)))
