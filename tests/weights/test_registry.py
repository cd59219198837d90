"""The shipped registry is whole and honest; malformed ones are refused by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.weights.registry import (
    UNVERIFIED,
    find_official,
    load_registry,
    read_registry,
    variants_of,
)
from tests.kit.shared_data import REPOSITORY, shared_path

MODELS = ('crestereo', 'monodepth2', 'tio_depth', 'loftr', 'mvsnet')
ENTRY = """
toy:
  licence: MIT
  homepage: https://example.org
  checkpoints:
    one: {file: a.pth, address: 'https://example.org/a.pth', input_size: 8x8, training: nothing}
"""


def test_it_covers_all_five_models_with_something_that_loads() -> None:
    registry = load_registry()
    assert {official.model for official in registry} == set(MODELS)
    for model in MODELS:
        loading = [official for official in variants_of(registry, model) if official.loads]
        assert loading, model
        assert load_recipe(model).weights.licence == loading[0].licence
        assert load_recipe(model).weights.homepage == loading[0].homepage
    names = [official.name for official in registry]
    assert len(set(names)) == len(names)


def test_what_can_be_fetched_has_a_file_name_and_what_cannot_says_why() -> None:
    for official in load_registry():
        if not official.is_by_hand:
            assert official.address.endswith(official.file.replace('+', '%2B'))
            assert official.file
            assert official.address.startswith('https://')
        if not official.loads:
            assert official.note
        assert official.size is None or 'MB' in official.size


def test_addresses_and_checksums_are_those_of_the_sources() -> None:
    """Every checksum, figure and page stands in the notes it was taken from."""
    notes = shared_path('docs/checkpoints.md').read_text(encoding='utf-8')
    for official in load_registry():
        for digest in (official.md5, official.sha256, official.seen_sha256):
            assert digest is None or digest in notes, official.name
        if official.md5:
            assert f'| {official.variant} | {official.md5} |' in notes
        if official.accuracy is not None:
            numbers = [word.strip(',;') for word in official.accuracy.text.split()]
            figures = [word for word in numbers if word.replace('.', '').isdigit() and '.' in word]
            for figure in set(figures) - {'1.25', '2.0', '1.0'}:
                assert figure in notes, (official.name, figure)
        if official.is_by_hand:
            assert official.address in notes, official.name
    assert len([official for official in load_registry() if official.md5]) == 9
    assert len([official for official in load_registry() if official.model == 'monodepth2']) == 13


def test_figures_from_second_hand_are_marked() -> None:
    registry = load_registry()
    for name in ('crestereo/eth3d', 'loftr/outdoor_ds', 'loftr/indoor_ot'):
        assert find_official(registry, name).describe_accuracy().endswith(UNVERIFIED)
    verified = find_official(registry, 'monodepth2/mono+stereo_640x192')
    assert verified.describe_accuracy() == 'abs rel 0.106, d < 1.25 0.874 (README)'
    assert verified.describe_checksum() == 'md5 c024d69012485ed05d7eaa9617a96b81'
    assert not verified.is_commercial
    assert find_official(registry, 'mvsnet/dtu').describe_checksum() == 'none published'


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        WeightsError, match=r"no checkpoint 'loftr/x'; use one of: crestereo/eth3d"
    ):
        find_official(load_registry(), 'loftr/x')


def test_it_is_installed_with_the_package() -> None:
    assert "'weights': '*.*'" in (REPOSITORY / 'setup.py').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    ('old', 'new', 'part'),
    [
        ('licence: MIT', 'licence: 3', 'toy.licence: expected a text'),
        ('file: a.pth', 'file: a.pth, md5: 12', 'md5'),
        ('file: a.pth', f'file: a.pth, md5: "{"G" * 32}"', '32 lower-case hexadecimal digits'),
        ("'https://example.org/a.pth'", "'ftp://example.org/a.pth'", 'an http or https address'),
        ('training: nothing', 'training: nothing, unverified: [size]', 'some of'),
        ('training: nothing', 'training: nothing, tranning: x', 'only the keys'),
        ('input_size: 8x8, ', '', 'input_size: expected a value'),
        ('checkpoints:', 'checkpoint:', 'checkpoints: expected a value'),
        ('toy:', 'toy: [', 'cannot be read as YAML'),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, old: str, new: str, part: str) -> None:
    path = tmp_path / 'registry.yaml'
    path.write_text(ENTRY)
    assert read_registry(path)[0].name == 'toy/one'
    assert old in ENTRY
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        read_registry(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
