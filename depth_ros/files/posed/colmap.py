"""COLMAP sparse models, text and binary, as its documentation describes the files.

A model is ``cameras``, ``images`` and ``points3D`` (``.txt`` or ``.bin``), in the folder itself,
in ``sparse`` or in ``sparse/0``. COLMAP puts the centre of the first pixel at (0.5, 0.5), OpenCV
and ROS at (0, 0): principal points move by half a pixel. Lengths are in the model's own unit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.given_file import MAX_FILE_BYTES, given_bytes, given_text
from depth_ros.files.posed.colmap_fov import fov_as_equidistant
from depth_ros.files.posed.values import PosedFolder, ViewFile, damaged
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_quaternion

REMEDY = 'export the model again with: colmap model_converter'
MAX_NAME_BYTES = 250
PLACES = ('', 'sparse/0', 'sparse')
PARTS = ('cameras', 'images', 'points3D')


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraModel:
    """How COLMAP's parameters of one camera model become K and D.

    Attributes:
        number: COLMAP's number of it, in binary files.
        count: Number of parameters.
        has_two_focal_lengths: fx and fy, or one f for both.
        distortion_model: CameraInfo's name of the distortion; empty for none.
        d: Which parameters after the principal point give D, None for zero.
        is_fov: Whether the first of them is the FOV model's, to be fitted.
    """

    number: int
    count: int
    has_two_focal_lengths: bool
    distortion_model: str = ''
    d: tuple[int | None, ...] = ()
    is_fov: bool = False


MODELS: dict[str, CameraModel] = {
    'SIMPLE_PINHOLE': CameraModel(number=0, count=3, has_two_focal_lengths=False),
    'PINHOLE': CameraModel(number=1, count=4, has_two_focal_lengths=True),
    'SIMPLE_RADIAL': CameraModel(
        number=2,
        count=4,
        has_two_focal_lengths=False,
        distortion_model='plumb_bob',
        d=(0, None, None, None, None),
    ),
    'RADIAL': CameraModel(
        number=3,
        count=5,
        has_two_focal_lengths=False,
        distortion_model='plumb_bob',
        d=(0, 1, None, None, None),
    ),
    'OPENCV': CameraModel(
        number=4,
        count=8,
        has_two_focal_lengths=True,
        distortion_model='plumb_bob',
        d=(0, 1, 2, 3, None),
    ),
    'OPENCV_FISHEYE': CameraModel(
        number=5,
        count=8,
        has_two_focal_lengths=True,
        distortion_model='equidistant',
        d=(0, 1, 2, 3),
    ),
    'FOV': CameraModel(
        number=7,
        count=5,
        has_two_focal_lengths=True,
        distortion_model='equidistant',
        d=(0, None, None, None),
        is_fov=True,
    ),
    'SIMPLE_RADIAL_FISHEYE': CameraModel(
        number=8,
        count=4,
        has_two_focal_lengths=False,
        distortion_model='equidistant',
        d=(0, None, None, None),
    ),
    'RADIAL_FISHEYE': CameraModel(
        number=9,
        count=5,
        has_two_focal_lengths=False,
        distortion_model='equidistant',
        d=(0, 1, None, None),
    ),
    'FULL_OPENCV': CameraModel(
        number=6,
        count=12,
        has_two_focal_lengths=True,
        distortion_model='rational_polynomial',
        d=(0, 1, 2, 3, 4, 5, 6, 7),
    ),
}
"""The models whose distortion CameraInfo can express, FOV to a tenth of a pixel."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ColmapCamera:
    """One camera in COLMAP's words."""

    model: str
    size: tuple[int, int]
    parameters: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ColmapModel:
    """What a model holds.

    Attributes:
        cameras: Cameras by number.
        images: Registered images.
        points: ``(N, 3)`` float64.
    """

    cameras: dict[int, ColmapCamera]
    images: list[ColmapImage]
    points: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ColmapImage:
    """One registered image in COLMAP's words; ``quaternion`` is w x y z, world to camera."""

    name: str
    camera: int
    quaternion: np.ndarray
    translation: np.ndarray


def colmap_place(folder: Path) -> Path | None:
    """Find the model in a folder; None if there is none."""
    for place in PLACES:
        if all(_part(folder / place, name).is_file() for name in PARTS):
            return folder / place
    return None


def _part(place: Path, name: str) -> Path:
    """Return one file of a model, which may be binary beside others that are text."""
    binary = place / f'{name}.bin'
    return binary if binary.is_file() else place / f'{name}.txt'


def read_colmap_folder(folder: Path, *, use_pycolmap: bool = False) -> PosedFolder:
    """Read a model with its images, which lie in ``images`` beside it.

    Args:
        folder: With the model and ``images``.
        use_pycolmap: Leave the model's files to pycolmap.

    Raises:
        InputError: Reason ``'posed_file'``, naming the file and what is wrong.
        DepthRosError: If pycolmap is asked for and not installed.
    """
    place = colmap_place(folder)
    if place is None:
        raise damaged(folder, 'no cameras, images and points3D', REMEDY)
    if use_pycolmap:
        from depth_ros.files.posed.pycolmap_reader import read_by_pycolmap

        model = read_by_pycolmap(place)
    else:
        model = _read_model(place)
    views = [_view(folder, place, image, model) for image in model.images]
    return PosedFolder(
        layout='colmap',
        views=tuple(sorted(views, key=lambda view: view.name)),
        is_sequence=False,
        is_metric=False,
        points=model.points,
    )


def _read_model(place: Path) -> ColmapModel:
    cameras, images, points = (_part(place, name) for name in PARTS)
    return ColmapModel(
        cameras=_guarded(READERS[cameras.suffix].cameras, cameras),
        images=_guarded(READERS[images.suffix].images, images),
        points=_guarded(READERS[points.suffix].points, points),
    )


def text_cameras(path: Path) -> dict[int, ColmapCamera]:
    """Return the cameras of a ``cameras.txt`` by number.

    Raises:
        InputError: Reason ``'posed_file'``.
    """
    cameras: dict[int, ColmapCamera] = _guarded(_text_cameras, path)
    return cameras


def _guarded(read: Callable, path: Path):  # type: ignore[no-untyped-def, type-arg]
    """Convert any error of reading a broken file into one that names the file."""
    try:
        return read(path)
    except InputError:
        raise
    except (ValueError, IndexError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise damaged(path, f'is cut short or garbled ({error})', REMEDY) from error


def _view(folder: Path, place: Path, image: ColmapImage, model: ColmapModel) -> ViewFile:
    if image.camera not in model.cameras:
        what = f'image {image.name} names camera {image.camera}, which is not there'
        raise damaged(place, what, REMEDY)
    _check_name(place, image.name)
    camera = model.cameras[image.camera]
    k, d = calibration(camera)
    w, x, y, z = image.quaternion
    camera_from_world = rigid(rotation_from_quaternion([x, y, z, w]), image.translation)
    return ViewFile(
        name=Path(image.name).with_suffix('').as_posix().replace('/', '_'),
        image=_image_path(folder, image.name),
        k=k,
        d=d,
        distortion_model=MODELS[camera.model].distortion_model,
        size=camera.size,
        world_from_camera=inverse(camera_from_world),
        depth_range_m=_depth_range(camera, k, camera_from_world, model.points),
    )


def _check_name(place: Path, name: str) -> None:
    """Refuse what no file is called: nothing, control characters, more than there may be."""
    if not name.isprintable() or not Path(name).name or len(name.encode()) > MAX_NAME_BYTES:
        raise damaged(place, f'an image is called {name[:80]!r}', REMEDY)


def _image_path(folder: Path, name: str) -> Path:
    root = (folder / 'images').resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise damaged(folder / 'images' / name, 'leads outside images/', REMEDY)
    return path


def calibration(camera: ColmapCamera) -> tuple[np.ndarray, np.ndarray]:
    """Return K ``(3, 3)`` and D of a camera, in OpenCV's pixel convention."""
    model = MODELS[camera.model]
    values = [float(value) for value in camera.parameters]
    fx, *rest = values
    fy, *rest = rest if model.has_two_focal_lengths else [fx, *rest]
    cx, cy, *distortion = rest
    k = np.array([[fx, 0.0, cx - 0.5], [0.0, fy, cy - 0.5], [0.0, 0.0, 1.0]])
    d = np.array([0.0 if at is None else distortion[at] for at in model.d])
    return fov_as_equidistant(k, float(d[0]), camera.size) if model.is_fov else (k, d)


def _depth_range(
    camera: ColmapCamera, k: np.ndarray, pose: np.ndarray, points: np.ndarray
) -> tuple[float, float] | None:
    """Take the depths of the sparse points in view, with a margin; None if there are too few."""
    with np.errstate(over='ignore', invalid='ignore'):
        x, y, z = (points @ pose[:3, :3].T + pose[:3, 3]).T
    ahead = z > 0.0
    x, y, z = x[ahead], y[ahead], z[ahead]
    column, row = k[0, 0] * x / z + k[0, 2], k[1, 1] * y / z + k[1, 2]
    height, width = camera.size
    seen = z[(column >= 0) & (column < width) & (row >= 0) & (row < height)]
    if len(seen) < 8:
        return None
    near, far = np.percentile(seen, (1.0, 99.0))
    return float(near) * 0.8, float(far) * 1.2


def checked_camera(
    path: Path, model: str, size: tuple[int, int], parameters: np.ndarray
) -> ColmapCamera:
    """Require a camera that CameraInfo can express.

    Raises:
        InputError: Reason ``'posed_file'``.
    """
    if model not in MODELS:
        what = f'camera model {model} cannot be used, only {", ".join(MODELS)}'
        raise damaged(path, what, 'undistort the images with: colmap image_undistorter')
    if len(parameters) != MODELS[model].count:
        what = f'{model} has {MODELS[model].count} parameters, got {len(parameters)}'
        raise damaged(path, what, REMEDY)
    return ColmapCamera(model=model, size=size, parameters=parameters)


def _lines(path: Path) -> list[list[str]]:
    text = given_text(path, max_bytes=MAX_FILE_BYTES)
    return [line.split() for line in text.splitlines() if not line.startswith('#')]


def _text_cameras(path: Path) -> dict[int, ColmapCamera]:
    cameras = {}
    for words in filter(None, _lines(path)):
        size = (int(words[3]), int(words[2]))
        cameras[int(words[0])] = checked_camera(
            path, words[1], size, np.array(words[4:], np.float64)
        )
    return cameras


def _text_images(path: Path) -> list[ColmapImage]:
    images = []
    for words in _image_lines(path):
        numbers = np.array(words[1:8], np.float64)
        images.append(
            ColmapImage(
                name=' '.join(words[9:]),
                camera=int(words[8]),
                quaternion=numbers[:4],
                translation=numbers[4:],
            )
        )
    return images


def _image_lines(path: Path) -> Iterator[list[str]]:
    """Give the first line of each image; the second, of keypoints, may be empty or left out.

    A first line ends in a name, a second one is triples of numbers. A name of digits alone is
    told by the place: a second line never follows another.
    """
    is_after_first = False
    for words in filter(None, _lines(path)):
        is_named = len(words) >= 10 and not all(map(_is_number, words))
        is_keypoints = not is_named and is_after_first and len(words) % 3 == 0
        if not is_keypoints:
            yield words
        is_after_first = not is_keypoints


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _text_points(path: Path) -> np.ndarray:
    rows = [words[1:4] for words in filter(None, _lines(path))]
    return np.array(rows, np.float64).reshape(-1, 3)


class _Bytes:
    """Reads little-endian values one after the other."""

    def __init__(self, path: Path) -> None:
        self._data, self._at = given_bytes(path), 0

    def take(self, layout: str) -> tuple:  # type: ignore[type-arg]
        values = struct.unpack_from('<' + layout, self._data, self._at)
        self._at += struct.calcsize('<' + layout)
        return values

    def skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise ValueError(f'{self._at - len(self._data)} bytes are missing')

    def text(self) -> str:
        end = self._data.index(b'\0', self._at)
        value, self._at = self._data[self._at : end].decode('utf-8'), end + 1
        return value

    def items(self) -> Iterator[int]:
        (count,) = self.take('Q')
        yield from range(count)


def _binary_cameras(path: Path) -> dict[int, ColmapCamera]:
    names = {model.number: name for name, model in MODELS.items()}
    data, cameras = _Bytes(path), {}
    for _ in data.items():
        key, number, width, height = data.take('iiQQ')
        model = names.get(number, f'number {number}')
        count = MODELS[model].count if model in MODELS else 0
        parameters = np.array(data.take(f'{count}d'), np.float64)
        cameras[key] = checked_camera(path, model, (height, width), parameters)
    return cameras


def _binary_images(path: Path) -> list[ColmapImage]:
    data, images = _Bytes(path), []
    for _ in data.items():
        _, *pose = data.take('i7d')
        (camera,) = data.take('i')
        name = data.text()
        (num_points,) = data.take('Q')
        data.skip(24 * num_points)
        quaternion, translation = np.array(pose[:4]), np.array(pose[4:])
        images.append(
            ColmapImage(name=name, camera=camera, quaternion=quaternion, translation=translation)
        )
    return images


def _binary_points(path: Path) -> np.ndarray:
    data, points = _Bytes(path), []
    for _ in data.items():
        _, x, y, z = data.take('Q3d')
        data.skip(3 + 8)
        (length,) = data.take('Q')
        data.skip(8 * length)
        points.append((x, y, z))
    return np.array(points, np.float64).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Readers:
    cameras: Callable[[Path], dict[int, ColmapCamera]]
    images: Callable[[Path], list[ColmapImage]]
    points: Callable[[Path], np.ndarray]


READERS: dict[str, _Readers] = {
    '.txt': _Readers(cameras=_text_cameras, images=_text_images, points=_text_points),
    '.bin': _Readers(cameras=_binary_cameras, images=_binary_images, points=_binary_points),
}
