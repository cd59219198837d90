"""Test configuration: threads that wait quietly, and Ctrl-C that is heard."""

import os
import signal

import pytest

pytest.register_assert_rewrite('tests.kit')
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and their children inherit that; several
    # tests send SIGINT to programs and expect them to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
