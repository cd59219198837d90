"""What a checkpoint of MVSNet says of itself."""

from __future__ import annotations

from depth_ros.entries import Extras, Names, has_beginning


def describe(names: Names, extras: Extras) -> str:
    """Say by the parameters' names whether there is a refinement."""
    is_refined = has_beginning(names, 'refine_network.')
    return 'with refinement' if is_refined else 'without refinement'
