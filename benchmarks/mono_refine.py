"""Depth of images between keyframes of a moving camera: against either part alone.

Drives through rendered scenes have exact depth and poses. A keyframe's map is there ``--delay``
seconds after its image, one at a time, as a thread beside the images has it. No mono network
ships, so its part is played by the exact depth made wrong: scale and shift of inverse depth, which
wander by 5 % from image to image, smooth waves, soft edges, noise. Its error alone, scaled to the
truth of each image, is in the table; a real network is better or worse than that: ``--weights``.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from depth_ros.evaluation.accuracy import median_scale
from depth_ros.evaluation.hololens import read_frames
from depth_ros.evaluation.tables import markdown_table
from depth_ros.files.whole_file import write_json
from depth_ros.frames import MonoFrame
from depth_ros.geometry.posed_view import PosedView
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.paths import ScenePath, along, look, scene_path
from depth_ros.scenes.solids import Box, Scene, Texture, room
from depth_ros.tasks.mono.keyframe_depth import keyframe_settings, searched_view
from depth_ros.tasks.mono.keyframe_maps import KeyframeMaps
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.refine import DepthSource, refined_depth
from depth_ros.tasks.mono.scale import make_scaler
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode, ScaleSettings
from depth_ros.tasks.mono.tracked_points import TrackedPoints
from depth_ros.tasks.mono.values import MonoWanted
from depth_ros.tasks.multiview.keyframes import KeyframeWindow, ViewSet
from depth_ros.tasks.multiview.processor import MultiViewProcessor, open_multiview

BAD = 0.10
RATE_HZ = 10.0
GONE_S = 2.0
"""When the box of ``vanishing`` is taken away."""
WALK_S = 1.5
"""How long the camera of ``turning`` walks before it turns on the spot."""
STEPS_M = (0.0, 0.1, 0.2, 0.4, 0.8, math.inf)
HOLOLENS_RANGE_M = (0.5, 6.0)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One image with its truth.

    Attributes:
        view: Image, camera and pose.
        truth: (H, W) m, NaN unknown.
        moving: (H, W) bool, pixels of what moves by itself.
        time_s: Since the first image.
    """

    view: PosedView
    truth: np.ndarray
    moving: np.ndarray
    time_s: float


def drive(path: ScenePath, *, mover: bool = False) -> Iterator[Moment]:
    """Render a path; the last shape of the scene is what moves, if anything does."""
    for index in range(len(path)):
        seen = path.view(index)
        num_shapes = len(path.scene_at(index / path.rate_hz).shapes)
        frame = MonoFrame(
            image=seen.image, camera=seen.camera, stamp_ns=path.stamp_ns(index), is_rectified=True
        )
        yield Moment(
            view=PosedView(frame=frame, world_from_camera=seen.world_from_camera),
            truth=np.where(np.isfinite(seen.depth), seen.depth, np.nan),
            moving=(seen.shape_index == num_shapes - 1) & mover,
            time_s=index / path.rate_hz,
        )


def vanishing() -> Iterator[Moment]:
    """Walk along the room; a box that stands in it is taken away at once.

    What moves is every pixel that shows the box, or would if it still were there.
    """
    texture = Texture(seed=70, color=(170.0, 90.0, 90.0), wavelength_m=0.25, cell_m=0.1)
    box = Box(center=(0.1, 0.2, 2.0), size=(0.8, 1.4, 0.4), texture=texture)
    full, empty = Scene(shapes=(*room().shapes, box)), room()
    path = scene_path('moving_object', num_frames=40, rate_hz=RATE_HZ)
    standing = replace(path, scene_at=lambda time_s: full)
    path = replace(path, scene_at=lambda time_s: full if time_s < GONE_S else empty)
    for moment, there in zip(drive(path), drive(standing, mover=True), strict=True):
        yield replace(moment, moving=there.moving)


def turning_path() -> ScenePath:
    """Walk sideways, then turn on the spot, 60 degrees in two seconds."""
    total_s = WALK_S + 2.0

    def pose(share: float) -> np.ndarray:
        time_s = share * total_s
        x = 0.5 * min(1.0, time_s / WALK_S)
        turned = max(0.0, time_s - WALK_S) / 2.0
        return look((x, 0.0, 0.2), yaw_rad=math.radians(60.0) * (turned - 0.5))

    path = scene_path('room', num_frames=60, rate_hz=RATE_HZ)
    poses = along(pose, round(total_s * RATE_HZ))
    return replace(path, name='turning', world_from_camera=poses)


def hololens(folder: Path) -> Iterator[Moment]:
    """Read the headset's frames, a fifth of a second apart."""
    for index, found in enumerate(read_frames(folder).values()):
        image, truth = found.image(), found.depth()
        frame = MonoFrame(
            image=image,
            camera=found.camera((image.shape[0], image.shape[1])),
            stamp_ns=10**9 + index * 200_000_000,
            is_rectified=True,
        )
        yield Moment(
            view=PosedView(frame=frame, world_from_camera=found.world_from_camera),
            truth=truth,
            moving=np.zeros(truth.shape, bool),
            time_s=index / 5.0,
        )


def stand_in(truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return what a mono network might give: exact depth, wrong in the ways they are wrong."""
    height, width = truth.shape
    inverse = 1.0 / np.where(np.isfinite(truth), truth, np.nanmax(truth))
    soft = cv2.GaussianBlur(inverse, (0, 0), width / 80.0)
    waves = cv2.resize(random.normal(0.0, 0.12, (4, 5)), (width, height))
    bent = soft * np.exp(waves) + random.normal(0.0, 0.01, truth.shape) * soft
    scale, shift = 1.3 * math.exp(random.normal(0.0, 0.05)), random.normal(0.05, 0.01)
    return (1.0 / (scale * bent + shift)).astype(np.float32)


def made_up(seed: int) -> Callable[[Moment], np.ndarray]:
    """Return what gives ``stand_in`` for one image after another."""
    random = np.random.default_rng(seed)
    return lambda moment: stand_in(moment.truth, random)


def real_network(model: str, weights: str) -> Callable[[Moment], np.ndarray]:
    """Open a mono network; return what gives its relative depth, float32."""
    processor = open_mono(model=model, weights=weights, refine='none')
    wanted = MonoWanted(depth=False)
    return lambda moment: processor.process(moment.view.frame, wanted=wanted).relative.depth


class Worker:
    """Computes keyframes one at a time, each after a delay, as a thread does."""

    def __init__(self, processor: MultiViewProcessor, settings: MonoSettings, delay_s: float):
        self.maps = KeyframeMaps(min_confidence=settings.keyframes.min_confidence)
        self.newest: ViewSet[PosedView] | None = None
        self.points = TrackedPoints()
        self.scaler = make_scaler(ScaleSettings(mode=ScaleMode.MOTION))
        self._window: KeyframeWindow[PosedView] = KeyframeWindow(
            keyframe_settings(settings.keyframes)
        )
        self._processor = processor
        self._range_m = settings.keyframes.min_depth_m, settings.keyframes.max_depth_m
        self._delay_s = delay_s
        self._waiting: ViewSet[PosedView] | None = None
        self._busy: tuple[float, ViewSet[PosedView]] | None = None

    def see(self, moment: Moment) -> None:
        """Take an image, and give out what is ready by its time."""
        found = self._window.add(moment.view, depth_range_m=self._range_m)
        self._waiting = found or self._waiting
        self._finish(moment.time_s)
        if self._busy is None and self._waiting is not None:
            self._busy, self._waiting = (moment.time_s + self._delay_s, self._waiting), None
            self._finish(moment.time_s)

    def _finish(self, time_s: float) -> None:
        if self._busy is None or time_s < self._busy[0] - 1e-9:
            return
        views, self._busy = self._busy[1], None
        output = self._processor.process(views.frame(self._range_m))
        view = searched_view(output, views.reference.world_from_camera, self._range_m)
        self.maps.add(view, stamp_ns=views.reference.stamp_ns)
        self.newest = views


@dataclass
class Sums:
    """Errors added up over images."""

    num: int = 0
    num_truth: int = 0
    error: float = 0.0
    bad: int = 0
    within_1: int = 0
    within_2: int = 0

    def add(
        self,
        depth: np.ndarray,
        truth: np.ndarray,
        mask: np.ndarray,
        sigma: np.ndarray | None = None,
    ) -> None:
        """Add the pixels of a mask."""
        has_truth = np.isfinite(truth) & (truth > 0) & mask
        known = has_truth & np.isfinite(depth)
        error = np.abs(depth[known] - truth[known])
        ratio = error / truth[known]
        self.num += int(known.sum())
        self.num_truth += int(has_truth.sum())
        self.error += float(ratio.sum())
        self.bad += int((ratio > BAD).sum())
        if sigma is not None:
            self.within_1 += int((error < sigma[known]).sum())
            self.within_2 += int((error < 2 * sigma[known]).sum())

    def cells(self) -> list[str]:
        """AbsRel, bad-10 %, known %, within 1 and 2 sigma %."""
        if not self.num:
            return ['-', '-', '0.0', '-', '-']
        shares = [self.within_1 / self.num, self.within_2 / self.num]
        sure = [f'{100 * share:.0f}' if self.within_2 else '-' for share in shares]
        known = 100 * self.num / max(1, self.num_truth)
        return [
            f'{self.error / self.num:.3f}',
            f'{100 * self.bad / self.num:.1f}',
            f'{known:.1f}',
            *sure,
        ]


Table = dict[tuple[str, ...], Sums]


def judge(
    name: str,
    moments: Iterator[Moment],
    processor: MultiViewProcessor,
    settings: MonoSettings,
    delay_s: float,
    relative_of: Callable[[Moment], np.ndarray],
) -> Table:
    """Run one drive; give sums by (drive, part of it, method)."""
    worker = Worker(processor, settings, delay_s)
    table: Table = defaultdict(Sums)
    for moment in moments:
        worker.see(moment)
        relative = relative_of(moment)
        parts = parts_of(name, moment, worker.newest)
        for method, depth, sigma in estimates(moment, worker, relative, settings):
            for part, mask in parts.items():
                table[name, part, method].add(depth, moment.truth, mask, sigma)
    return table


def parts_of(
    name: str, moment: Moment, newest: ViewSet[PosedView] | None
) -> dict[str, np.ndarray]:
    """Return the rows that an image counts for, with its pixels."""
    everywhere = np.ones(moment.truth.shape, bool)
    parts = {'all': everywhere}
    if name == 'turning':
        turned_s = moment.time_s - WALK_S
        part = 'walking' if turned_s <= 0 else f'turning for {math.ceil(turned_s * 2) / 2:g} s'
        parts[part] = everywhere
    elif name == 'vanishing':
        gone_s = moment.time_s - GONE_S
        since = f'its place, gone for {math.ceil(gone_s * 4 + 1e-6) / 4:g} s'
        parts['the box there' if gone_s < 0 else since] = moment.moving
    elif moment.moving.any():
        parts |= {'the moving box': moment.moving, 'the rest': ~moment.moving}
    if newest is not None and name in ('room', 'corridor', 'hololens'):
        way = moment.view.center_m - newest.reference.center_m
        part = next(
            f'{100 * low:g} to {100 * high:g} cm'
            for low, high in pairwise(STEPS_M)
            if low <= np.linalg.norm(way) < high
        )
        parts[part] = everywhere
    return parts


def estimates(
    moment: Moment, worker: Worker, relative: np.ndarray, settings: MonoSettings
) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Give method, depth and sigma."""
    frame, pose = moment.view.frame, moment.view.world_from_camera
    unknown = np.full(moment.truth.shape, np.nan, np.float32)
    yield 'mono alone', median_scale(relative, moment.truth) * relative, None
    mono = DepthResult(
        depth=relative, camera=frame.camera, stamp_ns=frame.stamp_ns, scale=DepthScale.RELATIVE
    )
    scaled = worker.scaler.apply(mono, reference=worker.points.see(frame, pose))
    is_scaled = scaled.factor is not None
    yield 'mono, scale from motion', scaled.result.depth if is_scaled else unknown, None
    max_age_ns = round(1e9 * settings.keyframes.max_age_s)
    maps = worker.maps.young(frame.stamp_ns, max_age_ns=max_age_ns)
    for method, given in (('keyframes alone', None), ('refined', mono)):
        found = refined_depth(frame, pose, maps, given, max_width_px=320) if maps else None
        if found is None:
            yield method, unknown, unknown
            continue
        yield method, found.depth.depth, found.depth.sigma
        if given is not None:
            for source in (DepthSource.KEYFRAME, DepthSource.FITTED):
                is_its = found.source == source
                depth = np.where(is_its, found.depth.depth, np.nan)
                yield f'refined: {source.name.lower()}', depth, found.depth.sigma


DRIVES: dict[str, Callable[[], Iterator[Moment]]] = {
    'room': lambda: drive(scene_path('room', num_frames=60, rate_hz=RATE_HZ)),
    'corridor': lambda: drive(scene_path('corridor', num_frames=80, rate_hz=RATE_HZ)),
    'moving_object': lambda: drive(
        scene_path('moving_object', num_frames=40, rate_hz=RATE_HZ), mover=True
    ),
    'vanishing': vanishing,
    'turning': lambda: drive(turning_path()),
}
HEADER = (
    'drive', 'part', 'method', 'AbsRel', 'bad-10 %', 'known %', 'in 1 sigma %', 'in 2 sigma %',
)  # fmt: skip


def main() -> None:
    """Run the drives and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--drive', action='append', choices=(*DRIVES, 'hololens'))
    parser.add_argument('--data', type=Path, help='folder with hololens_mvs')
    parser.add_argument('--delay', type=float, default=0.4, help='seconds a keyframe takes')
    parser.add_argument('--preset', default='fast')
    parser.add_argument('--sampling', default='inverse', choices=('inverse', 'linear'))
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seed', type=int, default=3, help='of the made-up mono map')
    parser.add_argument('--weights', default='', help='of a real mono network in its place')
    parser.add_argument('--model', default=MonoSettings().model)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    base = MonoSettings()
    settings = replace(
        base,
        engine=replace(base.engine, num_threads=args.threads),
        keyframes=replace(base.keyframes, preset=args.preset, sampling=args.sampling),
    )
    network = real_network(args.model, args.weights) if args.weights else None
    names = args.drive or [*DRIVES, *(['hololens'] if args.data else [])]
    table: Table = {}
    processor = open_multiview(settings.multiview)
    for name in names:
        own, moments, delay_s = settings, None, args.delay
        if name == 'hololens':
            near, far = HOLOLENS_RANGE_M
            keyframes = replace(settings.keyframes, min_depth_m=near, max_depth_m=far)
            own, delay_s = replace(settings, keyframes=keyframes), 0.0
            moments = hololens(args.data / 'hololens_mvs')
        relative_of = network or made_up(args.seed)
        found = judge(name, moments or DRIVES[name](), processor, own, delay_s, relative_of)
        print(markdown_table(HEADER, [[*key, *sums.cells()] for key, sums in found.items()]))
        print(flush=True)
        table |= found
    processor.close()
    if args.json:
        write_json(args.json, [{'row': key, **asdict(sums)} for key, sums in table.items()])


if __name__ == '__main__':
    main()
