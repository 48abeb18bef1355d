"""When positions are committed: one commit at a time, an interval after the last, and only where there is news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.delivery.messages import Commit, Partition, Position
from consumer.delivery.rate import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumer.delivery.gate import Gate
    from consumer.delivery.messages import Action, Committed
    from consumer.delivery.partition import PartitionState
    from consumer.delivery.settings import DeliverySettings
    from consumer.delivery.snapshot import Stats


class Commits:
    """Appends `Commit` to ``out``. What may be committed is the partitions' ledgers' to say."""

    def __init__(self, settings: DeliverySettings, gate: Gate, stats: Stats, out: list[Action], now: float) -> None:
        self._settings = settings
        self._gate = gate
        self._stats = stats
        self._out = out
        self._at = now
        self._under_way = False

    def position(self, state: PartitionState) -> Position:
        """What may be committed of a partition now."""
        with_map = self._settings.offset_map
        position, whole = state.position(self._gate.open_seconds, with_map=with_map)
        self._stats.maps_left_out += with_map and not whole
        return position

    def run(self, states: Collection[PartitionState], now: float) -> None:
        """Commit what is due."""
        if self._under_way or now < self._at:
            return
        positions: dict[Partition, Position] = {}
        for state in states:
            if state.commit_at <= now:
                positions[state.partition] = self.position(state)
                state.committing(now)
        if positions:
            self._at = now + self._settings.commit_interval_seconds
            self._under_way = True
            self._out.append(Commit(positions))

    def wake_at(self, states: Collection[PartitionState]) -> float:
        """When `run` has something to do, as far as time decides it: an idle process has nothing to wake for."""
        if self._under_way:
            return NEVER
        at = NEVER
        for state in states:
            at = min(at, state.commit_at)
            if at <= self._at:
                return self._at
        return at

    def ended(self, event: Committed, states: Mapping[Partition, PartitionState], now: float) -> None:
        """The one that was under way is over; one that failed is tried again an interval later."""
        self._under_way = False
        self._stats.commits["ok" if event.ok else "failed"] += 1
        if not event.ok:
            self._at = now + self._settings.commit_interval_seconds
        for partition, position in event.positions.items():
            state = states.get(partition)
            if state is not None:
                state.committed_at(position, ok=event.ok)
