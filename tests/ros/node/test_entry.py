"""What starting a node imports, and that the garbage collector works afterwards."""

import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='no ROS')

NOT_AT_START = {
    'openvino',
    'onnxruntime',
    'tensorrt',
    'torch',
    'rich',
    'rosbags',
    'depth_ros.engines.build',
    'depth_ros.files.calibration',
}
"""What takes long and is imported when an engine opens, or never by a node."""


def told(code: str) -> set[str]:
    """Run code in an interpreter of its own; return the words that it prints."""
    return set(subprocess.check_output([sys.executable, '-c', code], text=True).split())


@pytest.mark.ros
def test_a_node_imports_no_runtime_and_no_reader_of_files() -> None:
    code = "from depth_ros.ros.entry import imported; imported('stereo_node')"
    modules = told(f'import sys; {code}; print(*sys.modules)')
    assert 'depth_ros.ros.stereo.node' in modules
    assert modules & NOT_AT_START == set()


@pytest.mark.ros
def test_the_garbage_collector_rests_during_the_imports_only() -> None:
    code = (
        'import gc; from depth_ros.ros.entry import imported; '
        "imported('stereo_node'); print(gc.isenabled(), gc.get_freeze_count() > 10000)"
    )
    assert told(code) == {'True'}


@pytest.mark.ros
def test_a_node_that_is_not_there_leaves_the_garbage_collector_on() -> None:
    code = (
        'import gc; from depth_ros.ros import entry; entry.NODES["x"] = "no_such_module"\n'
        'try:\n    entry.imported("x")\n'
        'except ModuleNotFoundError:\n    print(gc.isenabled())'
    )
    assert told(code) == {'True'}
