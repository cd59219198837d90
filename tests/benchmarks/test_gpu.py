"""The GPU benchmark without a GPU: it runs, checks, and its networks can live on a device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.child_environment import child_environment
from tests.kit.shared_data import REPOSITORY

torch = pytest.importorskip('torch', reason='torch is absent')
sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

import gpu
from gpu_cases import CASES, feeds_of, open_case

from depth_ros.engines.torch_engine import DeviceConstants

BLOCKED = ('cv2', 'onnx', 'onnxruntime', 'openvino', 'rclpy', 'yaml', 'onnxscript', 'tensorrt')
SMALL_CASES = {case.title(is_small=True): case for case in CASES}


def run_script(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it where everything but torch and NumPy is missing."""
    program = (
        'import runpy, sys\n'
        f'for name in {BLOCKED!r}: sys.modules[name] = None\n'
        f'sys.argv = ["gpu.py", *{list(words)!r}]\n'
        f'runpy.run_path({str(REPOSITORY / "benchmarks" / "gpu.py")!r}, run_name="__main__")\n'
    )
    environment = child_environment(OMP_NUM_THREADS='1')
    return subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def test_one_command_checks_times_and_writes_json(tmp_path: Path) -> None:
    words = ('--device', 'cpu', '--small', '--models', 'crestereo_tiny', '--out', str(tmp_path))
    result = run_script(*words)
    assert result.returncode == 0, result.stderr
    assert 'crestereo_tiny crestereo 64x96 iterations=1: ' in result.stdout
    (path,) = tmp_path.glob('gpu-*-small.json')
    body = json.loads(path.read_text(encoding='utf-8'))
    assert body['machine']['torch'] == torch.__version__
    (case,) = body['cases'].values()
    assert case['gflop'] > 0.1
    eager, low = case['contenders']
    assert (eager['name'], low['name']) == ('torch eager f32', 'torch eager bf16')
    assert eager['is_right'] is True and low['is_right'] is None
    for entry in (eager, low):
        assert entry['ms'] > 0 and entry['floor_ms'] > 0
        assert entry['ratio'] == pytest.approx(entry['ms'] / entry['floor_ms'])
    assert eager['errors']['disparity']['max'] < low['errors']['disparity']['max']


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip('a CUDA device is here')
    result = run_script('--out', str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith('no CUDA device is here')
    assert '--device cpu --small' in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_wrong_network_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def drifting(module: torch.nn.Module, device: torch.device) -> list:
        def run(*tensors: torch.Tensor) -> gpu.Outputs:
            calls.append(1)
            return tuple(value * 1.01 for value in gpu.as_tuple(module(*tensors)))

        return [('torch eager f32', run, False)]

    monkeypatch.setattr(gpu, 'runs_of', drifting)
    words = ['--device', 'cpu', '--small', '--models', 'monodepth2', '--out', str(tmp_path)]
    assert gpu.main(words) == 1
    assert calls


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no model 'monet'"):
        gpu.main(['--device', 'cpu', '--small', '--models', 'monet', '--out', str(tmp_path)])


@pytest.mark.parametrize('title', SMALL_CASES)
def test_networks_keep_nothing_on_the_cpu(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device, as on a GPU, a tensor left on the CPU is an error or shows here."""
    case = SMALL_CASES[title]
    if case.model == 'crestereo_tiny':
        from depth_ros.models.crestereo_tiny import network_correlation

        # autocast knows no meta device
        monkeypatch.setattr(network_correlation.torch, 'is_autocast_enabled', lambda kind: False)
    # Values of meta tensors cannot be compared.
    monkeypatch.setattr(torch, 'equal', lambda first, second: first.shape == second.shape)
    exportable, _ = open_case(case, is_small=True, device='meta')
    module = exportable.module.to('meta')
    left = [name for name, value in tensors_of(module).items() if value.device.type != 'meta']
    assert left == []
    feeds = [tensor.to('meta') for tensor in feeds_of(exportable, 0)]
    with torch.inference_mode(), DeviceConstants('meta').entered():
        outputs = gpu.as_tuple(module(*feeds))
    for spec, value in zip(exportable.outputs, outputs, strict=True):
        assert value.device.type == 'meta' and tuple(value.shape) == spec.shape


def tensors_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give parameters, buffers and tensors kept as plain attributes, also inside of others."""
    found: dict[str, torch.Tensor] = {}

    def look(name: str, value: object, depth: int) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, (tuple, list)) and depth < 4:
            for index, item in enumerate(value):
                look(f'{name}.{index}', item, depth + 1)
        elif hasattr(value, '__dataclass_fields__') and depth < 4:
            for key in value.__dataclass_fields__:
                look(f'{name}.{key}', getattr(value, key, None), depth + 1)

    for path, part in module.named_modules():
        for key, value in [*vars(part).items(), *part.named_parameters(), *part.named_buffers()]:
            look(f'{path}.{key}', value, 0)
    return found


def test_constants_with_values_are_made_once() -> None:
    with DeviceConstants('cpu').entered():
        first, again = (torch.tensor([1.0, 2.0]) for _ in range(2))
        other, whole = torch.tensor([1.0, 3.0]), torch.tensor([1, 2])
        counted = torch.arange(3)
    assert first is again and first is not other
    assert whole.dtype == torch.int64 and counted.tolist() == [0, 1, 2]
    assert torch.tensor([1.0, 2.0]) is not first, 'only inside'
