"""An engine that is a Python function: the test double, with delay and failures on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from depth_ros.engines.session import NUM_SLOTS, SessionEngine
from depth_ros.errors import EngineError
from depth_ros.tensors import EngineInfo, Tensors, TensorSpec

Function = Callable[[Tensors], Tensors]


class CallableEngine(SessionEngine):
    """Runs a function in a thread of its own, so two frames can be in flight."""

    def __init__(
        self,
        function: Function,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        graph: str = 'callable',
        delay_s: float = 0.0,
        fail_on: Collection[int] = (),
    ) -> None:
        """Wrap a function.

        Args:
            function: Takes the inputs, which it may keep, and gives the outputs.
            inputs: Specs of its inputs.
            outputs: Specs of its outputs.
            graph: Name shown in diagnostics.
            delay_s: How long every frame takes at least.
            fail_on: Numbers of frames, from 0, that raise EngineError instead.
        """
        super().__init__(
            info=EngineInfo(
                runtime='callable',
                version='1',
                precision='f32',
                device='cpu',
                graph=graph,
                num_threads=1,
            ),
            inputs=inputs,
            outputs=outputs,
            session=_CallableSession(function, delay_s, frozenset(fail_on)),
        )


class _CallableSession:
    """One worker thread; a slot holds the frame's future."""

    def __init__(self, function: Function, delay_s: float, fail_on: frozenset[int]) -> None:
        self._function = function
        self._delay_s = delay_s
        self._fail_on = fail_on
        self._num_frames = 0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix='callable-engine')
        self._futures: list[Future[Tensors] | None] = [None] * NUM_SLOTS

    def start(self, slot: int, tensors: Tensors) -> None:
        copies = {name: np.array(array) for name, array in tensors.items()}
        self._futures[slot] = self._worker.submit(self._run, copies, self._num_frames)
        self._num_frames += 1

    def wait(self, slot: int) -> Tensors:
        future = self._futures[slot]
        assert future is not None
        return future.result()

    def close(self) -> None:
        self._worker.shutdown()

    def _run(self, tensors: Tensors, frame_index: int) -> Tensors:
        if self._delay_s > 0:
            time.sleep(self._delay_s)
        if frame_index in self._fail_on:
            raise EngineError(f'frame {frame_index} fails because fail_on names it')
        return self._function(tensors)
