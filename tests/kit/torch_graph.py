"""Stand-ins for a CUDA graph: what can be recorded on a machine without a GPU."""

from __future__ import annotations

from collections.abc import Callable

from depth_ros.engines.torch_engine import NUM_WARMUPS, Outputs


class ReplayedCapture:
    """Keeps the output tensors of the recording, as CUDA does, and refills them on replay."""

    num_replays = 0

    def record(self, run: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        for _ in range(NUM_WARMUPS):
            run()
        static = run()

        def replay() -> None:
            self.num_replays += 1
            for kept, fresh in zip(static, run(), strict=True):
                kept.copy_(fresh)

        return static, replay


class RefusingCapture:
    """Fails as CUDA does when something synchronises during a capture."""

    def record(self, run: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        run()
        raise RuntimeError('operation not permitted when stream is capturing')
