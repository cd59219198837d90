"""Distortion models, and D as publishers write it: read as what it must mean, or refused."""

from __future__ import annotations

from enum import Enum

import numpy as np

from depth_ros.errors import CalibrationError


class DistortionModel(Enum):
    """Distortion models of REP 104 and ``sensor_msgs/distortion_models.hpp``."""

    PLUMB_BOB = 'plumb_bob'
    RATIONAL_POLYNOMIAL = 'rational_polynomial'
    EQUIDISTANT = 'equidistant'


NUM_COEFFICIENTS: dict[DistortionModel, tuple[int, ...]] = {
    DistortionModel.PLUMB_BOB: (0, 4, 5),
    DistortionModel.RATIONAL_POLYNOMIAL: (0, 8, 12, 14),
    DistortionModel.EQUIDISTANT: (0, 4),
}
"""Accepted lengths of D for each model; empty means that all of them are zero.

12 and 14 are OpenCV's thin prism and tilted sensor, which some drivers publish as rational.
"""

BROWN_MODELS = (DistortionModel.PLUMB_BOB, DistortionModel.RATIONAL_POLYNOMIAL)
"""One series in OpenCV's order: what is longer has further terms, what is shorter has zeros."""


def distortion(text: str, d: np.ndarray) -> tuple[DistortionModel, np.ndarray]:
    """Return model and coefficients of CameraInfo's ``distortion_model`` and ``d``.

    A name that does not suit the number of coefficients is put right where that is exact:
    ``plumb_bob`` with 8 is rational, ``rational_polynomial`` with 4 or 5 is plumb bob, and zeros
    beyond the last coefficient of a model (the fifth of ``equidistant``) are left out.

    Args:
        text: CameraInfo's text; empty needs a ``d`` that is empty or all zero.
        d: ``(n,)`` coefficients.

    Raises:
        CalibrationError: Reason ``'distortion_model'``.
    """
    model = _named(text, d)
    if d.size in NUM_COEFFICIENTS[model]:
        return model, d
    if model in BROWN_MODELS:
        fitting = next((m for m in BROWN_MODELS if d.size in NUM_COEFFICIENTS[m]), None)
        if fitting is not None:
            return fitting, d
    shorter = [n for n in NUM_COEFFICIENTS[model] if n < d.size and not d[n:].any()]
    if max(shorter, default=0):
        return model, d[: max(shorter)]
    raise CalibrationError(
        'distortion_model',
        f'distortion_model {model.value!r} takes {_counts(model)} numbers in D, got {d.size}; '
        'give D as the calibration tool wrote it, with zeros for terms that it did not use',
    )


def _named(text: str, d: np.ndarray) -> DistortionModel:
    if not text and not d.any():
        return DistortionModel.PLUMB_BOB
    try:
        return DistortionModel(text)
    except ValueError:
        known = ', '.join(model.value for model in DistortionModel)
        raise CalibrationError(
            'distortion_model',
            f'distortion_model {text!r} is not known; give one of {known}',
        ) from None


def _counts(model: DistortionModel) -> str:
    *first, last = (str(count) for count in NUM_COEFFICIENTS[model] if count)
    return f'{", ".join(first)} or {last}' if first else last
