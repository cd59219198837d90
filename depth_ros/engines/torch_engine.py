"""torch in eager mode: the reference for exports, tests and benchmarks; not for robots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from depth_ros.engines.base import EngineInfo
from depth_ros.engines.cpu import default_threads
from depth_ros.engines.session import NUM_SLOTS, SessionEngine
from depth_ros.errors import EngineError
from depth_ros.tensors import Tensors, TensorSpec


class TorchEngine(SessionEngine):
    """Runs a module as it is, in float32 on the CPU.

    Setting the number of threads changes it for the whole process: torch has one pool.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        graph: str = 'torch',
        num_threads: int = 0,
    ) -> None:
        """Take a module, into evaluation mode.

        Args:
            module: Takes one tensor per input, in order; gives a tensor, or one per output.
            inputs: Specs of its inputs.
            outputs: Specs of its outputs.
            graph: Name shown in diagnostics.
            num_threads: CPU threads, 0 for the default.
        """
        threads = num_threads or default_threads()
        torch.set_num_threads(threads)
        super().__init__(
            info=EngineInfo(
                runtime='torch',
                version=torch.__version__,
                precision='f32',
                device='cpu',
                graph=graph,
                num_threads=threads,
            ),
            inputs=inputs,
            outputs=outputs,
            session=_TorchSession(module.eval(), inputs, outputs),
        )


class _TorchSession:
    """Computes at once, in ``start``; every frame has outputs of its own."""

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:
        self._module: torch.nn.Module | None = module
        self._inputs = inputs
        self._specs = outputs
        self._outputs: list[Tensors] = [{}] * NUM_SLOTS

    def start(self, slot: int, tensors: Tensors) -> None:
        assert self._module is not None
        arguments = to_torch(tensors, self._inputs)
        try:
            self._outputs[slot] = run_module(self._module, arguments, self._specs)
        except RuntimeError as error:
            raise EngineError(
                f'torch failed while running ({error}); lower the engine size if memory ran out'
            ) from error

    def wait(self, slot: int) -> Tensors:
        return self._outputs[slot]

    def close(self) -> None:
        self._module = None
        self._outputs = [{}] * NUM_SLOTS


def run_module(
    module: torch.nn.Module, arguments: Sequence[torch.Tensor], outputs: Sequence[TensorSpec]
) -> dict[str, np.ndarray]:
    """Run a module once without gradients and name what it gives.

    Raises:
        EngineError: If it gives another number of outputs than there are specs.
    """
    with torch.inference_mode():
        values = module(*arguments)
    values = values if isinstance(values, (tuple, list)) else (values,)
    if len(values) != len(outputs):
        raise EngineError(
            f'the network gave {len(values)} outputs and declares {len(outputs)}; '
            'fix exportable() in its network.py'
        )
    return {spec.name: value.numpy() for spec, value in zip(outputs, values, strict=True)}


def to_torch(tensors: Tensors, specs: Sequence[TensorSpec]) -> tuple[torch.Tensor, ...]:
    """Copy named arrays into torch tensors, in the order of the specs."""
    return tuple(torch.from_numpy(np.array(tensors[spec.name])) for spec in specs)
