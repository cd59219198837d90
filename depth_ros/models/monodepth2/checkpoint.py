"""Description of a checkpoint of Monodepth2."""

from __future__ import annotations

from depth_ros.entries import Extras, Names, has_beginning


def describe(names: Names, extras: Extras) -> str:
    """Return encoder, networks, size and training in words, by parameter names and extras."""
    is_deep = has_beginning(names, 'encoder.encoder.layer1.0.conv3.')
    layers = 'ResNet-50' if is_deep else 'ResNet-18'
    pose = 'depth and pose networks' if has_beginning(names, 'pose.') else 'depth network'
    size = f'{extras["height"]}x{extras["width"]}' if 'height' in extras else 'no stated size'
    pairs = {True: ', trained on stereo pairs', False: ', trained on one camera alone'}
    stereo = extras.get('use_stereo')
    return f'{layers}, {pose}, {size}{pairs[stereo] if isinstance(stereo, bool) else ""}'
