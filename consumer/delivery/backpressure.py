"""Which partitions bring no more records for now, so that memory stays within its bound.

Theory of operation
    Two rules. Each partition has an equal share of the memory: one that is stuck never takes what the others need. And
    all of them together have the whole: a broker hands out whole batches, of up to a megabyte each, and what they bring
    beyond the shares adds up over partitions.

    Partitions may be many and a turn changes few of them, so that only what was `touched` is looked at again.

    Where everything that is held waits for a retry, or behind what does, there is room for nothing and yet nothing to
    send. The whole gives way to the shares then, a second later, so that a few that fail never stop the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.delivery.rate import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.delivery.messages import Partition
    from consumer.delivery.partition import PartitionState

_RESUME_SHARE = 0.5
_STARVED_SECONDS = 1.0


class Backpressure:
    """See the module."""

    def __init__(self, buffer_bytes: int) -> None:
        """``buffer_bytes``: what all partitions may hold together; the batch that overflows it comes on top."""
        self._buffer_bytes = buffer_bytes
        self._share = 0.0
        self._states: Mapping[Partition, PartitionState] = {}
        self._held: dict[PartitionState, int] = {}
        self._held_together = 0
        self.touched: set[PartitionState] = set()
        """Those that have taken in or finished a record since they were looked at: whoever does that adds them."""
        self.all: frozenset[Partition] = frozenset()
        """All partitions that are held."""
        self._over_share: frozenset[Partition] = frozenset()
        self._full = False
        self._busy_at = -NEVER
        self.wake_at = NEVER
        """When to be asked again, whatever happens until then."""

    def set_partitions(self, states: Mapping[Partition, PartitionState]) -> None:
        """These are all partitions that are held, from now on."""
        self._states = states
        self._share = self._buffer_bytes / max(1, len(states))
        self._held = dict.fromkeys(states.values(), 0)
        self._held_together = 0
        self.touched = set(self._held)
        self.all = frozenset(states)
        self._over_share = self._those_over_share()

    def paused(self, now: float, *, busy: bool) -> frozenset[Partition]:
        """Those that are to bring nothing more; the same object as long as they are the same.

        Args:
            now: monotonic seconds.
            busy: whether there is something to send, or a reason for which nothing may be sent.
        """
        changed = False
        for state in self.touched:
            if state not in self._held:
                continue
            held = state.buffered_bytes
            self._held_together += held - self._held[state]
            self._held[state] = held
            limit = self._share * _RESUME_SHARE if state.full_since is not None else self._share
            full = held >= limit or not state.ledger.admits()
            if full is (state.full_since is None):
                state.full_since = now if full else None
                changed = True
        self.touched.clear()
        if changed:
            self._over_share = self._those_over_share()
        return self.all if self._is_full(self._held_together, now, busy=busy) else self._over_share

    def _those_over_share(self) -> frozenset[Partition]:
        return frozenset(partition for partition, state in self._states.items() if state.full_since is not None)

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
