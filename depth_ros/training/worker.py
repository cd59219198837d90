"""A second process that prepares batches while the first one trains."""

from __future__ import annotations

import multiprocessing
import os
import queue
from typing import Any

import torch

from depth_ros.errors import DepthRosError
from depth_ros.training.task import BatchSource

PATIENCE_S = 600.0


def _produce(
    source: BatchSource,
    batch_size: int,
    first: int,
    stream: int,
    results: multiprocessing.Queue,
) -> None:
    torch.set_num_threads(1)
    # Without a reader the queue's own thread would keep the process alive forever.
    results.cancel_join_thread()
    parent = os.getppid()
    for batch in source.batches(batch_size=batch_size, first=first, stream=stream):
        while True:
            try:
                results.put(batch, timeout=5.0)
                break
            except queue.Full:
                if os.getppid() != parent:
                    return


class BatchWorkers:
    """Streams of batches from worker processes, given out in turn.

    Args:
        source: Where batches come from.
        batch_size: Samples per batch.
        first: Number of the first batch, over all streams.
        streams: Number of worker processes; part of the recipe, since it decides the order.
        depth: Batches each worker prepares ahead.
    """

    def __init__(
        self,
        source: BatchSource,
        *,
        batch_size: int,
        first: int = 0,
        streams: int = 1,
        depth: int = 6,
    ) -> None:
        context = multiprocessing.get_context('spawn')
        self._next = first
        self._queues = [context.Queue(depth) for _ in range(streams)]
        self._processes = []
        for stream, results in enumerate(self._queues):
            done = (first - stream + streams - 1) // streams
            arguments = (source, batch_size, done, stream, results)
            process = context.Process(target=_produce, args=arguments, daemon=True)
            process.start()
            self._processes.append(process)

    def next(self) -> Any:
        """Wait for the next batch.

        Raises:
            DepthRosError: If the worker has died or is silent for minutes.
        """
        stream = self._next % len(self._queues)
        self._next += 1
        waited_s = 0.0
        while waited_s < PATIENCE_S:
            try:
                return self._queues[stream].get(timeout=5.0)
            except queue.Empty:
                waited_s += 5.0
                if not self._processes[stream].is_alive():
                    break
        raise DepthRosError(
            f'expected a batch from worker {stream}, but it died or was silent for '
            f'{waited_s:.0f} s; see its traceback above, then go on with --resume'
        )

    def close(self) -> None:
        """Stop the workers."""
        for process in self._processes:
            process.terminate()
            process.join(5.0)
