"""Choice of an engine: made once and passed on as one value."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.engines.calibrations import INT8
from depth_ros.engines.runtime import AUTO_ENGINE, RUNTIMES
from depth_ros.engines.tensorrt.options import GpuOptions, from_words
from depth_ros.errors import EngineError
from depth_ros.settings import SIZE, SettingError, Settings, described

PRECISIONS = ('f32', 'auto', 'bf16', 'f16', INT8)
AUTO_PRESET = 'auto'
SYNTHETIC = 'synthetic:'
"""Beginning of the word for made-up weights, with a seed behind it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineChoice(Settings):
    """Runtime, arithmetic, size and weights of a network's engines."""

    runtime: str = described(
        AUTO_ENGINE,
        'Runtime of a network; auto takes the first that is installed and says which.',
        choices=lambda: (AUTO_ENGINE, *RUNTIMES),
        noun='engine',
        name='engine',
        opens_engine=True,
    )
    precision: str = described(
        'f32',
        'Arithmetic of a network where the recipe allows it; auto takes the lower one of the '
        'runtime where it passes the accuracy gate on this machine and says which. int8 needs a '
        'calibration, which `build` makes.',
        choices=PRECISIONS,
        opens_engine=True,
    )
    preset: str = described(
        '',
        "Named size of the model's recipe, as fast, medium, balanced or fine; empty takes its "
        'default. auto: commands take the largest that ships and needs no enlarging of the image; '
        "stereo_node takes the largest that holds the camera's rate with a margin, as measured, "
        'and changes it when the load changes; where a size is given it wins.',
        opens_engine=True,
    )
    size: tuple[int, int] | None = described(
        None,
        "Engine size as HEIGHTxWIDTH, e.g. 480x640, instead of the preset's; empty takes it.",
        form=SIZE,
        opens_engine=True,
    )
    weights: str = described(
        '',
        'Checkpoint, export, or folder of either; empty takes shipped or exported weights.',
        opens_engine=True,
    )
    num_threads: int = described(
        0,
        'CPU threads of the engine; 0 lets the runtime choose.',
        minimum=0,
        maximum=1024,
        flags=('--threads',),
        opens_engine=True,
    )
    tensorrt: str = described(
        '',
        'Options of TensorRT builds as NAME=VALUE words, e.g. low_memory=true workspace_mib=512; '
        'docs/engines.md lists them. They override DEPTH_ROS_TENSORRT and the recipe.',
        is_words=True,
        opens_engine=True,
    )

    def check_together(self) -> None:
        """Require that the options of TensorRT are ones."""
        try:
            options = from_words(self.tensorrt, where='{tensorrt}')
            GpuOptions(**options)  # type: ignore[arg-type]
        except EngineError as error:
            raise SettingError(str(error)) from error
