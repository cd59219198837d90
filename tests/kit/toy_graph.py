"""A tiny stereo-shaped network in NumPy, ONNX and torch with the same numbers.

``disparity = w2 . relu(conv3x3(concat(left, right) / 255) + b1) + b2``, weights fixed by a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.engines.artifact import (
    Golden,
    Manifest,
    WeightsRecord,
    file_digest,
    golden_path,
    manifest_path,
)
from depth_ros.engines.checks.golden import GOLDEN_SEED, Tolerance, golden_inputs
from depth_ros.tensors import TensorSpec

if TYPE_CHECKING:
    import torch

HEIGHT, WIDTH, CHANNELS = 12, 20, 4
INPUTS = (
    TensorSpec(name='left', shape=(1, HEIGHT, WIDTH, 3), dtype='uint8'),
    TensorSpec(name='right', shape=(1, HEIGHT, WIDTH, 3), dtype='uint8'),
)
OUTPUTS = (TensorSpec(name='disparity', shape=(1, HEIGHT, WIDTH), dtype='float32', unit='px'),)
TOLERANCES = {
    'f32': {'disparity': Tolerance(mean=1e-5, max=1e-4)},
    'bf16': {'*': Tolerance(mean=0.05, outlier_above=1.0, outlier_fraction=0.005)},
}
TOY_ONNX = Path(__file__).with_name('toy.onnx')
COMMAND = 'depth-ros build toy --weights FILE --size 12x20'


def toy_weights() -> dict[str, np.ndarray]:
    """Kernels and biases, float32."""
    random = np.random.Generator(np.random.PCG64(7))
    shapes = {'w1': (CHANNELS, 6, 3, 3), 'b1': (CHANNELS,), 'w2': (1, CHANNELS, 1, 1), 'b2': (1,)}
    return {name: (random.random(shape) - 0.4).astype('f4') for name, shape in shapes.items()}


def toy_function(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the network in float64, give float32."""
    weights = toy_weights()
    images = np.concatenate([tensors['left'], tensors['right']], axis=-1)[0] / 255.0
    padded = np.pad(images, ((1, 1), (1, 1), (0, 0)))
    hidden = np.zeros((HEIGHT, WIDTH, CHANNELS)) + weights['b1']
    for row in range(3):
        for column in range(3):
            window = padded[row : row + HEIGHT, column : column + WIDTH]
            hidden += window @ weights['w1'][:, :, row, column].T.astype('f8')
    disparity = np.maximum(hidden, 0) @ weights['w2'][0, :, 0, 0] + weights['b2'][0]
    return {'disparity': disparity[None].astype(np.float32)}


def toy_frames(count: int) -> list[dict[str, np.ndarray]]:
    """Different inputs for the network."""
    return [golden_inputs(INPUTS, seed=seed) for seed in range(count)]


def toy_module() -> torch.nn.Module:
    """Make the same network in torch."""
    import torch

    class Toy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(6, CHANNELS, 3, padding=1)
            self.second = torch.nn.Conv2d(CHANNELS, 1, 1)

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            images = torch.cat([left, right], dim=-1).permute(0, 3, 1, 2).float() / 255
            return self.second(torch.relu(self.first(images)))[:, 0]

    module = Toy()
    values = {name: torch.from_numpy(array) for name, array in toy_weights().items()}
    names = {'w1': 'first.weight', 'b1': 'first.bias', 'w2': 'second.weight', 'b2': 'second.bias'}
    module.load_state_dict({names[name]: value for name, value in values.items()})
    return module.eval()


def write_toy_onnx(path: Path) -> None:
    """Write the network as ONNX, as ``toy.onnx`` was made; needs the package onnx."""
    from onnx import TensorProto, helper, numpy_helper, save

    types = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT}
    ports = [
        [helper.make_tensor_value_info(spec.name, types[spec.dtype], spec.shape) for spec in specs]
        for specs in (INPUTS, OUTPUTS)
    ]
    constants = {**toy_weights(), 'scale': np.float32(255), 'axis': np.array([1], np.int64)}
    nodes = [
        helper.make_node('Concat', ['left', 'right'], ['images'], axis=-1),
        helper.make_node('Cast', ['images'], ['floats'], to=TensorProto.FLOAT),
        helper.make_node('Div', ['floats', 'scale'], ['scaled']),
        helper.make_node('Transpose', ['scaled'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['planes', 'w1', 'b1'], ['first'], pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['first'], ['hidden']),
        helper.make_node('Conv', ['hidden', 'w2', 'b2'], ['second']),
        helper.make_node('Squeeze', ['second', 'axis'], ['disparity']),
    ]
    initializers = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()
    ]
    graph = helper.make_graph(nodes, 'toy', *ports, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    save(model, path)


def write_toy_artifact(
    folder: Path,
    *,
    source: str = 'toy.pth',
    examples: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a whole artefact and give its ONNX file."""
    path = folder / 'toy-12x20.onnx'
    path.write_bytes(TOY_ONNX.read_bytes())
    inputs = golden_inputs(INPUTS, examples=examples)
    golden = Golden(inputs=inputs, outputs=toy_function(inputs), examples=examples or {})
    golden.save(golden_path(path))
    manifest = Manifest(
        recipe='toy',
        graph='toy',
        size=(HEIGHT, WIDTH),
        options={'iterations': 2},
        inputs=INPUTS,
        outputs=OUTPUTS,
        weights=WeightsRecord(source=source, sha256='0' * 64, licence='Apache-2.0'),
        tolerances=TOLERANCES,
        onnx_sha256=file_digest(path),
        golden_seed=GOLDEN_SEED,
        golden_sha256=golden.sha256,
        opset=18,
        exporter='tests',
        command=COMMAND,
    )
    manifest_path(path).write_text(manifest.to_json(), encoding='utf-8')
    return path
