"""Every network on a GPU, in one command: right first, then fast. Needs torch and NumPy only.

Each graph is compared with its own float32 result on the CPU (TF32 off), then timed in torch:
eager float32, autocast to half precision, and both captured into a CUDA graph; TensorRT too where
it and the exporter are installed. Figures are medians of many frames between device events, after
a warm-up, over inputs that take turns so that no cache flatters. GFLOP is what torch's own counter
counts (2 per multiply-add; sampling and pointwise work is not counted). The floor is that work at
the peak this device reached in a matrix product just before, or reading the weights once at its
copy bandwidth, whichever is longer; the ratio is time over floor.

Weights are made up unless shipped: times do not depend on them, errors do.

    python benchmarks/gpu.py                   everything, on the first CUDA device
    python benchmarks/gpu.py --models loftr,mvsnet --rounds 200
    python benchmarks/gpu.py --device cpu --small     proves that the script works, no more

Nothing is fetched. Results go to benchmarks/results/gpu-<device>.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

import numpy as np
import torch
from arithmetic import count_gflop
from gpu_cases import CASES, Case, feeds_of, open_case
from gpu_machine import Peaks, describe_device, measure_peaks, synchronize, time_calls

from depth_ros.engines.torch_engine import CudaGraphCapture, DeviceConstants
from depth_ros.tensors import Exportable

RESULTS = REPOSITORY / 'benchmarks' / 'results'
NUM_INPUTS = 4
HALF = {'cuda': torch.float16, 'cpu': torch.bfloat16}
Outputs = tuple[torch.Tensor, ...]
Run = Callable[..., Outputs]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to run a graph, measured.

    Attributes:
        name: E.g. ``'eager f32'``.
        ms: Median milliseconds a frame; None if it could not run.
        p95_ms: 95th percentile.
        floor_ms: See the head of this file.
        errors: Mean and largest absolute difference from float32 on the CPU, by output.
        is_right: Whether float32 was reproduced; None for half precision, which is only reported.
        refused: Why it could not run.
    """

    name: str
    ms: float | None = None
    p95_ms: float | None = None
    floor_ms: float | None = None
    errors: Mapping[str, Mapping[str, float]] | None = None
    is_right: bool | None = None
    refused: str = ''

    @property
    def ratio(self) -> float | None:
        """Time over floor."""
        return None if not self.ms or not self.floor_ms else self.ms / self.floor_ms


def main(words: list[str] | None = None) -> int:
    """Run every case; 1 if a float32 result is wrong, 2 if the device is not there."""
    arguments = parse(words)
    if arguments.device == 'cuda' and not torch.cuda.is_available():
        print(
            f'no CUDA device is here (torch {torch.__version__}); run this on a machine with a '
            'GPU and a CUDA build of torch, or prove the script with: '
            'python benchmarks/gpu.py --device cpu --small',
            file=sys.stderr,
        )
        return 2
    use_exact_float32()
    device = torch.device(arguments.device)
    machine = describe_device(device)
    print('\n'.join(f'{key}: {value}' for key, value in machine.items()))
    peaks = measure_peaks(device, HALF[device.type], is_small=arguments.small)
    print(peaks.describe())
    record: dict[str, object] = {}
    is_right = True
    for case in chosen(arguments):
        entry, contenders = run_case(case, device, peaks, arguments)
        record[case.title(is_small=arguments.small)] = entry
        is_right &= all(contender.is_right is not False for contender in contenders)
    path = write_results(arguments, machine, peaks, record, describe_device(device))
    print(f'\nraw figures: {path}')
    if not is_right:
        print('WRONG: a float32 result differs from the CPU, see above', file=sys.stderr)
    return 0 if is_right else 1


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    parser.add_argument('--models', default='', help='recipes separated by commas; default all')
    parser.add_argument('--rounds', type=int, default=100, help='timed frames of each contender')
    parser.add_argument('--small', action='store_true', help='tiny sizes and few rounds')
    parser.add_argument('--no-tensorrt', action='store_true', help='leave TensorRT out')
    parser.add_argument('--out', type=Path, default=RESULTS, help='folder for the JSON file')
    arguments = parser.parse_args(words)
    if arguments.small:
        arguments.rounds = min(arguments.rounds, 3)
    return arguments


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the text above as it is and shows the defaults."""


def chosen(arguments: argparse.Namespace) -> list[Case]:
    """Give the cases asked for; a name that does not exist ends the program."""
    names = [name for name in arguments.models.split(',') if name]
    known = list(dict.fromkeys(case.model for case in CASES))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f'there is no model {unknown[0]!r}; use some of: {",".join(known)}')
    cases = [case for case in CASES if not names or case.model in names]
    # Small sizes are equal for several cases of one graph.
    titles = {case.title(is_small=arguments.small): case for case in reversed(cases)}
    return list(reversed(titles.values()))


def use_exact_float32() -> None:
    """Switch off TF32, which rounds float32 to ten bits in convolutions and products."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def run_case(
    case: Case, device: torch.device, peaks: Peaks, arguments: argparse.Namespace
) -> tuple[dict[str, object], list[Contender]]:
    """Check and time one graph; give its record and its contenders."""
    exportable, source = open_case(case, is_small=arguments.small)
    module = exportable.module
    assert isinstance(module, torch.nn.Module)
    feeds = [feeds_of(exportable, seed) for seed in range(NUM_INPUTS)]
    with torch.inference_mode():
        reference = as_tuple(module(*feeds[0]))
    gflop = count_gflop(lambda: module(*feeds[0]))
    weights_gb = sum(item.numel() * 4 for item in module.parameters()) / 1e9
    del exportable, module
    exportable, _ = open_case(case, is_small=arguments.small, device=device)
    module = exportable.module
    assert isinstance(module, torch.nn.Module)
    module = module.to(device)
    inputs = [tuple(tensor.to(device) for tensor in feed) for feed in feeds]
    contenders = []
    for name, run, is_half in runs_of(module, device):
        floor = peaks.floor_ms(gflop, weights_gb, is_half=is_half)
        contenders.append(
            measured(name, run, inputs, reference, exportable, case, floor, is_half, arguments)
        )
    if not arguments.no_tensorrt:
        from gpu_tensorrt import tensorrt_contenders

        floors = {half: peaks.floor_ms(gflop, weights_gb, is_half=half) for half in (False, True)}
        for name, result in tensorrt_contenders(case, feeds, arguments).items():
            is_half = 'f16' in name
            contenders.append(
                Contender(name=name, floor_ms=floors[is_half], **result)  # type: ignore[arg-type]
            )
    print_case(case, contenders, gflop, source, is_small=arguments.small)
    entry = {
        'weights': source,
        'gflop': gflop,
        'weights_mb': weights_gb * 1e3,
        'contenders': [{**asdict(item), 'ratio': item.ratio} for item in contenders],
    }
    return entry, contenders


def runs_of(module: torch.nn.Module, device: torch.device) -> list[tuple[str, Run, bool]]:
    """Give (name, run, is half) of every way to run a module in torch."""
    half = HALF[device.type]

    constants = DeviceConstants(device)

    def eager(*tensors: torch.Tensor) -> Outputs:
        with constants.entered():
            return as_tuple(module(*tensors))

    def autocast(*tensors: torch.Tensor) -> Outputs:
        with (
            constants.entered(),
            torch.autocast(device.type, dtype=half, cache_enabled=False),
        ):
            return as_tuple(module(*tensors))

    short = {torch.float16: 'f16', torch.bfloat16: 'bf16'}[half]
    runs: list[tuple[str, Run, bool]] = [
        ('torch eager f32', eager, False),
        (f'torch eager {short}', autocast, True),
    ]
    if device.type == 'cuda':
        runs.append(('torch CUDA graph f32', GraphRun(eager), False))
        runs.append((f'torch CUDA graph {short}', GraphRun(autocast), True))
    return runs


class GraphRun:
    """Captures a function at its first call and replays it; copying the inputs in is counted."""

    def __init__(self, run: Run) -> None:
        """Capture nothing yet."""
        self._run = run
        self._static: Outputs = ()
        self._recorded: tuple[Outputs, Callable[[], None]] | None = None

    def __call__(self, *tensors: torch.Tensor) -> Outputs:
        """Copy in and replay."""
        if self._recorded is None:
            self._static = tuple(tensor.clone() for tensor in tensors)
            self._recorded = CudaGraphCapture().record(lambda: self._run(*self._static))
        for static, tensor in zip(self._static, tensors, strict=True):
            static.copy_(tensor)
        outputs, replay = self._recorded
        replay()
        return outputs


def measured(
    name: str,
    run: Run,
    inputs: list[tuple[torch.Tensor, ...]],
    reference: Outputs,
    exportable: Exportable,
    case: Case,
    floor_ms: float,
    is_half: bool,
    arguments: argparse.Namespace,
) -> Contender:
    """Compare and time one contender; what fails is told with its reason."""
    device = torch.device(arguments.device)
    try:
        with torch.inference_mode():
            outputs = [value.float().cpu().clone() for value in run(*inputs[0])]
            times_ms = time_calls(run, inputs, device, rounds=arguments.rounds)
    except (RuntimeError, NotImplementedError) as error:
        synchronize(device)
        return Contender(
            name=name,
            refused=str(error).strip().partition('\n')[0] or type(error).__name__,
            is_right=None if is_half else False,
        )
    errors = errors_of(outputs, reference, exportable)
    return Contender(
        name=name,
        ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
        floor_ms=floor_ms,
        errors=errors,
        is_right=None if is_half else is_close(errors, reference, exportable, case),
    )


def errors_of(
    outputs: list[torch.Tensor], reference: Outputs, exportable: Exportable
) -> dict[str, dict[str, float]]:
    """Give mean and largest absolute difference of every output."""
    errors = {}
    for spec, got, wanted in zip(exportable.outputs, outputs, reference, strict=True):
        difference = (got.double() - wanted.double()).abs()
        errors[spec.name] = {'mean': float(difference.mean()), 'max': float(difference.max())}
    return errors


def is_close(
    errors: Mapping[str, Mapping[str, float]],
    reference: Outputs,
    exportable: Exportable,
    case: Case,
) -> bool:
    """Whether the mean difference is within the case's share of the output's typical size."""
    for spec, wanted in zip(exportable.outputs, reference, strict=True):
        size = float(wanted.double().abs().mean())
        if not errors[spec.name]['mean'] <= case.tolerance * max(size, 1e-6):
            return False
    return True


def as_tuple(values: object) -> Outputs:
    """Give a module's result as a tuple."""
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)  # type: ignore[return-value]


def print_case(
    case: Case, contenders: list[Contender], gflop: float, source: str, *, is_small: bool
) -> None:
    """Print one table."""
    print(f'\n{case.title(is_small=is_small)}: {gflop:.2f} GFLOP, weights {source}')
    lines = [['', 'median ms', 'p95 ms', 'floor ms', 'ratio', 'mean error', 'max error', 'f32']]
    for item in contenders:
        if item.ms is None:
            continue
        worst = max((item.errors or {'': {'mean': 0.0, 'max': 0.0}}).values(), key=_mean_of)
        lines.append(
            [
                item.name,
                f'{item.ms:.3f}',
                f'{item.p95_ms:.3f}',
                f'{item.floor_ms:.3f}',
                f'{item.ratio:.1f}' if item.ratio else '-',
                f'{worst["mean"]:.2g}',
                f'{worst["max"]:.2g}',
                {True: 'right', False: 'WRONG', None: '-'}[item.is_right],
            ]
        )
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    for name, *cells in lines:
        rest = '  '.join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(f'{name:<{widths[0]}}  {rest}')
    for item in contenders:
        if item.refused:
            print(f'{item.name}: left out: {item.refused}')


def _mean_of(error: Mapping[str, float]) -> float:
    return error['mean']


def write_results(
    arguments: argparse.Namespace,
    machine: Mapping[str, object],
    peaks: Peaks,
    record: Mapping[str, object],
    machine_after: Mapping[str, object],
) -> Path:
    """Write everything as JSON."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = str(machine['device']).lower().replace(' ', '-').replace('/', '-')
    path: Path = arguments.out / f'gpu-{name}{"-small" if arguments.small else ""}.json'
    body = {
        'made': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'machine': machine,
        'machine_after': machine_after,
        'peaks': asdict(peaks),
        'rounds': arguments.rounds,
        'is_small': arguments.small,
        'cases': record,
    }
    path.write_text(json.dumps(body, indent=1) + '\n', encoding='utf-8')
    return path


if __name__ == '__main__':
    sys.exit(main())
