"""Interface of runtimes to the builder, and the table of all runtimes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.calibrations import INT8_PACKAGE, NNCF_MISSING, CalibratedGraph
from depth_ros.engines.tensorrt.jetpack import CUDA_PYTHON_MISSING, TENSORRT_MISSING
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.errors import EngineError
from depth_ros.tensors import Engine, Progress

ALSO_LOW = ('products', 'similarities')
"""What a graph may have in the lower precision besides convolutions, by names in its recipe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSettings:
    """How to build an engine.

    Attributes:
        precision: ``'f32'``, ``'bf16'``, ``'f16'`` or ``'int8'``.
        num_threads: CPU threads, 0 lets the runtime choose.
        gpu: Options of GPU engines; None takes those of the environment.
        also_low: What else, out of ``ALSO_LOW``, runs in the lower precision where the runtime
            leaves the choice.
        cache_root: Where to keep what helps later builds, beside the engines; None keeps nothing.
        progress: Called with a phase and a fraction during a build.
        network: Makes the network itself (an ``Exportable``) where there is a checkpoint.
        calibrated: The graph in int8 that is built instead; None where the precision is another.
    """

    precision: str = 'f32'
    num_threads: int = 0
    gpu: GpuOptions | None = None
    also_low: tuple[str, ...] = ()
    cache_root: Path | None = None
    progress: Progress | None = None
    network: Callable[[], object] | None = None
    calibrated: CalibratedGraph | None = None


class Runtime(Protocol):
    """One runtime as the builder sees it; making one imports the library.

    ``build`` compiles and leaves in ``folder`` whatever ``load`` wants to find there later; the
    cache hashes it. Both give an engine that computes alike.
    """

    version: str

    def refusal(self, settings: BuildSettings) -> str:
        """Return why these settings are unsupported on this machine; empty if supported."""

    def device(self) -> str:
        """Identity of the device, for the cache key."""

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        """Every further thing the built engine depends on, for the cache key."""

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> Engine:
        """Compile a graph and keep the result in ``folder``."""

    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> Engine:
        """Load what ``build`` left in ``folder``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeEntry:
    """One line of the table of runtimes.

    Attributes:
        module: Module of ours to import when the runtime is asked for.
        factory: Name of the ``Runtime`` in it; empty if it cannot run ONNX files.
        library: Name under which the library is imported.
        packages: Packages that may provide it.
        pip: What to type to get it.
        unavailable: Why it cannot be used yet, whatever is installed; empty if it can.
        absent: What to say where it is missing; empty says what to type.
        needs: Further libraries, with what to say where one is missing.
        is_cpu: Whether it calculates on the CPU, so that it can go on when a GPU is lost.
        lower_precision: What ``precision`` ``auto`` tries first; empty where there is float32
            only, or no gate before it.
        network_device: Where it runs the network itself, from its checkpoint; empty where it
            runs exported graphs.
    """

    module: str
    factory: str
    library: str
    packages: tuple[str, ...]
    pip: str
    unavailable: str = ''
    absent: str = ''
    needs: Mapping[str, str] = field(default_factory=dict)
    is_cpu: bool = False
    lower_precision: str = ''
    network_device: str = ''

    def load(self) -> Runtime:
        """Import the library and return the runtime.

        Raises:
            EngineError: If it is not installed or does not serve ONNX files.
        """
        reason = self.reason()
        if reason:
            raise EngineError(reason)
        if not self.factory:
            raise EngineError(
                f'{self.library} does not run exported graphs here; open them with one of '
                f'{AUTO_ORDER}, or from a checkpoint with open_graphs'
            )
        try:
            module = import_module(self.module)
        except (ImportError, OSError) as error:
            raise EngineError(
                f'{self.library} is installed but cannot be imported ({error}); type: {self.pip}'
            ) from error
        runtime: Runtime = getattr(module, self.factory)()
        return runtime

    def reason(self) -> str:
        """Return why it is unusable, with the remedy; empty if usable. Imports nothing."""
        return self.unavailable or self.missing()

    def tried(self) -> str:
        """Import the library and look for its device; return why it is unusable, empty if not."""
        if self.reason():
            return self.reason()
        try:
            if self.factory:
                self.load().device()
            else:
                import_module(self.module).expect_device(self.network_device, 'f32')
        except EngineError as error:
            return str(error)
        return ''

    def missing(self) -> str:
        """Return which library is missing and how to get it; empty if all are installed."""
        if not is_importable(self.library):
            return self.absent or f'{self.library} is not installed; type: {self.pip}'
        missing = (text for library, text in self.needs.items() if not is_importable(library))
        return next(missing, '')

    def installed_version(self) -> str | None:
        """Version by package metadata, without importing; None if unknown."""
        for package in self.packages:
            try:
                return version(package)
            except PackageNotFoundError:
                continue
        return None


RUNTIMES: dict[str, RuntimeEntry] = {
    'tensorrt': RuntimeEntry(
        module='depth_ros.engines.tensorrt.engine',
        factory='TensorRtRuntime',
        library='tensorrt',
        packages=('tensorrt', 'tensorrt-cu13', 'tensorrt-cu12'),
        pip='pip install tensorrt',
        absent=TENSORRT_MISSING,
        needs={'cuda': CUDA_PYTHON_MISSING},
        lower_precision='f16',
    ),
    'openvino': RuntimeEntry(
        module='depth_ros.engines.openvino.engine',
        factory='OpenVinoRuntime',
        library='openvino',
        packages=('openvino',),
        pip='pip install openvino',
        is_cpu=True,
        lower_precision='bf16',
    ),
    'onnxruntime': RuntimeEntry(
        module='depth_ros.engines.onnxruntime_engine',
        factory='OnnxRuntimeRuntime',
        library='onnxruntime',
        packages=('onnxruntime', 'onnxruntime-gpu'),
        pip='pip install onnxruntime',
        is_cpu=True,
    ),
    'torch': RuntimeEntry(
        module='depth_ros.engines.torch_engine',
        factory='',
        library='torch',
        packages=('torch',),
        pip='pip install torch',
        network_device='cpu',
    ),
    'torch_cuda': RuntimeEntry(
        module='depth_ros.engines.torch_engine',
        factory='',
        library='torch',
        packages=('torch',),
        pip='pip install torch',
        network_device='cuda',
    ),
}
"""Every runtime by name, the fastest first. Adding one adds a module and an entry here."""

AUTO_ENGINE = 'auto'
AUTO_ORDER = tuple(name for name, entry in RUNTIMES.items() if not entry.network_device)
"""Runtimes that ``auto`` tries, in this order. torch is for exports, tests and benchmarks."""

CPU_ORDER = tuple(name for name in AUTO_ORDER if RUNTIMES[name].is_cpu)
"""Runtimes to continue with when a GPU is lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeStatus:
    """Whether a runtime can be used here.

    Attributes:
        name: Name for the ``engine`` parameter.
        version: Installed version, None if not installed.
        reason: Why it cannot be used, with the remedy; empty if it can.
    """

    name: str
    version: str | None
    reason: str


def available_runtimes(*, are_tried: bool = False) -> list[RuntimeStatus]:
    """List every runtime with its version and why it cannot be used.

    Args:
        are_tried: Whether to import each and look for its device, not only for its package.
    """
    return [
        RuntimeStatus(
            name=name,
            version=entry.installed_version(),
            reason=entry.tried() if are_tried else entry.reason(),
        )
        for name, entry in RUNTIMES.items()
    ]


def usable_runtimes() -> tuple[str, ...]:
    """Return the runtimes that ``auto`` can choose from here; imports none of them."""
    return tuple(name for name in AUTO_ORDER if not RUNTIMES[name].reason())


def cpu_engine() -> str:
    """Return the CPU runtime to continue with after the GPU is lost.

    Raises:
        EngineError: If no CPU runtime is installed.
    """
    for name in CPU_ORDER:
        if not RUNTIMES[name].missing():
            return name
    raise EngineError(f'there is no CPU engine to go on with; type: {RUNTIMES[CPU_ORDER[0]].pip}')


def expect_nncf() -> None:
    """Refuse to calibrate without NNCF; does not import it.

    Raises:
        EngineError: If it is not installed, saying what to type.
    """
    if not is_importable(INT8_PACKAGE):
        raise EngineError(NNCF_MISSING)


def is_importable(library: str) -> bool:
    """Whether a library could be imported; does not import it."""
    try:
        return find_spec(library) is not None
    except ValueError:
        return False
