"""An allowed value of a setting that is not its default."""

from __future__ import annotations

from depth_ros.settings import Setting, SettingValue

VALUES: dict[str, SettingValue] = {
    'size': '96x128',
    'tensorrt': 'low_memory=true',
    'hints': 'depth_topic sgbm',
    'valid_region': '0 0.1 0.9 1',
    'useful_depth_m': '1 5',
    'left_from_depth': '0 0 0 0 0 0 1',
    'navigation.base_from_camera': '0 0 0 0 0 0 1',
    'navigation.crop_box': '0 -2 5 2',
    'max_depth_m': 5.0,
    'color_max_disparity_px': 5.0,
    'low_bits': 12,
    'base_from_camera': '0 0 0 0 0 0 1',
    'depth_unit_m': 0.0002,
    'sgbm.num_disparities': 64,
    'sgbm.block_size': 7,
}


def other_value(setting: Setting) -> SettingValue:
    """Return one that goes with the defaults of all the others."""
    if setting.name in VALUES:
        return VALUES[setting.name]
    if setting.choices:
        return next(choice for choice in reversed(setting.choices) if choice != setting.default)
    if isinstance(setting.default, bool):
        return not setting.default
    if isinstance(setting.default, str):
        return 'something'
    if isinstance(setting.default, float) and (setting.maximum or 9.0) <= 2.0:
        return setting.default / 2 + 0.2
    return setting.default + 1
