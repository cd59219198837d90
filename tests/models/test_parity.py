"""Do our networks give the reference's numbers? One test per golden of the parity kit.

A new model adds a module ``tests/kit/parity/<model>.py`` with ``INPUTS``, ``TOLERANCE``,
``make_inputs`` and ``compute``, ``check_outputs`` where it has a rule of its own, and one entry
in ``MODELS``. What a golden asks for (sizes, batch, iterations, salt...) comes from its file
name, its inputs and its meta.
"""

from __future__ import annotations

import pytest

pytest.importorskip('torch', reason='torch is not installed')

from tests.kit.parity import crestereo, loftr, monodepth2, mvsnet, tio_depth
from tests.kit.parity.kit import (
    KIT,
    Tolerance,
    check_input_bytes,
    check_input_names,
    check_outputs,
    goldens_folder,
    kit_module,
)

MODELS = {
    'crestereo': crestereo,
    'loftr': loftr,
    'monodepth2': monodepth2,
    'mvsnet': mvsnet,
    'tio_depth': tio_depth,
}
"""By the beginning of a golden's file name; None is not implemented yet."""

GOLDENS = sorted(goldens_folder().glob('*.npz'))


@pytest.mark.parametrize('path', GOLDENS, ids=lambda path: path.stem)
def test_golden(path):
    model = next((name for name in MODELS if path.stem.startswith(name)), None)
    assert model is not None, f'{path.name} is of no model this test knows: {sorted(MODELS)}'
    parity = MODELS[model]
    if parity is None:
        pytest.skip(f'model {model} is not implemented yet')
    golden = kit_module('golden').Golden(path)
    golden.stem = path.stem
    if not golden.inputs:
        golden.inputs = parity.make_inputs(golden)
    check_input_names(golden, parity.INPUTS)
    check_input_bytes(golden)
    check = getattr(parity, 'check_outputs', check_outputs)
    check(golden, parity.compute(golden), parity.TOLERANCE)


def test_there_are_goldens():
    for folder in (KIT, goldens_folder()):
        if not folder.is_dir():
            pytest.skip(f'the folder of goldens {folder.name!r} is absent (DEPTH_ROS_PARITY_DIR)')
    assert GOLDENS, f'no .npz in {goldens_folder()}; DEPTH_ROS_PARITY_DIR points elsewhere'


class FakeGolden:
    """A golden with one output; ``check`` is the kit's own rule in short."""

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs, self.meta = inputs, outputs, {}

    def check(self, name, value, atol, mean_atol):
        error = abs(value - self.outputs[name])
        assert error <= atol and error <= mean_atol, name


def test_an_unknown_input_fails():
    golden = FakeGolden({'left_bgr': 0, 'mask0': 0}, {})
    with pytest.raises(AssertionError, match='mask0'):
        check_input_names(golden, {'left_bgr', 'right_bgr'})


def test_an_unknown_or_uncomputed_output_fails():
    allowed = {'flow_.*': Tolerance(largest=1.0, mean=1.0)}
    golden = FakeGolden({}, {'flow_a': 1.0, 'flow_b': 2.0, 'depth': 3.0})
    with pytest.raises(AssertionError) as error:
        check_outputs(golden, {'flow_a': 1.5, 'depth': 3.0}, allowed)
    assert 'flow_b' in str(error.value) and 'depth' in str(error.value)
    assert 'flow_a' not in str(error.value)


def test_both_tolerances_are_checked():
    golden = FakeGolden({}, {'a': 0.0})
    check_outputs(golden, {'a': 0.5}, {'a': Tolerance(largest=1.0, mean=1.0)})
    for tolerance in (Tolerance(largest=0.1, mean=1.0), Tolerance(largest=1.0, mean=0.1)):
        with pytest.raises(AssertionError, match='a'):
            check_outputs(golden, {'a': 0.5}, {'a': tolerance})
