"""Which partitions bring no more records for now, so that memory stays within its bound.

Theory of operation
    Two rules. Each partition has an equal share of the memory: one that is stuck never takes what the others need. And
    all of them together have the whole: a broker hands out whole batches, of up to a megabyte each, and what they bring
    beyond the shares adds up over partitions.

    Where everything that is held waits for a retry, or behind what does, there is room for nothing and yet nothing to
    send. The whole gives way to the shares then, a second later, so that a few that fail never stop the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.delivery.rate import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumer.delivery.messages import Partition
    from consumer.delivery.partition import PartitionState

_RESUME_SHARE = 0.5
_STARVED_SECONDS = 1.0


class Backpressure:
    """See the module."""

    def __init__(self, buffer_bytes: int) -> None:
        """``buffer_bytes``: what all partitions may hold together; the batch that overflows it comes on top."""
        self._buffer_bytes = buffer_bytes
        self._full = False
        self._busy_at = -NEVER
        self.wake_at = NEVER
        """When to be asked again, whatever happens until then."""

    def paused(self, states: Mapping[Partition, PartitionState], now: float, *, busy: bool) -> Collection[Partition]:
        """Those that are to bring nothing more.

        Args:
            states: all partitions that are held.
            now: monotonic seconds.
            busy: whether there is something to send, or a reason for which nothing may be sent.
        """
        share = self._buffer_bytes / max(1, len(states))
        held, paused = 0, []
        for partition, state in states.items():
            held += state.buffered_bytes
            limit = share * _RESUME_SHARE if state.full_since is not None else share
            if state.buffered_bytes < limit and state.ledger.admits():
                state.full_since = None
                continue
            paused.append(partition)
            if state.full_since is None:
                state.full_since = now
        return states if self._is_full(held, now, busy=busy) else paused

    def _is_full(self, held: int, now: float, *, busy: bool) -> bool:
        if busy:
            self._busy_at = now
        starved_at = self._busy_at + _STARVED_SECONDS
        if self._full:
            self._full = held >= self._buffer_bytes * _RESUME_SHARE and now < starved_at
        else:
            self._full = busy and held >= self._buffer_bytes
        self.wake_at = starved_at if self._full and not busy else NEVER
        return self._full
