"""TensorRT's measured layer times, kept beside the built engines so that rebuilds are quick.

One file for each GPU, driver and library version. It is replaced in one step, and carries its own
hash: a damaged file is ignored, which only makes the build slower.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.given_file import given_bytes
from depth_ros.files.whole_file import whole_file

logger = logging.getLogger(__name__)
FOLDER = 'timing'
_DIGEST_BYTES = 32


class TimingFile:
    """The file of one GPU and one version of the library."""

    def __init__(self, root: Path, *, version: str, device: str) -> None:
        """Name it; nothing is created yet.

        Args:
            root: The engine cache.
            version: Exact version of TensorRT.
            device: Identity of the GPU and its driver.
        """
        key = hashlib.sha256(f'{version}\n{device}'.encode()).hexdigest()[:16]
        self.path = root / FOLDER / f'tensorrt-{version}-{key}.timing'

    def read(self) -> bytes:
        """Return what was kept; empty if there is nothing or it is damaged."""
        try:
            content = given_bytes(self.path)
        except InputError:
            return b''
        digest, timings = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(timings).digest() == digest:
            return timings
        logger.warning('%s is damaged; layers are timed anew', self.path)
        return b''

    def write(self, timings: bytes) -> None:
        """Store times; a failure does not stop the build."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as draft:
                draft.write_bytes(hashlib.sha256(timings).digest() + timings)
        except (DepthRosError, OSError) as error:
            logger.warning('layer times cannot be kept in %s: %s', self.path, error)
