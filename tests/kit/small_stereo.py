"""A crestereo_tiny that trains in a second, and what it sees. Needs torch."""

from __future__ import annotations

from depth_ros.models.crestereo_tiny.network import TinyConfig
from depth_ros.scenes.layered.samples import SampleSettings
from depth_ros.training.crestereo.networks import TinyStereo
from depth_ros.training.crestereo.pairs import DrawnPairs
from depth_ros.training.crestereo.task import StereoTask

SMALL_NETWORK = TinyConfig(
    stem=8, widths=(16, 16, 16), match=16, hidden=16, groups=4, iterations=(1, 1, 2)
)
SMALL_SAMPLES = SampleSettings(
    scene_height=64, scene_width=128, height=64, width=128, max_disparity=24.0, chunk=2, textures=6
)
SMALL_TASK = StereoTask(
    network=TinyStereo(config=SMALL_NETWORK), pairs=DrawnPairs(samples=SMALL_SAMPLES)
)
