"""MVSNet's NumPy side: fit posed views to the engine, run its graphs, bring the depth back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera, scaled_camera
from depth_ros.errors import ParameterError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.geometry.preprocess import Placement, fit_from_name, fit_size, place_image
from depth_ros.models.base import Engines, Prepared
from depth_ros.models.mvsnet.projection import STRIDE, relative_transforms
from depth_ros.models.mvsnet.slabs import (
    Sampling,
    cut_slabs,
    depth_hypotheses,
)
from depth_ros.models.mvsnet.upsample import Upsampler, Upsampling
from depth_ros.results import DepthResult, DepthScale
from depth_ros.settings import choice_from_name
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

FEATURES, VOLUME, DEPTH = 'features', 'volume', 'depth'
NUM_FEATURES, NUM_COSTS = 32, 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewGeometry:
    """What brings the depth back to the frame.

    Attributes:
        placement: Where the reference lies in the engine's image.
        depths: ``(D,)`` float64 hypotheses, metres.
        transforms: ``(S, 3, 4)`` float64, source from reference pixels at 1/4, for those
            sources that are used.
    """

    placement: Placement
    depths: np.ndarray
    transforms: np.ndarray


class MvsnetModel:
    """Multi-view stereo by plane sweep; ``Model[MultiViewFrame, DepthResult]``.

    Takes rectified views (``camera.p`` describes them). Of more sources than the engine has, the
    first are used; absent ones do not enter the variance. Memory: the 8-channel volume, and the
    32-channel one of ``num_slab_depths`` hypotheses at a time.
    """

    name = 'mvsnet'
    graphs: tuple[str, ...] = (FEATURES, VOLUME, DEPTH)

    def __init__(
        self,
        *,
        engine_height: int,
        engine_width: int,
        num_depths: int,
        num_sources: int,
        num_slab_depths: int = 16,
        sampling: str = 'linear',
        fit: str = 'resize',
        upsampling: str = 'guarded',
    ) -> None:
        """Describe the engines the frames are fitted to.

        Args:
            engine_height: Rows of the engines' images, a multiple of 32.
            engine_width: Columns, as ``engine_height``.
            num_depths: Hypotheses of the engines.
            num_sources: Sources of the volume engine.
            num_slab_depths: Hypotheses the volume engine gives at once.
            sampling: ``'linear'`` or ``'inverse'``; see ``slabs.Sampling``.
            fit: ``'resize'`` or ``'pad'``; see ``preprocess.Fit``.
            upsampling: ``'guarded'``, ``'bilinear'`` or ``'nearest'``; see
                ``upsample.Upsampling``.

        Raises:
            ParameterError: If a value is out of range.
        """
        numbers = (engine_height, engine_width, num_depths, num_sources, num_slab_depths)
        if min(numbers) <= 0 or engine_height % 32 or engine_width % 32 or num_depths % 8:
            raise ParameterError(
                'engine_height and engine_width must be multiples of 32, num_depths one of 8, '
                f'num_sources and num_slab_depths above 0, got {numbers}; correct them'
            )
        self._engine_size = (engine_height, engine_width)
        self._map_size = (engine_height // STRIDE, engine_width // STRIDE)
        self._num_depths, self._num_sources = num_depths, num_sources
        self._num_slab_depths = min(num_slab_depths, num_depths)
        self._sampling = choice_from_name(Sampling, sampling, parameter='sampling')
        self._fit = fit_from_name(fit)
        self._upsampling = choice_from_name(Upsampling, upsampling, parameter='upsampling')
        self._upsampler: Upsampler | None = None
        self._upsampler_placement: Placement | None = None

    def preprocess(self, frame: MultiViewFrame) -> Prepared[ViewGeometry]:
        """Fit every view to the engine; feeds are ``view0`` (the reference), ``view1``..."""
        sources = frame.sources[: self._num_sources]
        views = (frame.reference, *sources)
        placements = [self._placement(view) for view in views]
        feeds = {
            f'view{index}': np.ascontiguousarray(place_image(view.image, placement))[np.newaxis]
            for index, (view, placement) in enumerate(zip(views, placements, strict=True))
        }
        reference, *others = (
            _placed_camera(view.camera, placement)
            for view, placement in zip(views, placements, strict=True)
        )
        poses = np.asarray(frame.reference_from_source[: len(sources)], np.float64)
        geometry = ViewGeometry(
            placement=placements[0],
            depths=depth_hypotheses(
                frame.depth_min_m, frame.depth_max_m, self._num_depths, self._sampling
            ),
            transforms=relative_transforms(reference, others, poses),
        )
        return Prepared(feeds=feeds, context=geometry)

    def infer(self, engines: Engines, prepared: Prepared[ViewGeometry]) -> Tensors:
        """Run features for each view, the volume slab by slab, and the depth.

        Gives ``depth`` (metres) and ``confidence``, float32 (h, w) at 1/4 of the engine's size.
        """
        outputs = engines[DEPTH].infer(self.depth_feeds(engines, prepared))
        value = outputs['value'][0]
        is_inverse = self._sampling is Sampling.INVERSE
        return {
            'depth': np.float32(1.0) / value if is_inverse else value.copy(),
            'confidence': outputs['confidence'][0].copy(),
        }

    def depth_feeds(self, engines: Engines, prepared: Prepared[ViewGeometry]) -> Tensors:
        """Run the graphs before ``depth``; return what that one takes."""
        depths = prepared.context.depths
        values = 1.0 / depths if self._sampling is Sampling.INVERSE else depths
        return {'costs': self._costs(engines, prepared), 'values': values.astype(np.float32)}

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[ViewGeometry], frame: MultiViewFrame
    ) -> DepthResult:
        """Bring depth and confidence to the reference's own pixels.

        Where no source sees the point, the network guesses; confidence there becomes 0.
        """
        specs = [
            TensorSpec(name=name, shape=self._map_size, dtype='float32')
            for name in ('depth', 'confidence')
        ]
        check_tensors(outputs, specs, what="outputs of 'mvsnet'")
        geometry = prepared.context
        depth = outputs['depth']
        is_seen = seen_by_any(depth, geometry.transforms)
        confidence = np.where(is_seen, outputs['confidence'], np.float32(0.0))
        upsampler = self._upsampler_of(geometry.placement)
        return DepthResult(
            depth=upsampler.depth(depth),
            camera=frame.reference.camera,
            stamp_ns=frame.reference.stamp_ns,
            scale=DepthScale.METRIC,
            confidence=upsampler.confidence(confidence, depth),
        )

    def _placement(self, view: MonoFrame) -> Placement:
        return fit_size(view.image.shape[:2], self._engine_size, fit=self._fit)

    def _upsampler_of(self, placement: Placement) -> Upsampler:
        if self._upsampler is None or placement != self._upsampler_placement:
            self._upsampler = Upsampler(placement, self._upsampling)
            self._upsampler_placement = placement
        return self._upsampler

    def _costs(self, engines: Engines, prepared: Prepared[ViewGeometry]) -> np.ndarray:
        """Return the (1, 8, D, h, w) volume behind the first 3-D layer."""
        geometry = prepared.context
        num_used = len(geometry.transforms)
        features = np.zeros((1 + self._num_sources, NUM_FEATURES, *self._map_size), np.float32)
        for index in range(1 + num_used):
            view = {'image': prepared.feeds[f'view{index}']}
            features[index] = engines[FEATURES].infer(view)['features'][0]
        transforms = np.zeros((self._num_sources, 3, 4), np.float32)
        transforms[:, 2, 2] = 1.0
        transforms[:num_used] = geometry.transforms
        feeds = {
            'reference': features[:1],
            'sources': features[1:],
            'transforms': transforms,
            'num_views': np.array([1.0 + num_used], np.float32),
        }
        costs = np.empty((1, NUM_COSTS, self._num_depths, *self._map_size), np.float32)
        for slab in cut_slabs(geometry.depths, self._num_slab_depths):
            planes = {'depths': slab.depths, 'inside': slab.inside}
            outputs = engines[VOLUME].infer({**feeds, **planes})
            costs[:, :, slab.start : slab.stop] = outputs['costs']
        return costs


def seen_by_any(depth: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Return which points of a depth map lie in front of a source and inside its image.

    Args:
        depth: ``(h, w)``.
        transforms: ``(S, 3, 4)``, see ``projection.relative_transforms``.

    Returns:
        ``(h, w)`` bool.
    """
    height, width = depth.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    is_seen = np.zeros(depth.shape, bool)
    for m in transforms.astype(np.float32):
        points = [(row[0] * x + row[1] * y + row[2]) * depth + row[3] for row in m]
        is_ahead = points[2] > 0.0
        z = np.where(is_ahead, points[2], np.float32(1.0))
        column, row = points[0] / z, points[1] / z
        is_inside = (column >= -0.5) & (column <= width - 0.5)
        is_inside &= (row >= -0.5) & (row <= height - 0.5)
        is_seen |= is_ahead & is_inside
    return is_seen


def _placed_camera(camera: PinholeCamera, placement: Placement) -> PinholeCamera:
    """Return the camera of the resized frame; padding moves no pixel."""
    return scaled_camera(camera, height=placement.placed_height, width=placement.placed_width)
