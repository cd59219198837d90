"""The dependency rule: who may import what, and how large things may grow."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from shared_data import REPOSITORY

PACKAGE = REPOSITORY / 'depth_ros'
MODULES = sorted(PACKAGE.rglob('*.py'))
MAX_MODULE_CODE_LINES = 400
MAX_FUNCTION_LINES = 60

ROS_PACKAGES = ('rclpy', 'tf2_ros', 'cv_bridge', 'message_filters', 'builtin_interfaces')
ALLOWED: dict[str, tuple[str, ...]] = {
    'ros': ('ros/*',),
    'torch': (
        'models/*/network*.py',
        'checkpoints.py',
        'export.py',
        'engines/torch_engine.py',
        'engines/torch_tensorrt_builder.py',
        'training/*',
    ),
    'tensorrt': ('engines/tensorrt_engine.py', 'engines/build.py'),
    'cuda': ('engines/cuda_memory.py',),
    'onnx': ('export.py', 'engines/onnx_precision.py'),
    'openvino': (
        'engines/openvino_engine.py',
        'engines/openvino_precision.py',
        'engines/build.py',
    ),
    'onnxruntime': ('engines/onnxruntime_engine.py', 'engines/build.py', 'export.py'),
    'torch_tensorrt': ('engines/torch_tensorrt_builder.py',),
    'viser': ('viewer.py',),
}
"""Who may import a package, as patterns below ``depth_ros/``."""


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split('.')[0])
    return names


def rule_of(package: str) -> str:
    is_ros = package in ROS_PACKAGES or package.endswith(('_msgs', '_interfaces'))
    return 'ros' if is_ros else package


def identifier(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize('path', MODULES, ids=identifier)
def test_imports_follow_the_dependency_rule(path: Path) -> None:
    name = identifier(path)
    for package in imported_packages(path):
        patterns = ALLOWED.get(rule_of(package))
        assert patterns is None or any(fnmatch(name, pattern) for pattern in patterns), (
            f'depth_ros/{name} imports {package}; only {patterns} may'
        )


def test_models_and_engines_do_not_know_each_other() -> None:
    for path in (PACKAGE / 'engines').glob('*_engine.py'):
        assert 'depth_ros.models' not in path.read_text(encoding='utf-8'), path.name
    for path in (PACKAGE / 'models').glob('*/*.py'):
        text = path.read_text(encoding='utf-8')
        assert 'depth_ros.engines.' not in text.replace('depth_ros.engines.base', ''), path


@pytest.mark.parametrize('path', MODULES, ids=identifier)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    tree = ast.parse(text)
    code = [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith('#')
    ]
    assert len(code) - docstring_lines(tree) <= MAX_MODULE_CODE_LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert length - docstring_lines(node) <= MAX_FUNCTION_LINES, node.name


def docstring_lines(tree: ast.AST) -> int:
    total = 0
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            total += (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return total


@pytest.mark.parametrize('name', ['utils', 'common', 'misc', 'helpers'])
def test_no_module_is_a_drawer_for_everything(name: str) -> None:
    assert not list(PACKAGE.rglob(f'{name}.py'))


def test_package_imports_with_numpy_alone() -> None:
    """Importing the leaves must work where cv2, torch, ROS and every runtime are missing."""
    blocked = ['cv2', 'torch', 'rclpy', 'openvino', 'onnxruntime', 'yaml', 'rich', 'tensorrt']
    program = (
        'import sys\n'
        f'for name in {blocked!r}: sys.modules[name] = None\n'
        'import depth_ros, depth_ros.camera, depth_ros.frames, depth_ros.results\n'
        'import depth_ros.tensors, depth_ros.pipeline, depth_ros.models.base\n'
        'print(depth_ros.__version__)\n'
    )
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_only_cli_prints() -> None:
    for path in MODULES:
        if identifier(path).startswith('cli/'):
            continue
        tree = ast.parse(path.read_text(encoding='utf-8'))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
        assert 'print' not in names, f'depth_ros/{identifier(path)} prints'
