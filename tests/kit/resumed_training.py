"""Two trainings that must have ended alike."""

from __future__ import annotations

import torch

from depth_ros.training.trainer import Trainer


def assert_same_bits(whole: Trainer, resumed: Trainer) -> None:
    """Require the same weights, trained and averaged, to the last bit."""
    for mine, theirs in ((whole.network, resumed.network), (whole.average, resumed.average)):
        state = theirs.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in mine.state_dict().items())
