"""Networks are told by the names of their parameters, from the official lists of names."""

from __future__ import annotations

import json

import pytest

from depth_ros.errors import WeightsError
from depth_ros.models.registry import signatures
from depth_ros.weights.importing import recognise
from tests.kit.shared_data import shared_path

LISTS = {
    'crestereo': ('crestereo', {'': 'crestereo'}),
    'loftr': ('loftr', {'': 'loftr_ds'}),
    'mvsnet': ('mvsnet', {'': 'mvsnet'}),
    'mvsnet refine': ('mvsnet', {'': 'mvsnet_refine'}),
    'tio_depth': ('tio_depth', {'': 'tio_depth_swint_m'}),
    'monodepth2 18': (
        'monodepth2',
        {
            'encoder.': 'monodepth2_resnet18_encoder',
            'depth.': 'monodepth2_resnet18_depth',
            'pose_encoder.': 'monodepth2_resnet18_pose_encoder',
            'pose.': 'monodepth2_resnet18_pose',
        },
    ),
    'monodepth2 50': (
        'monodepth2',
        {'encoder.': 'monodepth2_resnet50_encoder', 'depth.': 'monodepth2_resnet50_depth'},
    ),
}


def names_of(title: str) -> list[str]:
    found = []
    for prefix, stem in LISTS[title][1].items():
        text = shared_path(f'parity/{stem}.keys.json').read_text(encoding='utf-8')
        found += [f'{prefix}{key}' for key in json.loads(text)['keys']]
    return found


@pytest.mark.parametrize('title', LISTS)
def test_every_official_list_is_recognised_and_by_one_signature_alone(title: str) -> None:
    names = names_of(title)
    assert recognise(names, signatures()) == LISTS[title][0]
    fitting = [
        model
        for model, signature in signatures().items()
        if all(any(name.startswith(start) for name in names) for start in signature.beginnings)
    ]
    assert fitting == [LISTS[title][0]]


@pytest.mark.parametrize(
    ('title', 'extras', 'text'),
    [
        ('monodepth2 18', {}, 'ResNet-18, depth and pose networks, no stated size'),
        (
            'monodepth2 50',
            {'height': 320, 'width': 1024, 'use_stereo': False},
            'ResNet-50, depth network, 320x1024, trained on one camera alone',
        ),
        ('mvsnet', {}, 'without refinement'),
        ('mvsnet refine', {}, 'with refinement'),
    ],
)
def test_what_the_names_tell_is_said(title: str, extras: dict, text: str) -> None:
    assert signatures()[LISTS[title][0]].describe(names_of(title), extras) == text


@pytest.mark.parametrize('names', [[], ['fnet.conv1.weight'], ['conv.weight', 'depth.decoder.0']])
def test_half_a_network_or_another_is_refused(names: list[str]) -> None:
    with pytest.raises(WeightsError, match=rf'{len(names)} tensors'):
        recognise(names, signatures())
