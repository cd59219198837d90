"""Test configuration: make helper modules beside the tests importable."""

import os
import signal
import sys
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
sys.path.insert(0, str(Path(__file__).resolve().parent))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and their children inherit that; several
    # tests send SIGINT to programs and expect them to hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
