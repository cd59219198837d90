"""Which operations of an OpenVINO graph stay in float32 when the rest runs in bf16.

OpenVINO's precision hint is one for the whole graph, but operations that carry the attribute
``precise`` keep float32 under it. Python cannot set that attribute; the IR file can hold it. So
the graph is saved as IR, marked here and read again. Found out and proven, operation by operation
from the compiled graph, by ``benchmarks/openvino_precision.py``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from depth_ros.engines.channel_sums import is_sum

LOW = frozenset({'Convolution', 'GroupConvolution', 'ConvolutionBackpropData'})
"""Where nearly all the arithmetic is and where eight bits are enough."""

ACTIVATIONS = frozenset({'ReLU', 'PReLU', 'Elu', 'Sigmoid', 'Tanh', 'Gelu', 'Swish', 'Clamp'})
"""Computed by the convolution before them."""

PRODUCT = 'MatMul'
"""Low where a graph asks for it, and only if one side is weights."""

_PLAIN = frozenset({'Const', 'Parameter', 'Result'})
_ATTRIBUTE = {'name': 'precise', 'version': '0'}


def keep_float32(xml: Path, *, low_products: bool = False) -> int:
    """Mark every operation of an IR file but convolutions and their activations.

    Args:
        xml: IR file; changed in place.
        low_products: Leave matrix products with weights unmarked, too.

    Returns:
        How many operations were marked.
    """
    tree = ElementTree.parse(xml)
    root = tree.getroot()
    layers = {layer.get('id', ''): layer for layer in root.iter('layer')}
    kinds = {key: layer.get('type', '') for key, layer in layers.items()}
    sources: dict[str, list[str]] = {key: [] for key in layers}
    for edge in sorted(root.iter('edge'), key=lambda edge: int(edge.get('to-port', '0'))):
        sources[edge.get('to-layer', '')].append(edge.get('from-layer', ''))
    sums = _sums(xml, layers)
    low = {key for key, kind in kinds.items() if kind in LOW and not sums & set(sources[key])}
    if low_products:
        fixed = _fixed(kinds, sources)
        low |= {key for key in kinds if kinds[key] == PRODUCT and fixed & set(sources[key])}
    count = 0
    for key, layer in layers.items():
        is_fused = kinds[key] in ACTIVATIONS and sources[key][0] in low
        if key in low or kinds[key] in _PLAIN or is_fused:
            continue
        mark(layer)
        count += 1
    tree.write(xml, encoding='utf-8', xml_declaration=True)
    return count


def _sums(xml: Path, layers: Mapping[str, ElementTree.Element]) -> set[str]:
    """Give the float32 constants that only add up; see ``channel_sums``."""
    content = np.memmap(xml.with_suffix('.bin'), np.uint8, 'r')
    sums = set()
    for key, layer in layers.items():
        data = layer.find('data')
        if layer.get('type') != 'Const' or data is None or data.get('element_type') != 'f32':
            continue
        start, size = int(data.get('offset', '0')), int(data.get('size', '0'))
        shape = [int(side) for side in data.get('shape', '').split(',') if side.strip()]
        if is_sum(content[start : start + size].view(np.float32).reshape(shape)):
            sums.add(key)
    return sums


def _fixed(kinds: Mapping[str, str], sources: Mapping[str, Sequence[str]]) -> set[str]:
    """Give the layers whose values are weights, or made of weights only."""
    fixed = {key for key, kind in kinds.items() if kind == 'Const'}
    while True:
        more = {key for key, before in sources.items() if before and set(before) <= fixed} - fixed
        if not more:
            return fixed
        fixed |= more


def mark(layer: ElementTree.Element) -> None:
    """Let one layer keep float32."""
    info = layer.find('rt_info')
    if info is None:
        info = ElementTree.Element('rt_info')
        layer.insert(0 if layer.find('data') is None else 1, info)
    ElementTree.SubElement(info, 'attribute', _ATTRIBUTE)
