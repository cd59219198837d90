"""Test configuration: threads that wait quietly, and Ctrl-C that is heard."""

import os
import signal
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite('tests.kit')
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and their children inherit that; several
    # tests send SIGINT to programs and expect them to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: sums of several have other last digits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
