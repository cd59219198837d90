"""Split loose values into what ``open_engine`` and ``open_graphs`` take."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from depth_ros.engines.build import GraphBuild
from depth_ros.engines.choice import EngineChoice


def asked(**values: Any) -> dict[str, Any]:
    """Return ``choice``, ``build`` and whatever else there is, to be passed on as ``**``."""
    parts: dict[str, Any] = {}
    for name, kind in (('choice', EngineChoice), ('build', GraphBuild)):
        names = {entry.name for entry in fields(kind)} & set(values)
        parts[name] = kind(**{each: values.pop(each) for each in names})
    return {**parts, **values}
