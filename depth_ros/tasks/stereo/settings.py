"""Settings of stereo; imported without OpenCV and ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

from depth_ros.frames import UsefulPart
from depth_ros.models.registry import model_entry
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.settings import (
    LARGEST_INTEGER,
    SettingError,
    check_depth_range,
    described,
    nested,
)
from depth_ros.tasks.pipeline import NetworkSettings, model_setting
from depth_ros.tensors import Task

AUTO_HINTS, NO_HINTS = 'auto', 'none'
SGBM_HINTS, PREVIOUS_HINTS, DEPTH_HINTS = 'sgbm', 'previous', 'depth_topic'
HINT_SOURCES = (SGBM_HINTS, PREVIOUS_HINTS, DEPTH_HINTS)
"""What the setting ``hints`` lists, in the order of precedence that it gives them."""


def baseline_setting(*, opens_engine: bool = False) -> float:
    """Make the field for the distance between two cameras."""
    return described(
        0.0,
        'Distance between the cameras, for a right camera_info whose P[0, 3] is 0; '
        '0 takes it from camera_info.',
        unit='m',
        minimum=0.0,
        maximum=100.0,
        opens_engine=opens_engine,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoSettings(NetworkSettings):
    """What to run and how."""

    model: str = model_setting(Task.STEREO, description='Stereo matcher.', noun='stereo model')
    iterations: int = described(
        0,
        "Update steps of a recurrent network; 0 takes the preset's.",
        minimum=0,
        maximum=64,
        opens_engine=True,
    )
    stages: int = described(
        0,
        "Coarse-to-fine passes of a network; 0 takes the preset's.",
        minimum=0,
        maximum=4,
        opens_engine=True,
    )
    hints: str = described(
        AUTO_HINTS,
        'What a model that takes hints is told of the disparity beforehand. auto: sgbm if the '
        'model takes hints, else none. none: nothing. Else one or more of these words, the most '
        'trusted first. sgbm: the result of SGBM with the settings sgbm.* on the same pair. '
        'previous: the result of the pair before, moved with the rig where its motion is known, '
        'where the left image shows the same as then. depth_topic: what another sensor measured, '
        'a laser scanner or a depth camera.',
    )
    mask: str = described(
        '',
        'Image file of the rectified left image, at any resolution, of 8 or 16 bits: what is '
        "black or fully transparent in it is unknown, e.g. the robot's own body. Empty: nothing.",
    )
    valid_region: str = described(
        '',
        'Part of the rectified left image outside of which all is unknown, as left top right '
        'bottom in shares of its sides, e.g. 0 0.04 0.95 1. Empty: none. Files of calibrations '
        'bring their own.',
    )
    useful_depth_m: str = described(
        '',
        'Nearest and farthest depth outside of which disparity is unknown, e.g. 1 5. Depth that '
        'is nearer is -Inf (too near), so that no scan takes it for free; depth that is farther '
        'is unknown, otherwise than with max_depth_m. Empty: any. Files of calibrations bring '
        'their own.',
        unit='m',
    )
    calibrated_limits: bool = described(
        True,
        'The region and the range of depth that a calibration file calls useful limit what is '
        'known; false keeps everything, nearer obstacles too.',
    )
    unknown_black_borders: bool = described(
        True,
        'Of images that come rectified, what is black along most of a side, or in three or four '
        'corners, is unknown; where images are rectified here the borders are known exactly.',
    )
    baseline_m: float = baseline_setting()
    min_depth_m: float = described(
        0.0, 'Nearer depth becomes -Inf, and no point.', unit='m', minimum=0.0
    )
    max_depth_m: float = described(
        math.inf, 'Farther depth becomes +Inf, and no point.', unit='m', minimum=0.0
    )
    left_right_check: bool = described(
        False, 'Match the mirrored pair too and drop what disagrees; doubles the time.'
    )
    confidence_threshold_px: float = described(
        1.0,
        'Error that still counts as right: confidence is the chance that it is smaller, where the '
        'model tells its error; else it falls to 0 at this left-right difference, or distance '
        'from the hint of SGBM. Not finer than a pixel of what the model saw. The chance orders '
        "pixels and is too low as a probability: the model's card has figures.",
        unit='px',
        minimum=0.01,
        maximum=100.0,
    )
    min_confidence: float = described(
        -1.0,
        'Pixels less sure than this become unknown; 0 keeps all. Negative takes the value of the '
        "model's card where the model tells its error, else 0. Where neither the model tells its "
        'error nor SGBM gives hints, a value doubles the time.',
        minimum=-1.0,
        maximum=1.0,
    )
    disparity_sigma_px: float = described(
        0.5,
        'Standard deviation of disparity that depth/sigma assumes where the model tells none.',
        unit='px',
        minimum=0.0,
        maximum=100.0,
    )
    speckle_size_px: int = described(
        0,
        'Connected areas of at most so many pixels become unknown; 0 switches it off.',
        unit='px',
        minimum=0,
        maximum=LARGEST_INTEGER,
    )
    speckle_difference_px: float = described(
        1.0, 'Disparity step that separates two areas.', unit='px', minimum=0.0, maximum=1000.0
    )
    fill_holes: bool = described(
        False, 'Fill unknown disparities from the background of their row: invented values.'
    )
    sgbm: SgbmSettings = nested(SgbmSettings, prefix='sgbm.', words='--sgbm')

    @property
    def hint_words(self) -> tuple[str, ...]:
        """Sources of hints in the order of their precedence; SGBM for auto, none for none."""
        words = tuple(self.hints.replace(',', ' ').split())
        whole: dict[tuple[str, ...], tuple[str, ...]] = {
            (AUTO_HINTS,): (SGBM_HINTS,),
            (NO_HINTS,): (),
        }
        return whole.get(words, words)

    @property
    def own_min_confidence(self) -> float:
        """What pixels of this model must reach where nobody says, 0..1."""
        service = model_entry(self.model, Task.STEREO).services[Task.STEREO]
        return service.defaults.get('min_confidence', 0.0)

    @property
    def useful(self) -> UsefulPart:
        """``valid_region`` and ``useful_depth_m`` as numbers."""
        region = _numbers(self.valid_region, 4, 'valid_region', 'e.g. 0 0.04 0.95 1')
        depths = _numbers(self.useful_depth_m, 2, 'useful_depth_m', 'e.g. 1 5')
        if region and not (
            0.0 <= region[0] < region[2] <= 1.0 and 0.0 <= region[1] < region[3] <= 1.0
        ):
            raise SettingError(
                '{valid_region} must be left top right bottom within 0..1, left below right and '
                f'top below bottom, got {self.valid_region!r}; e.g. 0 0.04 0.95 1'
            )
        if depths and not 0.0 <= depths[0] < depths[1]:
            raise SettingError(
                f'{{useful_depth_m}} must be nearest and farthest, got {self.useful_depth_m!r}; '
                'e.g. 1 5'
            )
        return UsefulPart(
            region=(region[0], region[1], region[2], region[3]) if region else None,
            depth_range_m=(depths[0], depths[1]) if depths else None,
        )

    def check_together(self) -> None:
        """Require a range of depth, a region, and sources of hints that there are, each once."""
        check_depth_range(self.min_depth_m, self.max_depth_m)
        self.useful  # noqa: B018 - raises
        words = self.hint_words
        is_named = bool(self.hints.strip()) and set(words) <= set(HINT_SOURCES)
        if not is_named or len(set(words)) < len(words):
            raise SettingError(
                f'{{hints}} must be {AUTO_HINTS}, {NO_HINTS}, or some of '
                f'{", ".join(HINT_SOURCES)}, each once, got {self.hints!r}; e.g. '
                f'{DEPTH_HINTS} {SGBM_HINTS} asks SGBM where the other sensor measured nothing'
            )


def _numbers(text: str, count: int, name: str, example: str) -> tuple[float, ...]:
    """Read so many finite numbers, or none of an empty text."""
    words = text.replace(',', ' ').split()
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = (math.nan,)
    if words and (len(numbers) != count or not all(map(math.isfinite, numbers))):
        raise SettingError(f'{{{name}}} must be {count} numbers or empty, got {text!r}; {example}')
    return numbers
