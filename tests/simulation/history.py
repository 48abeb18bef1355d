"""One history from beginning to end: builds what a plan says, lets its faults happen, and waits until all is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from consumer.delivery.dispatch import BatchSettings
from consumer.delivery.gate import GateSettings
from consumer.delivery.machine import DeliverySettings
from consumer.delivery.messages import Partition, Position
from consumer.delivery.offset_map import MAX_CHARS
from consumer.delivery.retry import RetryPolicy
from tests.simulation.broker import SESSION_SECONDS, Broker, Log
from tests.simulation.clock import Clock
from tests.simulation.entries import Delivery, Lane, entry
from tests.simulation.plan import ROOMY_BYTES, Fault, FaultKind, Kind, Plan, RecordPlan
from tests.simulation.promise import OUTAGE_SECONDS, RETRY_AFTER_CAP_SECONDS, Promise, Violation
from tests.simulation.replica import Replica
from tests.simulation.show import Show
from tests.simulation.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

REST_SECONDS = 1800.0
"""Virtual seconds from the last fault's end in which everything has to end."""

FAR = 5000
"""Where some logs begin, and none that begins at 0 comes."""

_TRICKLE_SECONDS = 30.0
_LOOK_SECONDS = 5.0

_OF_WEBHOOK = frozenset(
    {
        FaultKind.DOWN,
        FaultKind.DNS,
        FaultKind.ANSWERS_503,
        FaultKind.ANSWERS_429,
        FaultKind.ANSWERS_429_LATER,
        FaultKind.ANSWERS_403,
        FaultKind.REDIRECTS,
        FaultKind.CERTIFICATE,
        FaultKind.HANG,
        FaultKind.ANSWERS_LOST,
        FaultKind.SLOW,
        FaultKind.FLAKY,
        FaultKind.PER_SECOND,
        FaultKind.PER_CONNECTION,
    }
)
_OF_BROKER = frozenset(
    {
        FaultKind.BROKER_DOWN,
        FaultKind.COMMIT_FAILS,
        FaultKind.COMMIT_TIMES_OUT,
        FaultKind.COMMIT_SLOW,
        FaultKind.LETTERS_FAIL,
        FaultKind.LETTER_ACKS_LOST,
        FaultKind.LETTERS_SLOW,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a history.

    Attributes:
        coverage: what happened in it, by name.
        seconds: virtual, until it came to rest.
        trace: every turn, where that was asked for.
    """

    plan: Plan
    violation: Violation | None
    coverage: Counter[str]
    seconds: float
    trace: list[str] | None


class World:
    """Everything that a history consists of; the parts find each other here."""

    def __init__(self, plan: Plan, *, trace: bool = False) -> None:
        self.plan = plan
        self.clock = Clock()
        self.random = Random(f"{plan.seed} runs")
        self.trace: list[str] | None = [] if trace else None
        self.coverage: Counter[str] = Counter()
        self.deliveries: list[Delivery] = []
        self.show = Show(self.deliveries)
        self._lanes: dict[tuple[int, str], Lane] = {}
        logs = {Partition("events", n): Log(self.random.choice((0, 0, FAR))) for n in range(plan.partitions)}
        self._partitions = list(logs)
        self.broker = Broker(self.clock, self.random, logs)
        self.webhook = Webhook(self.random, per_item=plan.per_item)
        self.promise = Promise(plan, logs)
        self.settings = DeliverySettings(
            gate=GateSettings(
                requests_per_second=plan.rate,
                burst_requests=plan.burst,
                concurrency=plan.concurrency,
                retry_after_cap_seconds=RETRY_AFTER_CAP_SECONDS,
            ),
            retry=RetryPolicy(budget_seconds=plan.budget_seconds, cap_seconds=20.0, outage_seconds=OUTAGE_SECONDS),
            batch=BatchSettings(max_events=plan.max_events, linger_seconds=plan.linger_seconds),
            buffer_bytes=plan.buffer_bytes,
            commit_interval_seconds=plan.commit_interval_seconds,
            map_chars=plan.map_chars,
            dedupe_entries=plan.dedupe_entries,
            lane_policy=plan.lane_policy,
            lane_patience_seconds=5.0,
        )
        self.replicas: list[Replica] = []
        self._processes = 0
        self._calm_at = 0.0

    def note(self, text: str, *values: Any) -> None:
        """A line of the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.clock.now:10.3f} " + text % values)

    # ---- from beginning to end

    def run(self) -> Outcome:
        """Let it happen."""
        violation = None
        try:
            self._run()
        except Violation as found:
            self.note("VIOLATION %s", found)
            violation = found
        self.coverage.update(self.promise.figures)
        return Outcome(self.plan, violation, self.coverage, self.clock.now, self.trace)

    def _run(self) -> None:
        plan, clock = self.plan, self.clock
        for _ in range(plan.replicas):
            self._start_one()
        at_once: dict[float, list[RecordPlan]] = {}
        for record in plan.records:
            at_once.setdefault(record.at, []).append(record)
        for at, records in at_once.items():
            clock.at(at, self._write, records)
        for fault in plan.faults:
            clock.at(fault.at, self._happen, fault)
        ends = [fault.at + fault.seconds for fault in plan.faults]
        self._calm_at = max([*ends, *at_once, 0.0]) + 2.0 * SESSION_SECONDS
        clock.run(self._calm_at)
        # Behind a stuck event its partition's memory, or map, may be full. Where all of a process's are, nothing else is
        # delivered there: that is an outage as far as it can know, and it waits for the end of it.
        self.webhook.healed = plan.buffer_bytes < ROOMY_BYTES or plan.map_chars < MAX_CHARS
        self._trickle()
        while not self._at_rest():
            if clock.now > self._calm_at + REST_SECONDS:
                raise Violation("rest", self._why_not())
            clock.run(clock.now + _LOOK_SECONDS)
        self.promise.rested([r for r in self.replicas if not r.dead], self.broker.committed)
        self._cover()

    def _at_rest(self) -> bool:
        # A replica that has halted may hold nothing and yet have to read what was done before a crash: the person who
        # looks is still to come (seed 231708).
        return all(delivery.ended or delivery.entry.gone for delivery in self.deliveries) and not any(
            replica.in_flight or not replica.machine.settled or replica.machine.snapshot().halt_reason
            for replica in self.replicas
            if not replica.dead
        )

    def _why_not(self) -> str:
        unended = [d for d in self.deliveries if not d.ended and not d.entry.gone]
        states = [
            f"{r.name}: {r.machine.snapshot().state} {r.machine.snapshot().halt_reason} held by "
            f"{r.machine.snapshot().held_by or 'nothing'}, {[p.number for p in r.tenures]}"
            for r in self.replicas
            if not r.dead
        ]
        first = f", first {unended[0].entry} {unended[0].kind}" if unended else ""
        return f"{len(unended)} deliveries have not ended{first}; " + "; ".join(states)

    def _trickle(self) -> None:
        """A few events go on coming: for its age alone nothing is given up while nothing else is delivered."""
        if not self._at_rest():
            self._write([RecordPlan(n, 0.0, 0, 100, ((Kind.FINE, "later"),)) for n in range(len(self._partitions))])
            self.clock.after(_TRICKLE_SECONDS, self._trickle)

    def _write(self, records: list[RecordPlan]) -> None:
        for plan in records:
            partition = self._partitions[plan.partition % len(self._partitions)]
            log = self.broker.logs[partition]
            log.append(entry(plan, partition, log.end + plan.gap, self.deliveries, self._lanes))
        for replica in self.replicas:
            replica.kafka.wake()

    def letter_written(self, *, cut: bool) -> tuple[float, bool]:
        """Write a dead letter: seconds until its writer hears of it, and whether it is acknowledged."""
        active = self.broker.active
        seconds = 0.005 + 0.02 * self.random.random()
        if FaultKind.LETTERS_SLOW in active:
            seconds = 1.0 + 9.0 * self.random.random()
        failed = self.broker.down or cut or FaultKind.LETTERS_FAIL in active
        lost = FaultKind.LETTER_ACKS_LOST in active and self.random.random() < 0.7
        return seconds, not (failed or lost)

    def _cover(self) -> None:
        for replica in self.replicas:
            stats = replica.machine._stats
            self.coverage["duplicates prevented by the map"] += stats.already_done
            self.coverage["stale completions"] += stats.stale
            self.coverage["offsets that no longer exist"] += stats.gap_offsets
            self.coverage["maps left out"] += stats.maps_left_out
            for held, seconds in replica.machine._gate.held_seconds.items():
                self.coverage[f"seconds held by {held.value}"] += int(seconds)
        self.coverage["accepted again"] += self.promise.accepted_again

    # ---- processes

    def _start_one(self) -> None:
        self._processes += 1
        replica = Replica(self, f"process {self._processes}")
        self.replicas = [r for r in self.replicas if not r.dead or r.machine._stats.records] + [replica]
        self.note("%s starts", replica.name)
        replica.start()

    def _alive(self, which: int) -> Replica | None:
        alive = [r for r in self.replicas if not r.dead]
        return alive[which % len(alive)] if alive else None

    # ---- faults

    def _happen(self, fault: Fault) -> None:
        self.note("FAULT %s for %.1f s", fault.kind, fault.seconds)
        self.coverage[fault.kind] += 1
        if fault.kind in _OF_WEBHOOK:
            what = (fault.kind, fault.amount)
            self.webhook.active.append(what)
            self.clock.after(fault.seconds, self.webhook.active.remove, what)
        elif fault.kind in _OF_BROKER:
            self.broker.active.add(fault.kind)
            self.clock.after(fault.seconds, self.broker.active.discard, fault.kind)
        else:
            _HAPPENS[fault.kind](self, fault)

    def _crash(self, fault: Fault, *, between_actions: bool = False) -> None:
        replica = self._alive(fault.which)
        if replica is None:
            return
        if between_actions:
            replica.crash_after = fault.amount % 7
        else:
            replica.die()
        self.clock.after(fault.seconds, self._replace, replica)

    def _replace(self, replica: Replica) -> None:
        replica.die()
        self._start_one()

    def _stop(self, fault: Fault) -> None:
        replica = self._alive(fault.which)
        if replica is not None:
            replica.stop(partial(self.clock.after, fault.seconds, self._start_one))

    def _all_away(self, then: Callable[[], None] | None) -> None:
        """Everybody dies; what is done to the group meanwhile; as many come back."""
        alive = [r for r in self.replicas if not r.dead]
        for replica in alive:
            replica.die()
        if then is not None:
            self.clock.after(SESSION_SECONDS + 1.0, then)
        for _ in range(max(len(alive), 2)):
            self.clock.after(SESSION_SECONDS + 2.0, self._start_one)

    def _reset(self, fault: Fault, by: int) -> None:
        partition = self._partition(fault)
        log = self.broker.logs[partition]
        committed = self.broker.committed.get(partition)
        if committed is None or self.broker.group.members:
            return  # Kafka refuses it while the group has members
        offset = min(max(committed.offset + by, log.start), log.end)
        self.note("operator resets %s from %s to %s", partition.number, committed, offset)
        for skipped in log.entries[: log.index(offset)]:
            skipped.gone = skipped.gone or bool(skipped.unended)
        self.promise.forgotten(partition, offset, "operator's reset")
        self.broker.committed[partition] = Position(offset)

    def _overwrite_metadata(self, fault: Fault) -> None:
        partition = self._partition(fault)
        committed = self.broker.committed.get(partition)
        if committed is not None and not self.broker.group.members:
            metadata = ("somebody's", "scc2r:AAAA", "scc1r:AAAA", committed.metadata[:-1])[fault.amount % 4]
            self.promise.forgotten(partition, committed.offset, "foreign metadata")
            self.broker.committed[partition] = Position(committed.offset, metadata)

    def _truncate(self, fault: Fault) -> None:
        log = self.broker.logs[self._partition(fault)]
        if log.entries:
            upto = fault.amount * len(log.entries) // 60
            for removed in log.entries[:upto]:
                removed.gone = removed.gone or bool(removed.unended)
            log.start = max(log.start, log.offsets[upto - 1] + 1 if upto else 0)

    def _recreate(self, fault: Fault) -> None:
        """The topic is deleted and made again: offsets begin anew, those committed are gone, or far beyond its end."""
        if self.broker.group.members:
            return
        for partition, log in self.broker.logs.items():
            for removed in log.entries:
                removed.gone = removed.gone or bool(removed.unended)
            committed = self.broker.committed.get(partition)
            # Kafka forgets a deleted topic's commits; a copy of the group elsewhere may keep them.
            if committed is not None and (fault.amount % 2 or committed.offset < FAR):
                del self.broker.committed[partition]
            log.recreate()
            self.promise.recreated(partition)

    def _compact(self, fault: Fault) -> None:
        log = self.broker.logs[self._partition(fault)]
        for candidate in log.entries[:-1]:
            if self.random.random() < 0.4:
                candidate.gone = True
        if fault.amount % 2:
            self._crash(fault)  # what the next owner's map has as open may be gone by then

    def _partition(self, fault: Fault) -> Partition:
        return self._partitions[fault.which % len(self._partitions)]

    def _zombie(self, fault: Fault) -> None:
        replica = self._alive(fault.which)
        if replica is not None:
            replica.kafka.cut_off(fault.seconds, fetches=bool(fault.amount % 2))

    def _lose(self, fault: Fault) -> None:
        replica = self._alive(fault.which)
        if replica is not None:
            replica.kafka.expelled_at_once()

    def _freeze(self, fault: Fault) -> None:
        replica = self._alive(fault.which)
        if replica is not None:
            replica.frozen_until = self.clock.now + min(fault.seconds, 12.0)

    def _poll_twice(self, fault: Fault) -> None:
        replica = self._alive(fault.which)
        if replica is not None:
            replica.kafka.polled_twice = True

    def _undecodable(self, fault: Fault) -> None:
        stretch = RecordPlan(fault.which % len(self._partitions), 0.0, 0, 200, ((Kind.UNDECODABLE, ""),))
        self._write([stretch] * (20 + fault.amount))


_HAPPENS: dict[FaultKind, Callable[[World, Fault], object]] = {
    FaultKind.CRASH: lambda world, fault: world._crash(fault),
    FaultKind.CRASH_BETWEEN_ACTIONS: lambda world, fault: world._crash(fault, between_actions=True),
    FaultKind.CRASH_ALL: lambda world, _: world._all_away(None),
    FaultKind.STOP: World._stop,
    FaultKind.JOIN: lambda world, _: world._start_one() if len(world.replicas) < 12 else None,
    FaultKind.COOPERATIVE: lambda world, _: world.broker.group.rebalance(),
    FaultKind.EAGER: lambda world, _: world.broker.group.rebalance(eager=True),
    FaultKind.LOST: World._lose,
    FaultKind.ZOMBIE: World._zombie,
    FaultKind.SLOW_LOOP: World._freeze,
    FaultKind.RESET_BACK: lambda world, fault: world._all_away(partial(world._reset, fault, -fault.amount)),
    FaultKind.RESET_FORWARD: lambda world, fault: world._all_away(partial(world._reset, fault, fault.amount)),
    FaultKind.FOREIGN_METADATA: lambda world, fault: world._all_away(partial(world._overwrite_metadata, fault)),
    FaultKind.TRUNCATION: World._truncate,
    FaultKind.RECREATED: lambda world, fault: world._all_away(partial(world._recreate, fault)),
    FaultKind.COMPACTION: World._compact,
    FaultKind.POLLED_TWICE: World._poll_twice,
    FaultKind.UNDECODABLE: World._undecodable,
}


def simulate(plan: Plan, *, trace: bool = False) -> Outcome:
    """Run one history."""
    return World(plan, trace=trace).run()
