"""Quantise named layers of a graph to int8 with NNCF, calibrated on what the graph is given.

Convolutions are found by the names of their weights, which an export keeps: a recipe names the
beginnings. All else stays in float32: similarities, coordinates, sampling, softmax and
upsampling. Ranges and bias correction are NNCF's post-training quantisation, without retraining.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

import openvino as ov

from depth_ros.engines.calibrations import GRAPH_FILE, INT8_PACKAGE
from depth_ros.engines.openvino.precision import LOW
from depth_ros.engines.openvino.telemetry import without_telemetry
from depth_ros.engines.runtime import expect_nncf
from depth_ros.errors import EngineError, RecipeError
from depth_ros.tensors import Tensors

_HOW = 'asymmetric activations, whole ranges'
"""Part of a calibration's identity: change it with the arguments of ``quantize``."""
_ON_THE_WAY = frozenset({'Convert', 'Transpose', 'Reshape'})
"""What may stand between weights and the layer that they belong to."""
_NOT_COMPUTED = frozenset({'Constant', 'Parameter', 'Result'})


def quantise(onnx: Path, layers: Sequence[str], feeds: Sequence[Tensors], folder: Path) -> str:
    """Write the graph with int8 layers into a folder; return the quantiser with its version.

    Args:
        onnx: The float32 graph.
        layers: Beginnings of the names of the weights whose convolutions are quantised.
        feeds: Inputs of the graph, one set a frame.
        folder: Where ``GRAPH_FILE`` and its weights go.

    Raises:
        EngineError: If NNCF is missing or refuses the graph.
        RecipeError: If a beginning names no convolution.
    """
    expect_nncf()
    model = ov.Core().read_model(onnx)
    kept_float = float_operations(model, layers, onnx.name)
    nncf = _nncf()
    try:
        with redirect_stdout(io.StringIO()):  # its progress bars
            quantised = nncf.quantize(
                model,
                nncf.Dataset(list(feeds)),
                subset_size=len(feeds),
                preset=nncf.QuantizationPreset.MIXED,  # half the error of symmetric ranges
                advanced_parameters=_whole_ranges(nncf),
                ignored_scope=nncf.IgnoredScope(names=kept_float, validate=False),
            )
    except (RuntimeError, nncf.errors.NNCFError) as error:
        raise EngineError(
            f'NNCF {nncf.__version__} cannot quantise {onnx} ({error}); use precision '
            "'f32', or another version of nncf"
        ) from error
    ov.save_model(quantised, folder / GRAPH_FILE, compress_to_fp16=False)
    return f'{INT8_PACKAGE} {nncf.__version__}, {_HOW}'


def float_operations(model: ov.Model, layers: Sequence[str], name: str) -> list[str]:
    """Return the names of all operations but the convolutions whose weights begin so.

    Raises:
        RecipeError: If a beginning names no convolution.
    """
    weights = {
        node.get_friendly_name(): _weights_of(node)
        for node in model.get_ordered_ops()
        if node.get_type_name() in LOW
    }
    for layer in layers:
        if not any(weight.startswith(layer) for weight in weights.values()):
            raise RecipeError(
                f'{name} has no convolution with weights {layer}*, which its recipe names under '
                "int8; export it again, or use precision 'f32'"
            )
    chosen = {node for node, weight in weights.items() if weight.startswith(tuple(layers))}
    computed = [node for node in model.get_ordered_ops() if _is_computed(node)]
    names = (node.get_friendly_name() for node in computed)
    return [node for node in names if node not in chosen]


def _is_computed(node: ov.Node) -> bool:
    return node.get_type_name() not in _NOT_COMPUTED


def _weights_of(node: ov.Node) -> str:
    """Return the name of a convolution's weights; empty if they are computed."""
    source = node.input(1).get_source_output().get_node()
    while source.get_type_name() in _ON_THE_WAY:
        source = source.input(0).get_source_output().get_node()
    return source.get_friendly_name() if source.get_type_name() == 'Constant' else ''


def _nncf() -> ModuleType:
    with without_telemetry():
        nncf = import_module(INT8_PACKAGE)
    nncf.set_log_level(logging.ERROR)
    return nncf


def _whole_ranges(nncf: ModuleType) -> object:
    """Ask for the extremes over all frames; NNCF's means of them cut rare values off."""
    ranges = import_module('nncf.quantization.range_estimator').RangeEstimatorParametersSet.MINMAX
    return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges)
