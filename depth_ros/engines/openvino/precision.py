"""Which operations of an OpenVINO graph run in bf16 while the rest stays in float32.

OpenVINO's precision hint is one for the whole graph. Its attribute ``precise`` keeps single
operations in float32 under the hint bf16, but gets lost where the compiler rewrites an operation,
and it rewrites products, softmax, sums and slices: geometry ran in bf16 in spite of its mark. So
the hint is f32, and casts written into the graph stand around what may run low. What the compiled
graph really does is read back; ``benchmarks/openvino_precision.py`` shows all ways side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as op
from openvino.passes import ConstantFolding, Manager

from depth_ros.engines.calibrations import INT8
from depth_ros.engines.channel_sums import is_sum

LOW = frozenset({'Convolution', 'GroupConvolution', 'ConvolutionBackpropData'})
"""Operations with nearly all the arithmetic, for which eight bits are enough."""

PRODUCT = 'MatMul'
"""Low where a graph asks for it, and only if one side is weights."""

FOLLOWING = frozenset({'Relu', 'PRelu', 'Elu', 'Gelu', 'Swish', 'Clamp', 'MaxPool', 'AvgPool',
                       'Concat'})  # fmt: skip
"""Low if what they take is low already: it costs no accuracy to speak of and saves memory traffic.

Sigmoid and tanh are not among them: they make shares and gates, which scale coordinates.
"""

MOVING = frozenset({'Concat', 'Pad', 'Reshape', 'Slice', 'Split', 'StridedSlice', 'Transpose',
                    'VariadicSplit'})  # fmt: skip
"""Low if all that read them are: they only bring values elsewhere, so that a cast may as well
stand before them, and half as much is moved.
"""

SIMILARITY = 'Multiply'
"""Before a convolution that adds channels up: low with it where a graph asks for that."""

NAMED = {'products': PRODUCT, 'similarities': SIMILARITY}
"""What a graph may ask for besides, by the names of ``runtime.ALSO_LOW``."""

BIASED = 'Add'
"""Low if it adds a bias per channel to what is low, or two low ones."""

EXECUTED = frozenset({'Convolution', 'Deconvolution', 'FullyConnected'})
"""What a compiled graph calls the operations that may run low."""

_BF16, _F32 = 'bf16', 'f32'
_LOWER = {'u8': INT8, 'i8': INT8, _BF16: _BF16}
"""Precisions of compiled operations below float32, the lowest first, by OpenVINO's names."""


def lowered_kinds(also_low: Sequence[str]) -> str:
    """Return what ``lower`` may lower, in one line; part of the cache key."""
    return ' '.join(sorted(LOW | FOLLOWING | MOVING | {NAMED[name] for name in also_low}))


def lower(model: ov.Model, *, also_low: Sequence[str] = ()) -> int:
    """Write casts into a graph so that convolutions, and what follows them, run in bf16.

    Args:
        model: Changed in place; compile it with the hint f32.
        also_low: Of ``ALSO_LOW``: ``'products'`` with weights; ``'similarities'``, which are
            convolutions that only add channels up and the products before them.

    Returns:
        How many operations were lowered.
    """
    _fold(model)
    nodes = model.get_ordered_ops()
    casts = _Casts(_surely_low(nodes, also_low))
    for node in nodes:
        if casts.may_lower(node):
            casts.lower(node)
    model.validate_nodes_and_infer_types()
    return casts.count


def _fold(model: ov.Model) -> None:
    """Compute what is constant: the shape of a bias is an expression when it comes from ONNX."""
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)


def _surely_low(nodes: Sequence[ov.Node], also_low: Sequence[str]) -> set[str]:
    """Return nodes that always run low: those that compute, and those that only these read."""
    sums = {node.get_name() for node in nodes if _adds_up(node)}
    found: set[str] = set()
    for node in reversed(nodes):
        kind, name = node.get_type_name(), node.get_name()
        is_low = False
        if kind in LOW:
            is_low = 'similarities' in also_low or name not in sums
        elif kind == PRODUCT:
            is_low = 'products' in also_low and any(map(_is_fixed, _sources(node)))
        elif node.get_output_element_type(0) == ov.Type.f32:
            readers = _readers(node)
            is_product = kind == SIMILARITY and 'similarities' in also_low
            is_low = (_is_moving(node) and readers <= found) or (is_product and readers <= sums)
        if is_low:
            found.add(name)
    return found


class _Casts:
    def __init__(self, surely_low: set[str]) -> None:
        self.count = 0
        self._surely_low = surely_low
        self._low_behind: dict[str, ov.Output] = {}
        self._casts: dict[tuple[str, int], ov.Output] = {}

    def may_lower(self, node: ov.Node) -> bool:
        """Return whether a node may run in bf16; its inputs were visited before."""
        kind = node.get_type_name()
        if node.get_name() in self._surely_low:
            return True
        if kind == BIASED:
            return self._may_add(_sources(node))
        return (kind in FOLLOWING or _is_copying(node)) and all(map(self._is_low, _data(node)))

    def lower(self, node: ov.Node) -> None:
        """Put casts before and behind a node."""
        for port in _cast_ports(node):
            source = port.get_source_output()
            if source.get_element_type() == ov.Type.f32:
                port.replace_source_output(self._cast(source))
        node.validate_and_infer_types()
        for output in node.outputs():
            targets = output.get_target_inputs()
            back = op.convert(output, _F32)
            self._low_behind[back.get_name()] = output
            for target in targets:
                target.replace_source_output(back.output(0))
        self.count += 1

    def _is_low(self, source: ov.Output) -> bool:
        return source.get_node().get_name() in self._low_behind

    def _may_add(self, sources: Sequence[ov.Output]) -> bool:
        low = [source for source in sources if self._is_low(source)]
        others = [source for source in sources if not self._is_low(source)]
        return bool(low) and all(_is_bias(other, low[0]) for other in others)

    def _cast(self, source: ov.Output) -> ov.Output:
        """Return source in bf16: what stands before its cast back, else a cast that all share."""
        name = source.get_node().get_name()
        if name in self._low_behind:
            return self._low_behind[name]
        key = (name, source.get_index())
        if key not in self._casts:
            known = (
                op.constant(to_bf16(source.get_node().get_data())) if _is_fixed(source) else source
            )
            self._casts[key] = op.convert(known, _BF16).output(0)
        return self._casts[key]


def to_bf16(values: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bf16 (to even in between), kept as float32.

    OpenVINO's own conversion of constants cuts the last bits off, which is two to three times as
    inexact and always errs towards zero.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32).reshape(np.shape(values))


def _sources(node: ov.Node) -> list[ov.Output]:
    return [port.get_source_output() for port in node.inputs()]


def _readers(node: ov.Node) -> set[str]:
    ports = [port for output in node.outputs() for port in output.get_target_inputs()]
    return {port.get_node().get_name() for port in ports}


def _cast_ports(node: ov.Node) -> list[ov.Input]:
    """Return the inputs of the node's own precision; the scales of an interpolation are not."""
    return node.inputs()[:1] if _is_copying(node) else node.inputs()


def _data(node: ov.Node) -> list[ov.Output]:
    """Return what a node works on, without slopes, places, axes and padding."""
    sources = _sources(node)
    return sources if node.get_type_name() == 'Concat' else sources[:1]


def _is_moving(node: ov.Node) -> bool:
    return node.get_type_name() in MOVING or _is_copying(node)


def _is_copying(node: ov.Node) -> bool:
    """Whether a node enlarges a map by repeating its values."""
    return node.get_type_name() == 'Interpolate' and node.get_attributes()['mode'] == 'nearest'


def _is_fixed(source: ov.Output) -> bool:
    """Whether a value is weights; what is made of weights only has been folded."""
    return source.get_node().get_type_name() == 'Constant'


def _adds_up(node: ov.Node) -> bool:
    """Whether a node is a convolution that only adds channels up."""
    if node.get_type_name() not in LOW:
        return False
    kernel = _sources(node)[1]
    return _is_fixed(kernel) and is_sum(kernel.get_node().get_data())


def _is_bias(source: ov.Output, features: ov.Output) -> bool:
    """Whether a value is one number, or one for each channel: nothing that counts pixels."""
    if not _is_fixed(source):
        return False
    shape, wanted = list(source.get_shape()), list(features.get_shape())
    channels = 1 if len(wanted) > 3 else len(wanted) - 1
    padded = [1] * (len(wanted) - len(shape)) + shape
    return all(size == 1 or axis == channels for axis, size in enumerate(padded))


def executed(compiled: ov.CompiledModel) -> Counter[tuple[str, str]]:
    """Count the operations of a compiled graph by kind and by the precision they run in."""
    found: Counter[tuple[str, str]] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        found[info['layerType'].astype(str), info['runtimePrecision'].astype(str)] += 1
    return found


def executed_precision(compiled: ov.CompiledModel) -> str:
    """Return the lowest precision in which a convolution or product with weights runs."""
    found = {precision for kind, precision in executed(compiled) if kind in EXECUTED}
    return next((name for code, name in _LOWER.items() if code in found), _F32)
