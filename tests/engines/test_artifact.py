"""Artefacts: what was exported comes back, what was changed is refused with both hashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depth_ros.engines.artifact import (
    Golden,
    file_digest,
    golden_path,
    load_artifact,
    manifest_path,
    read_manifest,
)
from depth_ros.engines.checks.golden import golden_inputs
from depth_ros.errors import ArtifactError
from tests.kit.toy_graph import (
    COMMAND,
    INPUTS,
    OUTPUTS,
    TOLERANCES,
    toy_function,
    write_toy_artifact,
)


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return write_toy_artifact(tmp_path)


def flip_byte(path: Path) -> tuple[str, str]:
    """Change one byte; give the hashes before and after."""
    before = file_digest(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return before, file_digest(path)


def edit_manifest(onnx: Path, key: str, value: object) -> None:
    body = json.loads(manifest_path(onnx).read_text())
    body[key] = value
    manifest_path(onnx).write_text(json.dumps(body))


def test_round_trip(onnx: Path) -> None:
    artifact = load_artifact(onnx)
    manifest = artifact.manifest
    assert (manifest.inputs, manifest.outputs) == (INPUTS, OUTPUTS)
    assert (manifest.size, manifest.options) == ((12, 20), {'iterations': 2})
    assert manifest.tolerances == TOLERANCES
    assert manifest.onnx_sha256 == file_digest(onnx)
    assert manifest.weights.licence == 'Apache-2.0'
    assert artifact.name == 'toy-12x20'


def test_golden_outputs_are_the_networks(onnx: Path) -> None:
    golden = load_artifact(onnx).golden()
    np.testing.assert_array_equal(
        golden.outputs['disparity'], toy_function(golden.inputs)['disparity']
    )


def test_stored_examples_come_back(tmp_path: Path) -> None:
    special = {'left': np.full((1, 12, 20, 3), 3, np.uint8)}
    golden = load_artifact(write_toy_artifact(tmp_path, examples=special)).golden()
    np.testing.assert_array_equal(golden.inputs['left'], special['left'])
    np.testing.assert_array_equal(golden.inputs['right'], golden_inputs(INPUTS)['right'])


def test_synthetic_weights_show_in_the_name(tmp_path: Path) -> None:
    artifact = load_artifact(write_toy_artifact(tmp_path, source='synthetic:3'))
    assert artifact.manifest.weights.is_synthetic
    assert artifact.name == 'toy-12x20 [synthetic:3]'


def test_tampered_onnx_names_both_hashes_and_the_command(onnx: Path) -> None:
    before, after = flip_byte(onnx)
    with pytest.raises(ArtifactError) as caught:
        load_artifact(onnx)
    for words in (before, after, COMMAND, str(onnx)):
        assert words in str(caught.value)


def test_truncated_onnx_is_refused(onnx: Path) -> None:
    onnx.write_bytes(onnx.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match='SHA-256'):
        load_artifact(onnx)


def test_golden_outputs_of_another_export_are_refused(onnx: Path) -> None:
    golden = load_artifact(onnx).golden()
    changed = {'disparity': golden.outputs['disparity'] + np.float32(1)}
    forged = Golden(inputs=golden.inputs, outputs=changed)
    forged.save(golden_path(onnx))
    with pytest.raises(ArtifactError) as caught:
        load_artifact(onnx).golden()
    for words in (golden.sha256, forged.sha256, COMMAND):
        assert words in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 no archive', b'\x93NUMPY'])
def test_damaged_golden_file_is_refused(onnx: Path, content: bytes) -> None:
    golden_path(onnx).write_bytes(content)
    with pytest.raises(ArtifactError, match='golden data cannot be read'):
        load_artifact(onnx).golden()


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('golden_seed', 1),
        ('tolerances', {'f32': {'*': {'mean': 1e9}}}),
        ('onnx_sha256', 'f' * 64),
        ('weights', {'source': 'other.pth', 'sha256': '', 'licence': 'MIT'}),
        ('addition', 1),
    ],
)
def test_edited_manifest_names_both_hashes(onnx: Path, key: str, value: object) -> None:
    stated = json.loads(manifest_path(onnx).read_text())['manifest_sha256']
    edit_manifest(onnx, key, value)
    with pytest.raises(ArtifactError) as caught:
        load_artifact(onnx)
    text = str(caught.value)
    assert stated in text and COMMAND in text and text.count('SHA-256') == 1


@pytest.mark.parametrize('content', ['', '[]', '{', 'null', '{"schema": 1}', '\x00\x01'])
def test_things_that_are_no_manifest_are_refused(onnx: Path, content: str) -> None:
    manifest_path(onnx).write_text(content)
    with pytest.raises(ArtifactError, match='depth-ros build'):
        load_artifact(onnx)


def test_missing_files_are_named(onnx: Path) -> None:
    onnx.rename(onnx.with_suffix('.away'))
    with pytest.raises(ArtifactError, match=r'toy-12x20\.onnx is missing; make it again with'):
        load_artifact(onnx)
    manifest_path(onnx).unlink()
    with pytest.raises(ArtifactError, match=r'toy-12x20\.json is missing'):
        load_artifact(onnx)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_character_is_noticed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A change either alters no value (white space) or is refused, never believed."""
    folder = tmp_path_factory.mktemp('fuzz')
    path = manifest_path(write_toy_artifact(folder))
    original = read_manifest(path)
    text = path.read_text()
    place = data.draw(st.integers(0, len(text) - 1))
    path.write_text(text[:place] + data.draw(st.sampled_from('x0 "}{,')) + text[place + 1 :])
    try:
        assert read_manifest(path) == original
    except ArtifactError as error:
        assert 'depth-ros build' in str(error)
    finally:
        shutil.rmtree(folder)
