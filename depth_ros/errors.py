"""Exceptions: one small hierarchy; every message is one sentence that includes the remedy."""

from __future__ import annotations


class DepthRosError(Exception):
    """Base of all errors that this package raises; the text is fit for an operator."""


class InputError(DepthRosError):
    """An input message or file cannot be used; the node counts it and continues.

    Attributes:
        reason: Short slug for counters, e.g. ``'encoding'`` or ``'size_mismatch'``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ImageError(InputError):
    """An image's encoding, size, step or bytes are wrong."""


class CalibrationError(InputError):
    """A camera calibration is missing, impossible or does not fit the image."""


class ShapeError(DepthRosError):
    """A tensor has the wrong name, shape or dtype for an engine or a model."""


class RecipeError(DepthRosError):
    """A recipe file is missing, malformed or asks for something the model cannot do."""


class WeightsError(DepthRosError):
    """Weights are missing, of the wrong layout or for another network."""


class EngineError(DepthRosError):
    """A runtime is missing, or an engine failed to load or to run."""


class DeviceLostError(EngineError):
    """The GPU failed in a way that no later call in this process survives."""


class ArtifactError(EngineError):
    """An exported or built file is missing, stale, tampered with or out of tolerance."""


class ParameterError(DepthRosError):
    """A parameter's name, type or value is refused."""


class ViewerError(DepthRosError):
    """The browser view's library is missing or unfit, or its address cannot be served."""
