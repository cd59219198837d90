"""The engine that all runtimes share: input checks, two slots, tickets, closing.

A runtime supplies a ``Session``: start a frame in slot 0 or 1, wait for it, free everything.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import numpy as np

from depth_ros.errors import DeviceLostError, EngineError
from depth_ros.tensors import EngineInfo, Tensors, TensorSpec, check_tensors

NUM_SLOTS = 2
SessionEngineT = TypeVar('SessionEngineT', bound='SessionEngine')


class Session(Protocol):
    """A runtime's side of an engine; called by one thread, inputs already checked."""

    def start(self, slot: int, tensors: Tensors) -> None:
        """Start a frame in a free slot; the caller may reuse ``tensors`` once this returns."""

    def wait(self, slot: int) -> Tensors:
        """Wait for the frame of a slot; outputs are valid until the slot's next ``start``."""

    def close(self) -> None:
        """Free the runtime's memory; called once, no frame is under way."""


class SessionTicket:
    """A frame under way in one slot."""

    def __init__(self, engine: SessionEngine, slot: int) -> None:
        """Bind to a slot until the engine uses that slot again."""
        self._engine = engine
        self._slot = slot
        self._outputs: Tensors | None = None

    def result(self) -> Tensors:
        """Wait and return the outputs; views are valid until the second next ``submit``.

        Raises:
            EngineError: If the runtime fails, the engine is closed or the slot is reused.
        """
        if self._outputs is None or self._engine.ticket(self._slot) is not self:
            self._outputs = self._engine.collect(self, self._slot)
        return self._outputs


class SessionEngine:
    """An ``tensors.Engine`` over a ``Session``; one thread at a time."""

    def __init__(
        self,
        *,
        info: EngineInfo,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        session: Session,
    ) -> None:
        """Take ownership of the session."""
        self.info = info
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self._session: Session | None = session
        self._tickets: list[weakref.ref[SessionTicket] | None] = [None] * NUM_SLOTS
        self._is_busy = [False] * NUM_SLOTS
        self._next_slot = 0

    def infer(self, tensors: Tensors) -> Tensors:
        """Run one frame; outputs are valid until the next call.

        Raises:
            ShapeError: If names, shapes or dtypes are not those of ``inputs``.
            EngineError: If the runtime fails or the engine is closed.
        """
        return self.submit(tensors).result()

    def submit(self, tensors: Tensors) -> SessionTicket:
        """Start one frame; at most two may be under way. ``tensors`` may be reused at once.

        Raises:
            ShapeError: If names, shapes or dtypes are not those of ``inputs``.
            EngineError: If two frames are under way, or as for ``infer``.
        """
        session = self._opened()
        check_tensors(tensors, self.inputs, what=f'inputs of {self.info.graph!r}')
        slot = self._free_slot(session)
        session.start(slot, tensors)
        self._next_slot = 1 - slot
        self._is_busy[slot] = True
        ticket = SessionTicket(self, slot)
        self._tickets[slot] = weakref.ref(ticket)
        return ticket

    def ticket(self, slot: int) -> SessionTicket | None:
        """Return the ticket that owns a slot, if it is still referenced."""
        reference = self._tickets[slot]
        return reference() if reference is not None else None

    def collect(self, ticket: SessionTicket, slot: int) -> Tensors:
        """Finish a ticket's frame; ``SessionTicket.result`` calls this."""
        session = self._opened()
        if self.ticket(slot) is not ticket or not self._is_busy[slot]:
            raise EngineError(
                f'{self.info.graph!r}: this result is gone, two newer frames were submitted or '
                'its frame failed; call result() before the second next submit()'
            )
        self._is_busy[slot] = False
        outputs = session.wait(slot)
        self._check_outputs(outputs)
        return outputs

    def close(self) -> None:
        """Wait for frames under way and free the runtime; a second call does nothing."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            for slot in range(NUM_SLOTS):
                if self._is_busy[slot]:
                    self._is_busy[slot] = False
                    with suppress(DeviceLostError):
                        session.wait(slot)
        finally:
            session.close()

    def __enter__(self: SessionEngineT) -> SessionEngineT:
        """Return itself; raise EngineError if it is closed."""
        self._opened()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    def _opened(self) -> Session:
        if self._session is None:
            raise EngineError(
                f'{self.info.graph!r} is closed, e.g. at the end of a with block; open its model '
                'again'
            )
        return self._session

    def _free_slot(self, session: Session) -> int:
        """Return a slot that is free, or whose ticket is no longer referenced."""
        order = (self._next_slot, 1 - self._next_slot)
        for slot in order:
            if not self._is_busy[slot]:
                return slot
        for slot in order:
            if self.ticket(slot) is None:
                self._is_busy[slot] = False
                session.wait(slot)
                return slot
        raise EngineError(
            f'{self.info.graph!r}: two frames are under way already; call result() of the '
            'older one before the next submit()'
        )

    def _check_outputs(self, outputs: Tensors) -> None:
        for spec in self.outputs:
            array = outputs.get(spec.name)
            if array is None or array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
                got = {name: f'{value.dtype}{value.shape}' for name, value in outputs.items()}
                raise EngineError(
                    f'{self.info.graph!r} on {self.info.runtime} should give {spec.name!r} as '
                    f'{spec.describe()}, gave {got}; rebuild it or use another engine'
                )
