"""Rewrite exported graphs for TensorRT: low-precision convolutions by Casts, older operator sets.

TensorRT from 10 on computes every value in the type the graph gives it. So precision is written
into the graph: convolutions and products with weights take and give 16-bit values, and a value
stays 16 bit between two of them only. Whatever else reads it - coordinates, sampling grids,
similarities, softmax, sums of flow, outputs - gets float32. Convolutions that only add channels up
(``channel_sums``) are similarities.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from depth_ros.engines.channel_sums import SUM_MARK, is_sum
from depth_ros.errors import EngineError

TYPES = {'f16': TensorProto.FLOAT16, 'bf16': TensorProto.BFLOAT16}
_CONVOLUTIONS = {'f16': ('Conv', 'ConvTranspose'), 'bf16': ('Conv',)}
"""TensorRT's builder cannot type a transposed 3-D convolution in bf16 (tensorrt_rtx 1.7)."""
_PRODUCTS = ('MatMul', 'Gemm')
_BETWEEN = ('Relu', 'LeakyRelu', 'Elu', 'MaxPool', 'Concat', 'Add')
_AXES_INPUT_IN_18 = (
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
    'ReduceProd',
    'ReduceSumSquare',
)
_LOW = '__low'


def rewrite(source: Path, *, precision: str, opset: int | None = None) -> bytes:
    """Return an exported graph in another precision or operator set, serialised.

    Args:
        source: ONNX file in float32.
        precision: ``'f32'`` leaves types as they are; ``'f16'`` or ``'bf16'``.
        opset: Operator set to lower it to, or None.

    Raises:
        EngineError: If the graph cannot be lowered.
    """
    model = onnx.load(source)
    if opset is not None:
        lower_opset(model, opset)
    if precision != 'f32':
        lower_convolutions(model, precision)
    _mark_sums(model.graph)
    serialised: bytes = model.SerializeToString()
    return serialised


def lower_convolutions(model: onnx.ModelProto, precision: str) -> int:
    """Make convolutions and products with weights 16 bit, in place; return how many nodes are."""
    graph = model.graph
    nodes = list(graph.node)
    chosen = _low_nodes(graph, precision)
    writer = _Writer(graph, chosen, TYPES[precision])
    del graph.node[:]
    for index, node in enumerate(nodes):
        graph.node.extend(writer.rewritten(index, node))
    graph.initializer.extend(writer.weights.values())
    del graph.value_info[:]
    _drop_unused(graph)
    return len(chosen)


def lower_opset(model: onnx.ModelProto, opset: int) -> None:
    """Write an opset-18 graph in 17, in place: axes become attributes again.

    Raises:
        EngineError: If an operator of the graph means something else in 17.
    """
    current = next(item for item in model.opset_import if item.domain in ('', 'ai.onnx'))
    if current.version <= opset:
        return
    constants = _constants(model.graph)
    for node in model.graph.node:
        if node.op_type in _AXES_INPUT_IN_18:
            _axes_to_attribute(node, constants)
        elif node.op_type == 'Split':
            _keep_attributes(node, without='num_outputs')
        elif node.op_type in ('Pad', 'Resize') and _is_new_form(node):
            raise EngineError(
                f'the graph uses {node.op_type} as operator set 18 has it, TensorRT before 10 '
                'reads 17; use TensorRT 10, or engine '
                "'onnxruntime'"
            )
    current.version = opset
    model.ir_version = min(model.ir_version, 8)
    _drop_unused(model.graph)


class _Writer:
    """Writes the nodes of a graph anew, with Casts where low and float32 parts meet."""

    def __init__(self, graph: onnx.GraphProto, chosen: set[int], kind: int) -> None:
        self.weights: dict[str, TensorProto] = {}
        self._kind = kind
        self._chosen = chosen
        self._initializers = {item.name: item for item in graph.initializer}
        self._low_values = {name for index in chosen for name in graph.node[index].output if name}
        self._readers = _readers(graph)
        self._outputs = {item.name for item in graph.output}
        self._cast: set[str] = set()

    def rewritten(self, index: int, node: NodeProto) -> Iterable[NodeProto]:
        """Return the nodes that replace one."""
        if index not in self._chosen:
            yield node
            return
        for position, name in enumerate(node.input):
            if name:
                yield from self._lower_input(name)
                node.input[position] = name + _LOW
        wanted = [name for name in node.output if self._is_read_high(name)]
        for position, name in enumerate(node.output):
            node.output[position] = name + _LOW
        yield node
        for name in wanted:
            yield helper.make_node('Cast', [name + _LOW], [name], to=TensorProto.FLOAT)

    def _lower_input(self, name: str) -> Iterable[NodeProto]:
        """Make a value's 16-bit twin, unless there is one."""
        if name in self._low_values or name in self._cast:
            return
        self._cast.add(name)
        if name in self._initializers:
            array = numpy_helper.to_array(self._initializers[name])
            self.weights[name] = _tensor(name + _LOW, array, self._kind)
        else:
            yield helper.make_node('Cast', [name], [name + _LOW], to=self._kind)

    def _is_read_high(self, name: str) -> bool:
        readers = self._readers.get(name, [])
        return name in self._outputs or any(reader not in self._chosen for reader in readers)


def _low_nodes(graph: onnx.GraphProto, precision: str) -> set[int]:
    """Choose the nodes: all with weights, and what stands between those alone."""
    floats = {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT}
    floats -= _sums(graph)
    nodes = list(graph.node)
    kinds = _CONVOLUTIONS[precision]
    fixed = {index for index, node in enumerate(nodes) if _has_weights(node, floats, kinds)}
    chosen = fixed | {index for index, node in enumerate(nodes) if node.op_type in _BETWEEN}
    producers = {name: index for index, node in enumerate(nodes) for name in node.output}
    readers = _readers(graph)
    outputs = {item.name for item in graph.output}

    def stands_between(index: int) -> bool:
        node = nodes[index]
        return all(producers.get(name) in chosen for name in node.input) and all(
            name not in outputs and readers.get(name) and set(readers[name]) <= chosen
            for name in node.output
        )

    while True:
        dropped = {index for index in chosen - fixed if not stands_between(index)}
        if not dropped:
            return chosen
        chosen -= dropped


def _sums(graph: onnx.GraphProto) -> set[str]:
    """Return the weights of convolutions that only sum channels."""
    arrays = {
        item.name: numpy_helper.to_array(item)
        for item in graph.initializer
        if item.data_type == TensorProto.FLOAT and len(item.dims) > 1
    }
    return {name for name, array in arrays.items() if is_sum(array)}


def _mark_sums(graph: onnx.GraphProto) -> None:
    """Mark nodes that only sum channels by their name, which the parser keeps."""
    sums = _sums(graph)
    for node in graph.node:
        if node.op_type in _CONVOLUTIONS['f16'] and node.input[1] in sums:
            node.name += SUM_MARK


def _has_weights(node: NodeProto, floats: set[str], convolutions: Sequence[str]) -> bool:
    if node.op_type in convolutions:
        return all(name in floats for name in node.input[1:] if name)
    if node.op_type in _PRODUCTS:
        return node.input[0] not in floats and all(name in floats for name in node.input[1:])
    return False


def _readers(graph: onnx.GraphProto) -> dict[str, list[int]]:
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    return readers


def _tensor(name: str, array: np.ndarray, kind: int) -> TensorProto:
    """Make a 16-bit weight; too large ones become the largest, not infinite."""
    if kind == TensorProto.FLOAT16:
        largest = np.finfo(np.float16).max
        return numpy_helper.from_array(np.clip(array, -largest, largest).astype(np.float16), name)
    bits = np.ascontiguousarray(array, dtype='<f4').view('<u4')
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> 16
    raw = rounded.astype('<u2').tobytes()
    return helper.make_tensor(name, kind, array.shape, raw, raw=True)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return values


def _axes_to_attribute(node: NodeProto, constants: dict[str, np.ndarray]) -> None:
    if len(node.input) < 2 or not node.input[1]:
        return
    if node.input[1] not in constants:
        raise EngineError(
            f'{node.op_type} takes axes that are computed, which TensorRT before 10 cannot read; '
            "use TensorRT 10, or engine 'onnxruntime'"
        )
    axes = constants[node.input[1]].tolist()
    del node.input[1:]
    _keep_attributes(node, without='noop_with_empty_axes')
    node.attribute.append(helper.make_attribute('axes', axes))


def _keep_attributes(node: NodeProto, *, without: str) -> None:
    kept = [item for item in node.attribute if item.name != without]
    del node.attribute[:]
    node.attribute.extend(kept)


def _is_new_form(node: NodeProto) -> bool:
    """Whether Pad or Resize uses what operator set 18 added."""
    if node.op_type == 'Pad':
        return len(node.input) > 3 and bool(node.input[3])
    added: Sequence[str] = ('antialias', 'axes', 'keep_aspect_ratio_policy')
    return any(item.name in added and helper.get_attribute_value(item) for item in node.attribute)


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    read |= {item.name for item in graph.output}
    kept = [item for item in graph.initializer if item.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
