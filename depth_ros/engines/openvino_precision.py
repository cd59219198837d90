"""Which operations of an OpenVINO graph stay in float32 when the rest runs in bf16.

OpenVINO's precision hint is one for the whole graph, but operations that carry the attribute
``precise`` keep float32 under it. Python cannot set that attribute; the IR file can hold it. So
the graph is saved as IR, marked here and read again. Found out and proven, operation by operation
from the compiled graph, by ``benchmarks/openvino_precision.py``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

LOW = frozenset({'Convolution', 'GroupConvolution', 'ConvolutionBackpropData'})
"""Where nearly all the arithmetic is and where eight bits are enough."""

ACTIVATIONS = frozenset({'ReLU', 'PReLU', 'Elu', 'Sigmoid', 'Tanh', 'Gelu', 'Swish', 'Clamp'})
"""Computed by the convolution before them."""

_PLAIN = frozenset({'Const', 'Parameter', 'Result'})
_ATTRIBUTE = {'name': 'precise', 'version': '0'}


def keep_float32(xml: Path) -> int:
    """Mark every operation of an IR file but convolutions and their activations.

    Args:
        xml: IR file; changed in place.

    Returns:
        How many operations were marked.
    """
    tree = ElementTree.parse(xml)
    root = tree.getroot()
    layers = {layer.get('id'): layer for layer in root.iter('layer')}
    kinds = {key: layer.get('type', '') for key, layer in layers.items()}
    sources = {
        (edge.get('to-layer'), edge.get('to-port')): edge.get('from-layer')
        for edge in root.iter('edge')
    }
    count = 0
    for key, layer in layers.items():
        first = sources.get((key, '0'))
        is_fused = kinds[key] in ACTIVATIONS and kinds.get(first, '') in LOW
        if kinds[key] in LOW | _PLAIN or is_fused:
            continue
        mark(layer)
        count += 1
    tree.write(xml, encoding='utf-8', xml_declaration=True)
    return count


def mark(layer: ElementTree.Element) -> None:
    """Let one layer keep float32."""
    info = layer.find('rt_info')
    if info is None:
        info = ElementTree.Element('rt_info')
        layer.insert(0 if layer.find('data') is None else 1, info)
    ElementTree.SubElement(info, 'attribute', _ATTRIBUTE)
