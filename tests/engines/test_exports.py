"""Finding and making exported graphs, with a two-graph recipe of made-up content."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines import exports
from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.build import open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import list_exports, make_network, plan_exports
from depth_ros.engines.recipe import load_recipe
from depth_ros.errors import ArtifactError, EngineError, RecipeError, WeightsError
from depth_ros.files.share import share_path
from tests.kit.engine_choice import asked

torch = pytest.importorskip('torch', reason='torch is absent')
toy_network = pytest.importorskip('tests.kit.toy_network', reason='torch is absent')
pytest.importorskip('onnxscript', reason='the package onnxscript is absent')
pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')
COMMAND = 'depth-ros build toy --weights FILE --size 12x20'


@pytest.fixture(autouse=True)
def share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder that offers the recipe."""
    folder = tmp_path / 'share'
    (folder / 'engines').mkdir(parents=True)
    (folder / 'engines' / 'toy.yaml').write_text(toy_network.RECIPE)
    monkeypatch.setenv('DEPTH_ROS_SHARE', str(folder))
    return folder


@pytest.fixture(scope='module')
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with both graphs exported once, from a checkpoint and from made-up weights."""
    root = tmp_path_factory.mktemp('filled')
    recipe_folder = root / 'share' / 'engines'
    recipe_folder.mkdir(parents=True)
    (recipe_folder / 'toy.yaml').write_text(toy_network.RECIPE)
    torch.save({'gain': torch.tensor(2.0)}, root / 'toy.pth')
    previous = os.environ.get('DEPTH_ROS_SHARE')
    os.environ['DEPTH_ROS_SHARE'] = str(root / 'share')
    try:
        for weights in (str(root / 'toy.pth'), 'synthetic:0'):
            close(open_toy(EngineCache(root / 'cache'), weights=weights))
    finally:
        if previous is None:
            del os.environ['DEPTH_ROS_SHARE']
        else:
            os.environ['DEPTH_ROS_SHARE'] = previous
    return root


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> EngineCache:
    shutil.copytree(filled / 'cache', tmp_path / 'cache')
    return EngineCache(tmp_path / 'cache')


def open_toy(cache: EngineCache, **kwargs: object) -> dict:
    settings: dict = {'runtime': 'onnxruntime', 'num_threads': 1, **kwargs}
    return open_graphs('toy', cache=cache, **asked(**settings))


def close(engines: dict) -> None:
    for engine in engines.values():
        engine.close()


def gain_of(engines: dict) -> float:
    """Measure the weight inside: the mean of an all-ones image times it."""
    ones = np.ones((1, 12, 20, 3), np.uint8)
    value = float(engines['features'].infer({'left': ones, 'right': ones})['left_mean'][0, 0])
    close(engines)
    return value


def forbid_exporting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, 'is_importable', lambda library: False)


def test_checkpoint_is_exported_once(
    cache: EngineCache, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_exporting(monkeypatch)
    engines = open_toy(cache, weights=str(filled / 'toy.pth'))
    assert set(engines) == {'features', 'update'}
    assert engines['features'].info.graph == 'toy-features-12x20'
    assert engines['update'].info.graph == 'toy-update-12x20-r0.5'
    assert gain_of(engines) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ('model', 'owner'),
    [
        ('crestereo_tiny_hinted', 'crestereo_tiny_half'),
        ('crestereo_tiny', 'crestereo_tiny_half'),
        ('crestereo_tiny_half', 'mvsnet'),
        ('mvsnet', 'crestereo_tiny_hinted'),
    ],
)
def test_weights_of_another_model_name_it(model: str, owner: str) -> None:
    weights = share_path(f'weights/{owner}.safetensors')
    plan = plan_exports(load_recipe(model), EngineChoice(weights=str(weights)))
    with pytest.raises(WeightsError, match=f'are the weights of {owner}; use model {owner},'):
        make_network(plan, next(iter(plan.stems)))


def test_only_the_graphs_asked_for_are_opened(cache: EngineCache, filled: Path) -> None:
    engines = open_toy(cache, weights=str(filled / 'toy.pth'), graphs=['features'])
    assert gain_of(engines) == pytest.approx(2.0) and set(engines) == {'features'}
    engines = open_toy(cache, weights='synthetic:1', graphs=('update',), runtime='torch')
    assert set(engines) == {'update'}
    close(engines)
    with pytest.raises(RecipeError, match="no graph 'head'"):
        open_toy(cache, graphs=['head'])


def test_only_the_graphs_asked_for_are_exported(filled: Path, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / 'new')
    close(open_toy(cache, weights=str(filled / 'toy.pth'), graphs=['features']))
    made = [path for path in list_exports(cache) if path.is_relative_to(cache.root)]
    assert [path.stem for path in made] == ['toy-features-12x20']
    close(open_toy(cache, graphs=['features']))
    with pytest.raises(WeightsError, match='toy-update-12x20'):
        open_toy(cache)


def test_nothing_named_takes_the_export_never_the_made_up_one(
    cache: EngineCache, filled: Path
) -> None:
    assert gain_of(open_toy(cache)) == pytest.approx(2.0)
    for folder in (cache.root / 'exports').iterdir():
        if not folder.name.startswith('synthetic'):
            shutil.rmtree(folder)
    with pytest.raises(WeightsError) as caught:
        open_toy(cache)
    for words in ('toy.pth', 'MIT', 'docs/engines.md', 'https://example.org/toy', COMMAND):
        assert words in str(caught.value)


def test_made_up_weights_only_when_asked_for_and_then_named(cache: EngineCache) -> None:
    engines = open_toy(cache, weights='synthetic:0')
    assert engines['features'].info.graph == 'toy-features-12x20 [synthetic:0]'
    assert gain_of(engines) == pytest.approx(1.0)


def test_newest_export_wins(cache: EngineCache, filled: Path, tmp_path: Path) -> None:
    torch.save({'gain': torch.tensor(5.0)}, tmp_path / 'later.pth')
    assert gain_of(open_toy(cache, weights=str(tmp_path / 'later.pth'))) == pytest.approx(5.0)
    assert gain_of(open_toy(cache)) == pytest.approx(5.0)
    assert gain_of(open_toy(cache, weights=str(filled / 'toy.pth'))) == pytest.approx(2.0)
    tag = exports.file_digest(tmp_path / 'later.pth')[:16]
    manifest = load_artifact(
        cache.root / 'exports' / f'toy-{tag}' / 'toy-features-12x20.onnx'
    ).manifest
    assert manifest.weights.source == 'later.pth'
    assert manifest.weights.licence == 'not known (not the published file)'
    assert manifest.command == COMMAND.replace('FILE', 'later.pth')


def test_shipped_graphs_come_before_the_cache(
    cache: EngineCache, filled: Path, share: Path, tmp_path: Path
) -> None:
    source = next(path for path in (cache.root / 'exports').iterdir() if 'toy-' in path.name)
    shutil.move(source, share / 'weights')
    empty = EngineCache(tmp_path / 'empty')
    assert gain_of(open_toy(empty)) == pytest.approx(2.0)
    assert {path.stem for path in list_exports(empty)} >= {'toy-features-12x20'}


def test_folder_of_artefacts_may_be_named(
    cache: EngineCache, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to a robot without torch: copy the folder, name it."""
    forbid_exporting(monkeypatch)
    source = next(path for path in (cache.root / 'exports').iterdir() if 'toy-' in path.name)
    copied = shutil.copytree(source, tmp_path / 'copied')
    empty = EngineCache(tmp_path / 'empty')
    assert gain_of(open_toy(empty, weights=str(copied))) == pytest.approx(2.0)
    with pytest.raises(ArtifactError) as caught:
        open_toy(empty, weights=str(copied), preset='small')
    for words in ('toy-features-8x12.onnx', 'toy-features-12x20.onnx', '--size 8x12'):
        assert words in str(caught.value)
    with pytest.raises(ArtifactError, match='name the folder'):
        open_toy(empty, weights=str(copied / 'toy-features-12x20.onnx'))


def test_interrupted_export_counts_as_absent(cache: EngineCache, filled: Path) -> None:
    for manifest in (cache.root / 'exports').glob('toy-*/toy-update*.json'):
        manifest.unlink()
    with pytest.raises(WeightsError, match='depth-ros build'):
        open_toy(cache)
    assert gain_of(open_toy(cache, weights=str(filled / 'toy.pth'))) == pytest.approx(2.0)
    assert gain_of(open_toy(cache)) == pytest.approx(2.0)


def test_without_torch_the_error_says_what_to_install_and_the_other_way(
    cache: EngineCache, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_exporting(monkeypatch)
    with pytest.raises(EngineError) as caught:
        open_toy(cache, weights=str(filled / 'toy.pth'), size=(16, 20))
    for words in ('pip install torch onnx onnxscript', '--size 16x20', 'machine that has them'):
        assert words in str(caught.value)


def test_missing_size_lists_what_is_there(cache: EngineCache) -> None:
    with pytest.raises(WeightsError, match='exported are: toy-features-12x20') as caught:
        open_toy(cache, size=(16, 20))
    assert '--size 16x20' in str(caught.value)


@pytest.mark.parametrize(
    ('weights', 'words'),
    [
        ('absent.pth', 'there are no weights at'),
        ('synthetic:x', 'synthetic:SEED'),
        ('empty_folder', 'a folder without exported graphs'),
        ('damaged.pth', 'cannot be read as weights'),
    ],
)
def test_unusable_weights(tmp_path: Path, weights: str, words: str) -> None:
    (tmp_path / 'empty_folder').mkdir()
    (tmp_path / 'damaged.pth').write_bytes(b'\x00\x01no weights\xff')
    named = weights if weights.startswith('synthetic') else str(tmp_path / weights)
    with pytest.raises(WeightsError, match=words):
        open_toy(EngineCache(tmp_path / 'cache'), weights=named)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({'other': torch.tensor(5.0)}, tmp_path / 'toy.pth')
    with pytest.raises(WeightsError, match='gain'):
        open_toy(EngineCache(tmp_path / 'cache'), weights=str(tmp_path / 'toy.pth'))


def test_torch_runs_the_network_itself(filled: Path, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / 'cache')
    engines = open_toy(cache, weights='synthetic:2', runtime='torch')
    assert engines['update'].info.graph.endswith('[synthetic:2]')
    assert gain_of(engines) == pytest.approx(3.0)
    assert not cache.root.exists()
    with pytest.raises(WeightsError, match='needs the checkpoint'):
        open_toy(cache, runtime='torch')
    with pytest.raises(EngineError, match="'f32' only"):
        open_toy(cache, runtime='torch', weights='synthetic:2', precision='bf16')


def test_one_graph_that_cannot_open_closes_the_others(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    from depth_ros.engines import build

    real = build.open_engine

    def fail_on_update(path: Path, *given: object, **kwargs: object):  # type: ignore[no-untyped-def]
        if 'update' in path.name:
            raise EngineError('no')
        engine = real(path, *given, **kwargs)
        monkeypatch.setattr(engine, 'close', lambda: closed.append(engine.info.graph))
        return engine

    monkeypatch.setattr(build, 'open_engine', fail_on_update)
    with pytest.raises(EngineError, match=r'^no$'):
        open_toy(cache)
    assert closed == ['toy-features-12x20']


def test_recipe_mistakes_come_before_any_work(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / 'cache')
    with pytest.raises(RecipeError, match="no preset 'huge'"):
        open_toy(cache, preset='huge')
    with pytest.raises(RecipeError, match='multiples of 4'):
        open_toy(cache, size=(10, 10))
    assert not cache.root.exists()


def test_recipe_stays_readable() -> None:
    assert set(load_recipe('toy').graphs) == {'features', 'update'}


def header_of(names: list[str]) -> bytes:
    """Return a safetensors file of one number a tensor."""
    entries = {
        name: {'dtype': 'F32', 'shape': [1], 'data_offsets': [4 * at, 4 * at + 4]}
        for at, name in enumerate(names)
    }
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, 'little') + text + bytes(4 * len(names))


OWN = [f'block.{index}.weight' for index in range(20)]


@pytest.mark.parametrize(
    ('content', 'error', 'words'),
    [
        (header_of(OWN), EngineError, 'pip install'),
        (header_of([f'module.{name}' for name in OWN]), EngineError, 'pip install'),
        (header_of(OWN[:18]), EngineError, 'pip install'),
        (header_of(OWN[:17]), WeightsError, r'has 17 of its 20 tensors and 0 others'),
        (header_of([*OWN, 'head.bias']), WeightsError, r'20 of its 20 tensors and 1 others'),
        (header_of(['fnet.conv']), WeightsError, r"another network than 'toy'"),
        (b'no weights at all', WeightsError, r'is no safetensors file'),
    ],
)
def test_without_torch_wrong_weights_are_called_wrong(
    share: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    error: type[Exception],
    words: str,
) -> None:
    (share / 'weights').mkdir()
    (share / 'weights' / 'toy.safetensors').write_bytes(header_of(OWN))
    given = tmp_path / 'given.safetensors'
    given.write_bytes(content)
    forbid_exporting(monkeypatch)
    with pytest.raises(error, match=words):
        open_toy(EngineCache(tmp_path / 'cache'), weights=str(given))
