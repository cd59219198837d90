"""LoFTR's static graph: the network's own matches, on every golden, runtime and real pair."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.engines.artifact import WeightsRecord
from depth_ros.engines.build import open_engine, open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.export import ExportRequest, export_graph
from depth_ros.engines.recipe import load_recipe
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.models.loftr.network import VARIANTS, load_loftr, synthetic_state
from depth_ros.models.loftr.network_graph import MatchGraph, match_exportable
from depth_ros.models.loftr.network_matching import mutual_matches, similarity
from depth_ros.models.loftr.network_student import CoarseLoftr, exportable
from depth_ros.models.loftr.network_views import insides, valid_pairs
from tests.kit.match_scenes import shifted_views
from tests.kit.parity.kit import goldens_folder, kit_module
from tests.kit.parity.loftr import golden_network, make_inputs
from tests.kit.shared_data import shared_path

RUNTIME_NAMES = ('onnxruntime', 'openvino')
SIZE = (64, 96)
POINT_TOLERANCE_PX = 2e-3
CONFIDENCE_TOLERANCE = 1e-4
FULL = 'DEPTH_ROS_FULL_PARITY'
GOLDENS = sorted(goldens_folder().glob('loftr*.npz'))


def feeds_of(first, second, *, cell_px=8, masks=(None, None)):
    height, width = first.shape
    ones = np.ones((1, height // cell_px, width // cell_px), np.uint8)
    first_mask, second_mask = (ones if mask is None else mask for mask in masks)
    return {
        'first': first[None, :, :, None],
        'second': second[None, :, :, None],
        'first_mask': first_mask,
        'second_mask': second_mask,
    }


def network_matches(network, feeds, threshold):
    """What the network finds: {cell of the first: (x, y, confidence)}."""
    images = [
        torch.from_numpy(feeds[n]).permute(0, 3, 1, 2).float() / 255 for n in ('first', 'second')
    ]
    masks = [torch.from_numpy(feeds[f'{n}_mask']).float() for n in ('first', 'second')]
    with torch.inference_mode():
        if isinstance(network, CoarseLoftr):
            views = network.views(*images, *masks)
            pairs = similarity(views[0].coarse, views[1].coarse)
            confidence = network.coarse_matching(pairs, valid_pairs(views))
            cells = mutual_matches(confidence, threshold, *insides(views, network.border))
            columns = images[0].shape[3] // 16
            points = torch.stack([cells.second % columns, cells.second // columns], 1) * 16
        else:
            matches = network(*images, first_mask=masks[0], second_mask=masks[1])
            cells, points = matches.cells, matches.second
    values = zip(cells.first.tolist(), points.tolist(), cells.confidence.tolist(), strict=True)
    return {cell: (*point, confidence) for cell, point, confidence in values}


def graph_matches(outputs, threshold):
    confidence = outputs['confidence'].ravel()
    points = outputs['points'].reshape(-1, 2)
    return {
        cell: (*points[cell].tolist(), float(confidence[cell]))
        for cell in np.flatnonzero(confidence > threshold)
    }


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    limits = (POINT_TOLERANCE_PX, POINT_TOLERANCE_PX, CONFIDENCE_TOLERANCE)
    for cell, values in wanted.items():
        assert np.allclose(np.subtract(found[cell], values) / limits, 0, atol=1)


def padding_mask(rows, columns, *, height=SIZE[0] // 8, width=SIZE[1] // 8):
    mask = np.zeros((1, height, width), np.uint8)
    mask[:, :rows, :columns] = 1
    return mask


MASKS = {
    'whole': (None, None),
    'padded right': (None, padding_mask(8, 9)),
    'padded both': (padding_mask(7, 12), padding_mask(8, 10)),
    'nothing': (padding_mask(0, 0), None),
}


def export(graph, path, size):
    """Export with the recipe's own tolerances."""
    request = ExportRequest(
        recipe='loftr',
        graph='loftr',
        size=size,
        options={},
        weights=WeightsRecord(source='synthetic:0', sha256='', licence='none (made up)'),
        tolerances=load_recipe('loftr').graphs['loftr'].tolerances,
        command='-',
    )
    export_graph(graph, path, request)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """One export of the whole network, opened by every runtime there is."""
    network = load_loftr(VARIANTS['outdoor_ds'], synthetic_state(0))
    folder = tmp_path_factory.mktemp('loftr')
    graph = match_exportable(MatchGraph(network, 96), height=SIZE[0], width=SIZE[1])
    export(graph, folder / 'loftr.onnx', SIZE)
    return network, folder / 'loftr.onnx', EngineCache(folder / 'cache')


@pytest.mark.parametrize('runtime', RUNTIME_NAMES)
def test_an_engine_gives_the_networks_matches(exported, runtime):
    if RUNTIMES[runtime].missing():
        pytest.skip(RUNTIMES[runtime].missing())
    network, path, cache = exported
    views = shifted_views(1, *SIZE, (24, 16))
    with open_engine(path, EngineChoice(runtime=runtime, num_threads=1), cache=cache) as engine:
        for name, masks in MASKS.items():
            feeds = feeds_of(*views, masks=masks)
            wanted = network_matches(network, feeds, 0.2)
            assert bool(wanted) == (name != 'nothing'), name
            assert_same(graph_matches(engine.infer(feeds), 0.2), wanted)


def run_graph(graph, feeds):
    """Run a graph's module in torch; give its outputs by name."""
    with torch.inference_mode():
        outputs = graph.module(*(torch.from_numpy(value) for value in feeds.values()))
    names = [spec.name for spec in graph.outputs]
    return dict(zip(names, (value.numpy() for value in outputs), strict=True))


def test_few_refinements_keep_the_surest(exported):
    network, _, _ = exported
    feeds = feeds_of(*shifted_views(1, *SIZE, (24, 16)))
    all_maps, few_maps = (
        run_graph(
            match_exportable(MatchGraph(network, count), height=SIZE[0], width=SIZE[1]), feeds
        )
        for count in (96, 5)
    )
    everything, few = graph_matches(all_maps, 0.0), graph_matches(few_maps, 0.0)
    assert len(few) == 5 < len(everything)
    assert_same(few, {cell: everything[cell] for cell in few})
    others = [values[2] for cell, values in everything.items() if cell not in few]
    assert min(values[2] for values in few.values()) >= max(others)
    assert (few_maps['points'][few_maps['confidence'] == 0] == 0).all()


@pytest.mark.parametrize('path', GOLDENS, ids=lambda path: path.stem)
def test_golden(path, tmp_path):
    """Runs the graph in torch; with DEPTH_ROS_FULL_PARITY=1 also exported, in every runtime."""
    golden = kit_module('golden').Golden(path)
    if not golden.inputs:
        golden.inputs = make_inputs(golden)
    network = golden_network(golden)
    threshold = golden.meta['thr']
    all_feeds = [golden_feeds(golden, item) for item in range(len(golden.inputs['image0_gray']))]
    wanted = [
        golden_matches(golden, item, network, feeds, threshold)
        for item, feeds in enumerate(all_feeds)
    ]
    height, width = all_feeds[0]['first'].shape[1:3]
    graph = match_exportable(MatchGraph(network, 8192), height=height, width=width)
    for feeds, matches in zip(all_feeds, wanted, strict=True):
        assert_same(graph_matches(run_graph(graph, feeds), threshold), matches)
    if os.environ.get(FULL) == '1':
        exported_path = tmp_path / 'golden.onnx'
        export(graph, exported_path, (height, width))
        cache = EngineCache(tmp_path / 'cache')
        for runtime in RUNTIME_NAMES:
            with open_engine(exported_path, EngineChoice(runtime=runtime), cache=cache) as engine:
                for feeds, matches in zip(all_feeds, wanted, strict=True):
                    assert_same(graph_matches(engine.infer(feeds), threshold), matches)


def golden_feeds(golden, item):
    """One pair of a golden; the smaller image is padded to the larger one's size."""
    images = [golden.inputs[f'image{index}_gray'][item] for index in (0, 1)]
    height, width = np.max([image.shape for image in images], axis=0)
    masks = []
    for index, image in enumerate(images):
        mask = np.zeros((1, height // 8, width // 8), np.uint8)
        cells = golden.inputs.get(f'mask{index}', np.ones((item + 1, 1, 1)))[item] != 0
        mask[:, : image.shape[0] // 8, : image.shape[1] // 8] = cells
        masks.append(mask)
    padded = [
        np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])))
        for image in images
    ]
    return feeds_of(*padded, masks=masks)


def golden_matches(golden, item, network, feeds, threshold):
    """The golden's matches where it ran on the same pixels, else the network's."""
    shapes = {golden.inputs[f'image{index}_gray'].shape for index in (0, 1)}
    if len(shapes) > 1 or 'scale1' in golden.inputs:
        return network_matches(network, feeds, threshold)
    chosen = golden.outputs['b_ids'] == item
    columns = [golden.outputs[name][chosen] for name in ('i_ids', 'mkpts1_f', 'mconf')]
    return {
        int(cell): (*point, confidence) for cell, point, confidence in zip(*columns, strict=True)
    }


REAL_PAIRS = {
    'hololens': ('hololens_mvs/images/00070.png', 'hololens_mvs/images/00071.png'),
    'scannet': ('scannet_posed_mini/color/0048.png', 'scannet_posed_mini/color/0054.png'),
    'graf': ('opencv_planar_pairs/graf1.png', 'opencv_planar_pairs/graf3.png'),
    'landmark': (
        'loftr_pairs/phototourism/st_pauls_cathedral_30776973_2635313996.jpg',
        'loftr_pairs/phototourism/st_pauls_cathedral_37347628_10902811376.jpg',
    ),
}


@pytest.mark.parametrize('runtime', RUNTIME_NAMES)
def test_the_student_matches_real_pairs_alike_everywhere(runtime, tmp_path_factory):
    if RUNTIMES[runtime].missing():
        pytest.skip(RUNTIMES[runtime].missing())
    weights = shared_path('weights/loftr_coarse/LoFTR_teacher.pt')
    cache = EngineCache(tmp_path_factory.getbasetemp() / 'student')
    size = (240, 320)
    network = exportable(
        graph='loftr', height=240, width=320, options={}, state=load_checkpoint(weights)
    ).module.network
    engines = open_graphs(
        'loftr_coarse',
        EngineChoice(size=size, weights=str(weights), runtime=runtime, num_threads=1),
        cache=cache,
    )
    with engines['loftr'] as engine:
        for name, files in REAL_PAIRS.items():
            views = [read_grey(file, size) for file in files]
            feeds = feeds_of(*views, cell_px=16)
            wanted = network_matches(network, feeds, 0.01)
            assert len(wanted) > (0 if name == 'landmark' else 20), name
            assert_same(graph_matches(engine.infer(feeds), 0.01), wanted)


def read_grey(file, size):
    image = cv2.imread(str(shared_path(f'data/{file}')), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
