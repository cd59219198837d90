"""NumPy side of the network that takes a hint: the pair as in CREStereo, the hint beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.bare_surfaces import doubted_sigma
from depth_ros.geometry.hint_choice import better_matched, doubted_choice
from depth_ros.geometry.hints import distance_from, engine_hint, refined
from depth_ros.geometry.preprocess import Placement, unplace_disparity
from depth_ros.models.base import Prepared
from depth_ros.models.crestereo.model import CreStereoModel
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

SIGMA = 'sigma'
"""Output of graphs that tell how far the disparity may be off."""

FINER = 1.25
"""With so many pixels of the frame to one of the engine, the hint is finer than the network."""
AGREES_PX = 2.0
"""How far, in engine pixels, a hint may be from what the network says."""


class CreStereoHintedModel(CreStereoModel):
    """Recurrent stereo matching that is told what is already known; ``StereoModel``.

    A pair without a hint is matched alone, by the same graph. Graphs of weights with an error head
    give ``sigma`` as well, the standard deviation of disparity in engine pixels; where bare
    surfaces show only noise it is enlarged (``geometry.bare_surfaces``).
    """

    def preprocess(self, frame: RectifiedStereo) -> Prepared[Placement]:
        """Fit both images and the hint to the engine; ``hint`` is float32 (1, 2, H, W)."""
        prepared = super().preprocess(frame)
        hint = engine_hint(frame.hint, prepared.context)[None]
        return Prepared(feeds={**prepared.feeds, 'hint': hint}, context=prepared.context)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: RectifiedStereo
    ) -> DisparityResult:
        """Bring the disparity to the frame's size, where a hint may know better.

        It does where it is finer and confirmed, and where both images match far better at it.
        """
        maps = dict(outputs)
        sigma = maps.pop(SIGMA, None)
        result = super().postprocess(maps, prepared, frame)
        scale = prepared.context.disparity_scale
        if sigma is not None:
            told = self._sigma(sigma, prepared.context)
            result = replace(
                result,
                sigma_px=doubted_sigma(told, result.disparity, frame.left, frame.right),
                finest_px=max(1.0, scale),
            )
        return result if frame.hint is None else _told(result, frame.hint, frame, scale)

    def _sigma(self, sigma: np.ndarray, placement: Placement) -> np.ndarray:
        """Bring the standard deviation to the frame's size and pixels."""
        shape = (1, placement.engine_height, placement.engine_width)
        spec = TensorSpec(name=SIGMA, shape=shape, dtype='float32', unit='px')
        check_tensors({SIGMA: sigma}, (spec,), what="outputs of 'crestereo'")
        return unplace_disparity(sigma[0], placement)


def _told(
    result: DisparityResult, hint: DisparityHint, frame: RectifiedStereo, scale: float
) -> DisparityResult:
    """Return the result with what a hint knows better, which is not sure where both differed."""
    own = result.disparity
    finer = refined(own, hint, tolerance_px=AGREES_PX * scale) if scale >= FINER else own
    taken = better_matched(finer, hint, frame.left, frame.right)
    sigma = result.sigma_px
    return replace(
        result,
        disparity=np.where(taken, hint.disparity, finer).astype(np.float32, copy=False),
        sigma_px=None if sigma is None else doubted_choice(sigma, finer, hint, taken),
        hint_distance_px=distance_from(hint, own),
    )
