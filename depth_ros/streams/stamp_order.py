"""The stamps of one camera must rise; what does not is named."""

from __future__ import annotations


class StampOrder:
    """Looks at the stamps of one camera as they come.

    One image that comes late is refused; a second one in a row means that the camera restarted
    or the recording looped, and order starts afresh.

    Attributes:
        last_ns: Last stamp that was taken, None before the first and after ``forget``.
        restarted_by_s: How far the stamp looked at last went back to start afresh, 0 if it did
            not.
    """

    def __init__(self, what: str) -> None:
        """Start empty; ``what`` names the images in sentences, e.g. ``'left image'``."""
        self._what = what
        self._is_late = False
        self.last_ns: int | None = None
        self.restarted_by_s = 0.0

    def fault(self, stamp_ns: int) -> tuple[str, str] | None:
        """Return (reason, sentence) of a stamp that cannot be taken, else take it."""
        self.restarted_by_s = 0.0
        if stamp_ns <= 0:
            return 'zero_stamp', (
                f'the {self._what} has stamp {stamp_ns} ns; '
                'the camera driver must stamp every image with its time of exposure'
            )
        if stamp_ns == self.last_ns:
            return 'repeated_stamp', (
                f'the {self._what} repeats stamp {stamp_ns} ns; '
                'publish each image once, with a stamp of its own'
            )
        if self.last_ns is not None and stamp_ns < self.last_ns:
            back_s = (self.last_ns - stamp_ns) * 1e-9
            if not self._is_late:
                self._is_late = True
                return 'stamp_back', (
                    f'the stamp of the {self._what} went back by {back_s:.3f} s; publish images '
                    'in order (a restarted camera or a looping bag is picked up at the next image)'
                )
            self.restarted_by_s = back_s
        self._is_late = False
        self.last_ns = stamp_ns
        return None

    def forget(self) -> None:
        """Take any stamp next."""
        self.last_ns, self._is_late = None, False
