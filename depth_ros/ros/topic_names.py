"""Names of topics: where launch arguments move them, and what ROS makes of them. Needs no ROS."""

from __future__ import annotations

from collections.abc import Sequence

Remappings = list[tuple[str, str]]
IMAGE_TOPICS = (
    'image_raw',
    'image_raw/compressed',
    'image_rect',
    'image_rect/compressed',
    'camera_info',
)
"""Names below a camera's namespace that a node may subscribe to."""

IMAGE_PIPELINE: Remappings = [
    ('points', 'points2'),
    ('rectified/image', 'image_rect'),
    ('rectified/left/image', 'left/image_rect'),
    ('rectified/right/image', 'right/image_rect'),
    ('depth/image', 'depth/image_rect'),
]
"""Names of our outputs, and those that stereo_image_proc, image_proc and depth_image_proc use."""
NAMES: dict[str, Remappings] = {'': [], 'image_pipeline': IMAGE_PIPELINE}
"""What the argument ``names`` may ask for."""


def camera_remappings(name: str, camera: str) -> Remappings:
    """Take a camera's topics from another namespace.

    Args:
        name: Namespace that the node uses, e.g. ``'left'``; empty for its own.
        camera: Namespace to use instead, e.g. ``'/camera/infra1/'``; empty changes nothing.
    """
    ours = f'{name}/' if name else ''
    theirs = f'{camera.rstrip("/")}/' if camera.rstrip('/') else ours
    return [(f'{ours}{topic}', f'{theirs}{topic}') for topic in IMAGE_TOPICS]


def expanded(name: str, *, namespace: str, node: str) -> str:
    """Return a name from the root (ROS 2 design, "Topic and Service names").

    Args:
        name: Relative, private (``~/...``) or from the root already.
        namespace: Of the node, e.g. ``'/robot'``; ``'/'`` for none.
        node: Its name.
    """
    if name.startswith('/'):
        return name
    above = namespace.rstrip('/')
    if name.startswith('~'):
        return f'{above}/{node}{name[1:]}'
    return f'{above}/{name}'


def resolved(
    name: str, *, namespace: str, node: str, remappings: Sequence[tuple[str, str]]
) -> str:
    """Return the name from the root that a node uses in the end; the first fitting rule counts."""
    whole = expanded(name, namespace=namespace, node=node)
    for ours, theirs in remappings:
        if expanded(ours, namespace=namespace, node=node) == whole:
            return expanded(theirs, namespace=namespace, node=node)
    return whole
