"""The rooms: who may import whom, who may import what from outside, how large things may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from depth_ros.models.registry import MODELS
from tests.kit.child_environment import child_environment
from tests.kit.shared_data import REPOSITORY

PACKAGE = REPOSITORY / 'depth_ros'
MODULES = sorted(PACKAGE.rglob('*.py'))
MAX_MODULE_CODE_LINES = 400
MAX_FUNCTION_LINES = 60

FLOORS: tuple[tuple[str, ...], ...] = (
    ('errors',),
    ('settings', 'calibration'),
    ('camera',),
    ('results', 'tensors'),
    ('entries',),
    ('frames', 'plugins'),
    ('geometry',),
    ('messages',),
    ('streams', 'scenes', 'pictures'),
    ('files',),
    ('checkpoints',),
    ('models', 'engines'),
    ('weights',),
    ('tasks',),
    ('viewer', 'evaluation'),
    ('recordings',),
    ('training',),
    ('ros',),
    ('cli',),
    ('__init__', '__main__'),
)
"""The rooms from the ground up. A module imports its own room and those on floors below; rooms on
one floor do not know each other: models and engines meet in ``tensors``."""

EVERY_TASKS = tuple(
    f'tasks/{name}' for name in ('pipeline', 'processor', 'networks', 'call', 'keywords')
)
APART: dict[str, tuple[str, ...]] = {
    'models/*': ('models/base', 'models/layers'),
    'models/registry': ('models/*',),
    'tasks/*': EVERY_TASKS,
    'tasks/mono': ('tasks/multiview', *EVERY_TASKS),
    'tasks/odometry': ('tasks/matching', 'tasks/stereo', *EVERY_TASKS),
    'ros/*': ('ros/node',),
    'ros/launching': ('ros/fastdds', 'ros/container', 'ros/topic_names'),
    'ros/launch_names': (),
    'ros/launch_words': ('ros/topic_names', 'ros/parameter_docs', 'ros/launch_names'),
    'ros/policy': ('ros/*',),
    'ros/doctor': ('ros/node', 'ros/fastdds'),
    'ros/node': ('ros/fastdds',),
    'ros/entry': ('ros/*',),
    'ros/perception': ('ros/*',),
    'ros/__main__': ('ros/entry',),
    'ros/parameter_docs': ('ros/*',),
    'cli/*': ('cli/kit',),
    'cli/main': ('cli/*',),
    'training/*': ('training/*',),
}
"""Neighbours within a room that do not know each other, and whom each may import all the same."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ('models/registry', 'training/finetune/students'): 'a name for whoever fine-tunes',
    ('models/registry', 'training/finetune/mono_job'): 'a name for whoever fine-tunes',
}
"""(module, imported) to the reason; at most three."""

NAMED_BESIDE: dict[str, str] = {
    'models/registry': 'the table',
    'models/crestereo_tiny/network*': 'the graph of this name',
    'training/*': 'recipes of training by the name of what they train',
    'cli/evaluate/stereo': "the figures of one network's card, made in torch",
    'cli/evaluate/match': 'its --student is one network',
    'cli/kit/arguments': 'its --sgbm sets one model',
    'tasks/stereo/settings': 'hints may come from one model',
    'files/posed/mvsnet': 'the name of a layout of files',
    'cli/run/multiview': 'the same name',
}
"""Where a model may be named outside of its own folder, with the reason."""

OWN_NAME = r'depth_ros(\.\w+)+(:\w+)?'
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

ROS_PACKAGES = ('rclpy', 'tf2_ros', 'cv_bridge', 'message_filters', 'builtin_interfaces')
OUTSIDE: dict[str, tuple[str, ...]] = {
    'ros': ('ros/*',),
    'torch': (
        'models/*/network*',
        'checkpoints/*',
        'engines/export',
        'engines/torch_engine',
        'engines/tensorrt/torch_tensorrt_builder',
        'scenes/layered/*',
        'scenes/rooms/*',
        'training/*',
    ),
    'tensorrt': ('engines/tensorrt/engine', 'engines/build'),
    'cuda': ('engines/tensorrt/cuda_memory',),
    'onnx': ('engines/export', 'engines/stereodemo', 'engines/tensorrt/onnx_precision'),
    'openvino': ('engines/openvino', 'engines/openvino/*', 'engines/build'),
    'nncf': ('engines/openvino/int8',),
    'onnxruntime': ('engines/onnxruntime_engine', 'engines/build', 'engines/export'),
    'torch_tensorrt': ('engines/tensorrt/torch_tensorrt_builder',),
    'viser': ('viewer/server',),
}
"""Who may import a package from outside, as patterns below ``depth_ros/``."""


def identifier(path: Path) -> str:
    """Name a module by its path below the package, without the ending."""
    return path.relative_to(PACKAGE).with_suffix('').as_posix().removesuffix('/__init__')


def imported(path: Path) -> Iterator[str]:
    """Give the dotted names that a module imports, also by ``import_module`` and in tables."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f'{path}: relative imports hide where a name comes from'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(OWN_NAME, str(node.value)):
            yield str(node.value).partition(':')[0]


def own_module(name: str) -> str | None:
    """Give the module below ``depth_ros/`` that an imported name is or lies in."""
    parts = name.split('.')
    if parts[0] != 'depth_ros' or len(parts) < 2:
        return None
    for end in range(len(parts), 1, -1):
        path = PACKAGE.joinpath(*parts[1:end])
        if path.with_suffix('.py').is_file() or path.is_dir():
            return '/'.join(parts[1:end])
    return None


def room_of(module: str) -> str:
    return module.partition('/')[0]


def corner_of(module: str) -> str:
    """Give room and first name below it, e.g. ``tasks/mono``."""
    return '/'.join(module.split('/')[:2])


def allowed_neighbours(corner: str) -> tuple[str, ...] | None:
    """Give whom a corner may import in its own room; None where the room has no such rule."""
    exact = APART.get(corner)
    return exact if exact is not None else APART.get(f'{room_of(corner)}/*')


def fault_of(module: str, target: str) -> str | None:
    """Say what is wrong with an import, or None."""
    if (module, target) in EXCEPTIONS:
        return None
    room, other = room_of(module), room_of(target)
    if room != other:
        is_below = FLOOR_OF[other] < FLOOR_OF[room]
        return None if is_below else f'{other!r} is not on a floor below {room!r}'
    corner, neighbour = corner_of(module), corner_of(target)
    allowed = allowed_neighbours(corner)
    is_apart = '/' in module and '/' in target and corner != neighbour and allowed is not None
    if is_apart and not any(fnmatch(neighbour, pattern) for pattern in allowed or ()):
        return f'{corner!r} and {neighbour!r} are neighbours that do not know each other'
    return None


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(identifier(path)) for path in MODULES} - {'.'}
    assert rooms | {'__init__', '__main__'} == set(FLOOR_OF)
    assert len(EXCEPTIONS) <= 3


@pytest.mark.parametrize('path', MODULES, ids=identifier)
def test_imports_go_down_only(path: Path) -> None:
    module = identifier(path) if path.parent != PACKAGE else path.stem
    for name in imported(path):
        target = own_module(name)
        fault = fault_of(module, target) if target else None
        assert fault is None, f'depth_ros/{module}.py imports {name}: {fault}'


@pytest.mark.parametrize(
    ('module', 'target'),
    [
        ('camera', 'geometry/depth'),
        ('geometry/depth', 'files/bags'),
        ('models/sgbm/model', 'engines/build'),
        ('engines/build', 'models/registry'),
        ('models/sgbm/model', 'models/crestereo/model'),
        ('tasks/mono/processor', 'tasks/stereo'),
        ('ros/mono/node', 'ros/stereo/node'),
        ('tasks/stereo', 'ros/node/worker'),
        ('cli/run/stereo', 'cli/evaluate/stereo'),
        ('weights/registry', 'tasks/networks'),
    ],
)
def test_rule_refuses(module: str, target: str) -> None:
    assert fault_of(module, target) is not None


def model_names(path: Path) -> set[str]:
    """Return the models that a module names in its code, docstrings left out."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    words = {node.value for node in constants if id(node) not in texts}
    return {name for name in MODELS if name in words}


def own_folder(name: str) -> set[str]:
    """Return the folders below ``models/`` in which a model may name itself."""
    factories = [service.factory for service in MODELS[name].services.values()]
    return {factory.split('.')[2] for factory in factories}


@pytest.mark.parametrize('path', MODULES, ids=identifier)
def test_a_model_is_named_in_its_folder_and_in_the_table_alone(path: Path) -> None:
    """What else asks for a model by name would be one more place to touch for a new one."""
    module = identifier(path)
    if any(fnmatch(module, pattern) for pattern in NAMED_BESIDE):
        return
    folder = set(module.split('/')[1:2])
    foreign = {name for name in model_names(path) if not folder & own_folder(name)}
    assert not foreign, f'depth_ros/{module}.py names {sorted(foreign)}: ask models.registry'


def outside_rule_of(package: str) -> str:
    is_ros = package in ROS_PACKAGES or package.endswith(('_msgs', '_interfaces'))
    return 'ros' if is_ros else package


@pytest.mark.parametrize('path', MODULES, ids=identifier)
def test_packages_from_outside_have_their_place(path: Path) -> None:
    module = identifier(path)
    for package in {name.partition('.')[0] for name in imported(path)}:
        patterns = OUTSIDE.get(outside_rule_of(package))
        assert patterns is None or any(fnmatch(module, pattern) for pattern in patterns), (
            f'depth_ros/{module}.py imports {package}; only {patterns} may'
        )


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


def test_no_class_name_stands_for_two_things() -> None:
    """Private names are their module's own affair."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
                places.setdefault(node.name, []).append(identifier(path))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_package_imports_with_numpy_alone() -> None:
    """Importing the leaves must work where cv2, torch, ROS and every runtime are missing."""
    blocked = ['cv2', 'torch', 'rclpy', 'openvino', 'onnxruntime', 'yaml', 'rich', 'tensorrt']
    program = (
        'import sys\n'
        f'for name in {blocked!r}: sys.modules[name] = None\n'
        'import depth_ros, depth_ros.camera, depth_ros.frames, depth_ros.results\n'
        'import depth_ros.tensors, depth_ros.tasks.pipeline, depth_ros.models.base\n'
        'print(depth_ros.__version__)\n'
    )
    environment = child_environment()
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
