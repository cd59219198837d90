"""Stereo pairs with true disparity, each data set laid out as its authors publish it.

KITTI 2012 and 2015 (Geiger et al. 2012; Menze and Geiger 2015), ETH3D's two-view sets (Schoeps et
al. 2017), Middlebury 2003, 2005/2006, 2014, 2021 and the v3 training set (Scharstein et al.),
SceneFlow (Mayer et al. 2016), Booster (Zama Ramirez et al. 2022), and plain folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.data_sets.values import expected
from depth_ros.files.image import read_rgb, read_samples
from depth_ros.files.maps import DISPARITY_SUFFIXES, read_disparity

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.ppm', '.bmp')
PLAIN_TRUTHS = ('truth', 'disparity', 'disp', 'gt')
"""Names of the folder, or endings of the files, that hold truth beside left and right."""
NUM_NAMED = 5
"""How many images without a partner are named."""
MIDDLEBURY_2003 = ((600, 4), (1200, 2))
MIDDLEBURY_2006 = ((550, 3), (1000, 2))
"""Images narrower than so many pixels are a part of the full size; grey values of the truth are
disparities of the full size (2006), or multiples (2003)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthFiles:
    """One pair, with what is known of it.

    Attributes:
        name: Unique in the set; submissions name files by it.
        left: Left image.
        right: Right image.
        truth: Disparity of the left image; None for pairs without, as of test sets.
        divisor: What the truth's values are divided by to be pixels.
        visible: Truth that only visible pixels have, or a mask of them; None where nobody says.
    """

    name: str
    left: Path
    right: Path
    truth: Path | None
    divisor: float = 1.0
    visible: Path | None = None

    def read_truth(self) -> np.ndarray:
        """Return the truth, ``(H, W)`` float32 px of the images, NaN unknown.

        Raises:
            InputError: If there is none, or it cannot be read.
        """
        if self.truth is None:
            raise InputError('disparity_file', f'{self.left} has no truth beside it')
        disparity = read_disparity(self.truth)
        return disparity if self.divisor == 1.0 else disparity / np.float32(self.divisor)

    def read_visible(self) -> np.ndarray | None:
        """Return which pixels both cameras see, ``(H, W)`` bool; None where nobody says."""
        if self.visible is None:
            return None
        if 'mask' in self.visible.name:
            return np.asarray(read_samples(self.visible) == 255)
        return np.isfinite(read_disparity(self.visible))


Reader = Callable[[Path], list[TruthFiles]]


def read_kitti_2012(folder: Path) -> list[TruthFiles]:
    """Read ``training`` or ``testing`` with ``colored_0`` or ``image_0``; frames ``_10`` alone."""
    return _kitti(folder, (('colored_0', 'colored_1'), ('image_0', 'image_1')), 'disp_occ')


def read_kitti_2015(folder: Path) -> list[TruthFiles]:
    """Read ``training`` or ``testing`` with ``image_2``, ``image_3``; frames ``_10`` alone."""
    return _kitti(folder, (('image_2', 'image_3'),), 'disp_occ_0')


def read_scenes(folder: Path) -> list[TruthFiles]:
    """Read folders of ``im0``, ``im1``: ETH3D, Middlebury 2014, 2021 and v3."""
    found = []
    for scene in _places(folder):
        left, right = _image(scene / 'im0'), _image(scene / 'im1')
        if left and right:
            beside = scene.parent.with_name(f'{scene.parent.name}_gt') / scene.name
            truths = (place / name for place in (scene, beside) for name in SCENE_TRUTHS)
            masks = (place / 'mask0nocc.png' for place in (scene, beside))
            found.append(
                TruthFiles(
                    name=scene.name,
                    left=left,
                    right=right,
                    truth=_first(truths),
                    visible=_first(masks),
                )
            )
    return found


SCENE_TRUTHS = ('disp0GT.pfm', 'disp0.pfm')


def read_middlebury_2003(folder: Path) -> list[TruthFiles]:
    """Read folders of ``im2``, ``im6`` and ``disp2``, whose values depend on the size."""
    return _grey_scenes(folder, ('im2', 'im6'), 'disp2', MIDDLEBURY_2003)


def read_middlebury_2006(folder: Path) -> list[TruthFiles]:
    """Read folders of ``view1``, ``view5`` and ``disp1`` (2005 too), any of the three sizes."""
    return _grey_scenes(folder, ('view1', 'view5'), 'disp1', MIDDLEBURY_2006)


def read_sceneflow(folder: Path) -> list[TruthFiles]:
    """Read ``frames_finalpass`` or ``frames_cleanpass`` beside ``disparity``, at any depth."""
    for images in ('frames_finalpass', 'frames_cleanpass'):
        root = folder / images
        lefts = sorted(path for path in root.glob('**/left/*') if path.suffix in IMAGE_SUFFIXES)
        found = [_sceneflow_pair(folder, root, left) for left in lefts]
        if found:
            return [pair for pair in found if pair is not None]
    return []


def read_booster(folder: Path) -> list[TruthFiles]:
    """Read scenes of ``camera_00``, ``camera_02``, ``disp_00.npy`` and ``mask_00.png``."""
    scenes = sorted({path.parent for path in folder.glob('**/camera_00') if path.is_dir()})
    found = []
    for scene in scenes:
        for left in _images(scene / 'camera_00'):
            right = _image(scene / 'camera_02' / left.stem)
            if right is not None:
                found.append(
                    TruthFiles(
                        name=f'{scene.name}_{left.stem}',
                        left=left,
                        right=right,
                        truth=_first([scene / 'disp_00.npy']),
                        visible=_first([scene / 'mask_00.png']),
                    )
                )
    return found


def read_plain(folder: Path) -> list[TruthFiles]:
    """Read ``left``, ``right`` and ``truth`` folders, or files ``NAME_left``, ``NAME_right``."""
    found = []
    for left in _images(folder / 'left'):
        right = _image(folder / 'right' / left.stem)
        truths = (_map(folder / truth / left.stem) for truth in PLAIN_TRUTHS)
        truth = next((path for path in truths if path), None)
        if right is not None:
            found.append(TruthFiles(name=left.stem, left=left, right=right, truth=truth))
    for left in _images(folder):
        stem = left.stem.removesuffix('_left')
        right = _image(folder / f'{stem}_right')
        if stem != left.stem and right is not None:
            truths = (_map(folder / f'{stem}_{truth}') for truth in PLAIN_TRUTHS)
            truth = next((path for path in truths if path), None)
            found.append(TruthFiles(name=stem, left=left, right=right, truth=truth))
    return found


def plain_remarks(folder: Path) -> list[str]:
    """Return what is odd about a folder as ``read_plain`` takes it, a sentence each."""
    sides = {
        side: {path.stem: path for path in _images(folder / side)}
        | {
            path.stem.removesuffix(f'_{side}'): path
            for path in _images(folder)
            if path.stem.endswith(f'_{side}')
        }
        for side in ('left', 'right')
    }
    alone = sorted(set(sides['left']) ^ set(sides['right']))
    found = []
    if alone:
        named = ', '.join(alone[:NUM_NAMED]) + (', ...' if len(alone) > NUM_NAMED else '')
        found.append(f'{len(alone)} images have no partner and are left out: {named}')
    for stem in sorted(set(sides['left']) & set(sides['right'])):
        places = [folder / truth / stem for truth in PLAIN_TRUTHS]
        places += [folder / f'{stem}_{truth}' for truth in PLAIN_TRUTHS]
        files = [
            str(path.relative_to(folder))
            for place in places
            for suffix in DISPARITY_SUFFIXES
            if (path := place.with_name(place.name + suffix)).is_file()
        ]
        if len(files) > 1:
            found.append(
                f'{stem} has {len(files)} truths, {", ".join(files)}; {files[0]} is judged, '
                'move the others away'
            )
    return found


TRUTH_SETS: dict[str, Reader] = {
    'kitti_2015': read_kitti_2015,
    'kitti_2012': read_kitti_2012,
    'scenes': read_scenes,
    'middlebury_2003': read_middlebury_2003,
    'middlebury_2006': read_middlebury_2006,
    'sceneflow': read_sceneflow,
    'booster': read_booster,
    'plain': read_plain,
}
"""Readers by the word of their layout; ``scenes`` is ETH3D and Middlebury 2014, 2021 and v3."""


def read_truth_set(folder: Path, layout: str = 'auto') -> tuple[str, list[TruthFiles]]:
    """Return the layout of a folder and its pairs.

    Args:
        folder: The folder.
        layout: One of ``TRUTH_SETS``; ``auto`` takes the first that finds a pair.

    Raises:
        InputError: Reason ``'layout'``, if there is no pair.
    """
    words = list(TRUTH_SETS) if layout == 'auto' else [layout]
    for word in words:
        pairs = TRUTH_SETS[word](folder) if folder.is_dir() else []
        if pairs:
            return word, pairs
    raise expected(
        folder,
        f'stereo pairs laid out as {", ".join(words)}: e.g. left/NAME.png, right/NAME.png and '
        'truth/NAME.pfm',
    )


def _kitti(folder: Path, sides: Sequence[tuple[str, str]], truth: str) -> list[TruthFiles]:
    places = [folder, folder / 'training', folder / 'testing']
    visible = truth.replace('occ', 'noc')
    for place, (left_name, right_name) in ((p, pair) for p in places for pair in sides):
        lefts = [path for path in _images(place / left_name) if path.stem.endswith('_10')]
        pairs = [
            TruthFiles(
                name=left.stem,
                left=left,
                right=place / right_name / left.name,
                truth=_first([place / truth / left.name]),
                visible=_first([place / visible / left.name]),
            )
            for left in lefts
            if (place / right_name / left.name).is_file()
        ]
        if pairs:
            return pairs
    return []


def _grey_scenes(
    folder: Path, names: tuple[str, str], truth: str, sizes: Sequence[tuple[int, int]]
) -> list[TruthFiles]:
    found = []
    for scene in _places(folder):
        left, right = (_image(scene / name) for name in names)
        if left and right:
            width = read_rgb(left).shape[1]
            divisor = next((factor for limit, factor in sizes if width < limit), 1)
            found.append(
                TruthFiles(
                    name=scene.name,
                    left=left,
                    right=right,
                    truth=_image(scene / truth),
                    divisor=float(divisor),
                )
            )
    return found


def _sceneflow_pair(folder: Path, root: Path, left: Path) -> TruthFiles | None:
    scene = left.parent.parent.relative_to(root)
    right = _image(root / scene / 'right' / left.stem)
    if right is None:
        return None
    return TruthFiles(
        name='_'.join([*scene.parts, left.stem]),
        left=left,
        right=right,
        truth=_first([folder / 'disparity' / scene / 'left' / f'{left.stem}.pfm']),
    )


def _places(folder: Path) -> Iterator[Path]:
    yield folder.absolute()
    yield from sorted(path.absolute() for path in folder.iterdir() if path.is_dir())


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def _image(stem: Path) -> Path | None:
    return _first(stem.with_name(stem.name + suffix) for suffix in IMAGE_SUFFIXES)


def _map(stem: Path) -> Path | None:
    return _first(stem.with_name(stem.name + suffix) for suffix in DISPARITY_SUFFIXES)


def _first(paths: Iterator[Path] | Sequence[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
