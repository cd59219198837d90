"""Precision ``auto``: the lower one a runtime has where the accuracy gate lets it through.

A refusal is stored with its figures beside the built engines, under the key
that the engine would have had, so that the next start does not build and measure it again.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from depth_ros.engines.cache import CacheKey
from depth_ros.errors import DepthRosError
from depth_ros.files.whole_file import write_json

AUTO_PRECISION = 'auto'

logger = logging.getLogger(__name__)


class RefusalMemory:
    """Refusals of the accuracy gate, one file for each key, below a cache's root."""

    def __init__(self, root: Path) -> None:
        """Use ``root``; nothing is created yet."""
        self.folder = root / 'refusals'

    def recall(self, key: CacheKey) -> str:
        """Return the text of an earlier refusal; empty if none can be read."""
        try:
            record = json.loads(self._path(key).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return ''
        return str(record.get('refusal', '')) if isinstance(record, dict) else ''

    def note(self, key: CacheKey, refusal: str) -> None:
        """Store a refusal; if that fails, the gate runs again at the next start."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {'refusal': refusal})
        except (DepthRosError, OSError) as error:
            logger.warning('the refusal of %s could not be kept: %s', key.folder, error)

    def _path(self, key: CacheKey) -> Path:
        return self.folder / f'{key.folder}.json'
