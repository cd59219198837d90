"""Official containers are told apart, checked by the network and converted; nothing is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='torch is not installed')

from depth_ros.checkpoints.read import read_checkpoint
from depth_ros.engines.exports import ExportPlan, weights_record
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import WeightsError
from depth_ros.weights.importing import Imported, import_weights
from depth_ros.weights.registry import imported_weights, weights_folder
from tests.kit import official_files
from tests.kit.shared_data import shared_path

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'user'))
    return tmp_path / 'user'


VARIANTS = {'loftr': 'indoor_ds', 'tio_depth': '384_bs8'}
EXPECTED = {
    'crestereo': ('crestereo/eth3d', 'name', 'the one published layout'),
    'monodepth2': (
        'monodepth2/mono+stereo_640x192',
        'name',
        'ResNet-18, depth and pose networks, 192x640, trained on stereo pairs',
    ),
    'loftr': ('loftr/indoor_ds', 'asked', 'coarse and fine matching'),
    'mvsnet': ('mvsnet/dtu', 'name', 'without refinement'),
    'tio_depth': ('tio_depth/384_bs8', 'asked', 'Swin-T with 49 levels: mono, refine and stereo'),
}


@pytest.mark.parametrize('model', official_files.WRITERS)
def test_every_official_container_is_recognised_checked_and_converted(
    model: str, tmp_path: Path
) -> None:
    source = official_files.WRITERS[model](tmp_path)
    imported = import_weights(source, variant=VARIANTS.get(model, ''))
    name, proof, description = EXPECTED[model]
    assert imported.model == model
    assert imported.official is not None
    assert (imported.official.name, imported.proof) == (name, proof)
    assert imported.description == description
    assert imported.graphs == tuple(load_recipe(model).graphs)
    assert imported.path == weights_folder() / f'{name}.safetensors'
    assert imported_weights() == [imported.path]
    assert list(imported.path.parent.iterdir()) == [imported.path], 'no draft stays'
    assert imported.build_command.startswith(
        f'depth-ros build {model} --weights {imported.path} --size '
    )
    expect_equal(source, imported)
    recipe = load_recipe(model)
    plan = ExportPlan(recipe=recipe, variant=recipe.variant(), weights=str(imported.path))
    assert weights_record(plan).licence == imported.official.licence


def expect_equal(source: Path, imported: Imported) -> None:
    """The converted file gives what the official one gives, and says where it is from."""
    before, after = read_checkpoint(source), read_checkpoint(imported.path)
    assert before.state.keys() == after.state.keys()
    for key, value in before.state.items():
        assert after.state[key].dtype == value.dtype
        assert torch.equal(after.state[key], value), key
    assert {**after.extras, **before.extras} == after.extras
    assert imported.official is not None
    assert after.extras['official'] == imported.official.name


def test_an_imported_file_can_be_imported_again(tmp_path: Path) -> None:
    first = import_weights(official_files.crestereo(tmp_path))
    again = import_weights(first.path, variant='eth3d')
    assert again.path == first.path
    assert again.description == first.description


def test_a_zip_as_published_and_a_folder_give_the_same(tmp_path: Path) -> None:
    folder = official_files.monodepth2(tmp_path, has_pose=False)
    imported = import_weights(official_files.zipped(folder))
    assert imported.official is not None
    assert imported.official.variant == 'mono+stereo_640x192'
    assert imported.description.startswith('ResNet-18, depth network, 192x640')
    assert imported.graphs == ('depth',)
    expect_equal(folder, imported)


def test_real_mvsnet_weights_are_known_by_their_checksum(tmp_path: Path) -> None:
    source = tmp_path / 'renamed.ckpt'
    source.write_bytes(shared_path('weights/mvsnet/model_000014.ckpt').read_bytes())
    imported = import_weights(source)
    assert imported.official is not None
    assert (imported.official.name, imported.proof) == ('mvsnet/dtu', 'checksum')


def test_loftr_must_be_told_its_variant_even_under_an_official_name(tmp_path: Path) -> None:
    source = official_files.loftr(tmp_path)
    with pytest.raises(WeightsError, match=r'add --variant with one of: outdoor_ds, indoor_ds'):
        import_weights(source)
    with pytest.raises(WeightsError, match=r"no variant 'outdoors' that loads; use --variant"):
        import_weights(source, variant='outdoors')
    imported = import_weights(source, variant='indoor_ds')
    assert '--option variant=indoor_ds' in imported.build_command


def test_an_unknown_checkpoint_keeps_its_own_name_and_no_licence(tmp_path: Path) -> None:
    source = official_files.crestereo(tmp_path).rename(tmp_path / 'my tuned: 3.pth')
    imported = import_weights(source)
    assert imported.official is None
    assert imported.proof == ''
    assert imported.path.name == 'my_tuned__3.safetensors'
    assert 'licence' not in read_checkpoint(imported.path).extras


def test_a_wrong_checkpoint_names_what_is_missing_and_unexpected(tmp_path: Path) -> None:
    state = official_files.official_state('crestereo')
    missing = [key for key in state if 'convf1' in key]
    for key in missing:
        del state[key]
    state['update_block.surplus'] = torch.zeros(1)
    torch.save(state, tmp_path / 'wrong.pth')
    with pytest.raises(WeightsError) as caught:
        import_weights(tmp_path / 'wrong.pth')
    for part in ('2 missing', *missing, '1 unexpected: update_block.surplus'):
        assert part in str(caught.value)
    assert imported_weights() == []


def test_another_network_is_refused_with_the_first_of_its_names(tmp_path: Path) -> None:
    torch.save({f'layer{index}.weight': torch.zeros(2) for index in range(9)}, tmp_path / 'x.pth')
    with pytest.raises(WeightsError) as caught:
        import_weights(tmp_path / 'x.pth')
    assert 'weights of none of crestereo, monodepth2' in str(caught.value)
    assert '9 tensors beginning with layer0.weight' in str(caught.value)
    assert 'layer5.weight' not in str(caught.value)


class Command:
    """Runs a command when unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


@pytest.mark.parametrize('place', ['file', 'legacy file', 'folder', 'zip'])
def test_a_malicious_pickle_is_never_executed(tmp_path: Path, place: str) -> None:
    proof = tmp_path / 'was_run'
    trap = {'fnet.conv1.weight': torch.zeros(1), 'x': Command(f'touch {proof}')}
    folder = tmp_path / 'mono_640x192'
    folder.mkdir()
    for part in ('encoder', 'depth'):
        torch.save(trap, folder / f'{part}.pth')
    source = {'folder': folder, 'zip': official_files.zipped(folder)}.get(place)
    if source is None:
        source = tmp_path / 'trap.pth'
        torch.save(trap, source, _use_new_zipfile_serialization=place == 'file')
    with pytest.raises(WeightsError, match='cannot be read as weights'):
        import_weights(source)
    assert not proof.exists()
    assert imported_weights() == []
    pickle.loads(pickle.dumps(trap['x']))
    assert proof.exists(), 'the trap itself works'


def test_archives_without_the_needed_files_name_them(tmp_path: Path) -> None:
    empty = tmp_path / 'empty.zip'
    with zipfile.ZipFile(empty, 'w') as archive:
        archive.writestr('README.txt', 'nothing')
    with pytest.raises(WeightsError, match=r'found README\.txt'):
        import_weights(empty)
    half = tmp_path / 'half.zip'
    with zipfile.ZipFile(half, 'w') as archive:
        archive.writestr('mono_640x192/encoder.pth', b'')
    with pytest.raises(WeightsError, match=r'but not depth\.pth'):
        import_weights(half)
    half.write_bytes(half.read_bytes()[:40])
    with pytest.raises(WeightsError, match='download it again'):
        import_weights(half)


def test_truncated_and_missing_files_end_in_a_sentence(tmp_path: Path) -> None:
    source = official_files.mvsnet(tmp_path)
    content = source.read_bytes()
    for keep in (0, 1, 100, len(content) // 2, len(content) - 1):
        source.write_bytes(content[:keep])
        with pytest.raises(WeightsError, match='cannot be read as weights'):
            import_weights(source)
    with pytest.raises(WeightsError, match='there are no weights at'):
        import_weights(tmp_path / 'nowhere.pth')
    with pytest.raises(WeightsError, match='there are no weights at'):
        import_weights(tmp_path)


def test_a_megengine_pickle_is_told_how_to_be_converted(tmp_path: Path) -> None:
    (tmp_path / 'crestereo_eth3d.mge').write_bytes(b'x')
    with pytest.raises(WeightsError, match='only MegEngine can open'):
        import_weights(tmp_path / 'crestereo_eth3d.mge')
