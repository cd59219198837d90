"""Description of a checkpoint of MVSNet."""

from __future__ import annotations

from depth_ros.entries import Extras, Names, has_beginning


def describe(names: Names, extras: Extras) -> str:
    """Return in words whether there is a refinement, by the parameters' names."""
    is_refined = has_beginning(names, 'refine_network.')
    return 'with refinement' if is_refined else 'without refinement'
