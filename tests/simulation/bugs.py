"""Bugs planted into the core, by name: a simulation that does not find them would show nothing by finding none.

Each is what somebody could have written, many what somebody has. The last ones stood in this core until the simulator
found them.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from consumer.delivery import backpressure, dead_letters, dispatch, gate, ledger, machine, partition, rate, retry
from consumer.delivery.messages import DeadLettersWritten, Position, Release
from consumer.delivery.offset_map import Restored
from consumer.outcomes import Post
from tests.simulation.history import simulate
from tests.simulation.plan import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.history import Outcome

Patches = list[tuple[type, str, Any]]

BUGS: dict[str, Callable[[], Patches]] = {}


def _bug(function: Callable[[], Patches]) -> Callable[[], Patches]:
    BUGS[function.__name__] = function
    return function


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The core with this bug, for a while."""
    with ExitStack() as stack:
        for owner, attribute, value in BUGS[name]():
            stack.enter_context(patch.object(owner, attribute, value))
        yield


def caught(name: str, seeds: int, first: int = 0) -> tuple[int, Outcome] | None:
    """How many histories it takes until the bug is found, and the one that finds it; None where that many do not."""
    with planted(name):
        for number, seed in enumerate(range(first, first + seeds), start=1):
            outcome = simulate(make(seed))
            if outcome.violation is not None:
                return number, outcome
    return None


# ---- offsets


@_bug
def commit_the_highest_seen() -> Patches:
    """https://github.com/confluentinc/parallel-consumer/issues/826."""

    def position(self: partition.PartitionState, _: float, *, with_map: bool) -> tuple[Position, bool]:
        return Position(self.ledger.cursor), with_map

    return [(partition.PartitionState, "position", position)]


@_bug
def commit_what_is_in_progress_at_a_revoke() -> Patches:
    """Revoked, hence committed."""

    def release(self: machine.Machine) -> None:
        revoking, self._revoking = self._revoking, []
        if revoking:
            positions = {state.partition: Position(state.ledger.cursor) for state in revoking}
            for state in revoking:
                self._give_up(state)
            self._out.append(Release(positions))

    return [(machine.Machine, "_release", release)]


@_bug
def commit_after_a_revoke() -> Patches:
    """No fence: what was given up stays, and is committed when it is done."""

    def give_up(self: machine.Machine, state: partition.PartitionState) -> None:
        state.deadline = None

    return [(machine.Machine, "_give_up", give_up)]


@_bug
def take_a_failed_commit_for_done() -> Patches:
    original = partition.PartitionState.committed_at

    def committed_at(self: partition.PartitionState, position: Position, *, ok: bool) -> None:
        original(self, position, ok=ok or True)

    return [(partition.PartitionState, "committed_at", committed_at)]


@_bug
def forget_sibling_deliveries() -> Patches:
    """The first delivery of a record that ends ends the record."""
    original = machine.Machine._end

    def end(self: machine.Machine, delivery: partition.Delivery, outcome: str, reason: str) -> None:
        opened = delivery.of
        if opened.record.offset in opened.owner.open:
            opened.remaining = 1
        else:
            opened.remaining = 2
        original(self, delivery, outcome, reason)

    return [(machine.Machine, "_end", end)]


@_bug
def count_an_end_twice() -> Patches:
    """Now and then: the second answer to a request that was given up."""
    original = machine.Machine._end

    def end(self: machine.Machine, delivery: partition.Delivery, outcome: str, reason: str) -> None:
        if delivery.of.remaining == 2 and delivery.of.record.offset % 5 == 0:
            delivery.of.remaining = 1
        elif not delivery.of.remaining:
            delivery.of.remaining = 2
        original(self, delivery, outcome, reason)

    return [(machine.Machine, "_end", end)]


@_bug
def map_off_by_one() -> Patches:
    """Each run of done offsets is said to be one longer."""
    original = ledger.Ledger._encode

    def encode(self: ledger.Ledger, elapsed_seconds: int) -> str:
        self._ends = [end + 1 for end in self._ends]
        try:
            return original(self, elapsed_seconds)
        finally:
            self._ends = [end - 1 for end in self._ends]

    return [(ledger.Ledger, "_encode", encode)]


@_bug
def skip_the_holes_of_a_restored_map() -> Patches:
    """Only the highest completion is restored: what was open below it is taken for done."""

    def poll(self: ledger.Ledger, offset: int) -> bool:
        highest = self._ends[-1] if self._ends and self.cursor < self._ends[-1] else -1
        return original(self, offset) and offset >= highest

    original = ledger.Ledger.poll
    return [(ledger.Ledger, "poll", poll)]


@_bug
def restore_no_map() -> Patches:
    """Correct, but for the duplicates."""
    return [(machine, "decode", lambda offset, metadata: Restored())]


@_bug
def wait_for_offsets_in_gaps() -> Patches:
    """Offsets that do not exist are waited for."""

    def close_gap(self: ledger.Ledger, until: int) -> None:
        self.cursor = until

    return [(ledger.Ledger, "_close_gap", close_gap)]


# ---- dead letters


@_bug
def commit_on_a_failed_dead_letter() -> Patches:
    """Tried, hence passed."""
    original = machine.Machine._on_dead_letters_written

    def written(self: machine.Machine, event: DeadLettersWritten) -> None:
        original(self, DeadLettersWritten([*event.acknowledged, *event.failed]))

    return [(machine.Machine, "_on_dead_letters_written", written)]


@_bug
def commit_before_a_dead_letter_is_acknowledged() -> Patches:
    original = dead_letters.DeadLetters.add

    def end_at_once(self: machine.Machine, delivery: partition.Delivery, *arguments: Any, **named: Any) -> None:
        dead_letter(self, delivery, *arguments, **named)
        if delivery.of.remaining:
            self._end(delivery, "dead_lettered", "")

    def acknowledged(self: dead_letters.DeadLetters, letter: Any) -> None:
        pending = self._pending.pop(letter.ident)
        pending.delivery.of.owner.in_flight -= pending.delivery.of.owner.alive

    dead_letter = machine.Machine._dead_letter
    return [
        (machine.Machine, "_dead_letter", end_at_once),
        (dead_letters.DeadLetters, "acknowledged", acknowledged),
        (dead_letters.DeadLetters, "add", original),
    ]


@_bug
def take_halt_answers_for_final() -> Patches:
    """A webhook URL that was revoked for an hour empties the topic into the dead-letter topic."""
    original = retry.RetryPolicy.verdict

    def verdict(self: retry.RetryPolicy, *arguments: Any) -> retry.Verdict:
        found = original(self, *arguments)
        return retry.Verdict.REJECT if found is retry.Verdict.HALT else found

    return [(retry.RetryPolicy, "verdict", verdict)]


@_bug
def reject_a_whole_batch() -> Patches:
    """One bad event in a request takes the others along."""
    original = retry.RetryPolicy.verdict

    def verdict(self: retry.RetryPolicy, *arguments: Any) -> retry.Verdict:
        found = original(self, *arguments)
        return retry.Verdict.REJECT if found is retry.Verdict.BISECT else found

    return [(retry.RetryPolicy, "verdict", verdict)]


@_bug
def start_the_budget_anew_at_a_restart() -> Patches:
    """https://github.com/knative-extensions/eventing-kafka-broker/issues/3746: a stuck event outlives every budget."""
    original = machine.decode
    return [
        (machine, "decode", lambda offset, metadata: Restored(original(offset, metadata).runs)),
    ]


@_bug
def leave_the_age_out_of_the_commit() -> Patches:
    return [(partition.PartitionState, "oldest_elapsed", lambda self, open_seconds: 0)]


@_bug
def remember_what_was_refused() -> Patches:
    """A repeat is skipped whose first was not delivered."""
    original = machine.Machine._end

    def end(self: machine.Machine, delivery: partition.Delivery, outcome: str, reason: str) -> None:
        original(self, delivery, outcome, reason)
        if self._delivered is not None and isinstance(delivery.plan, Post):
            self._delivered.mark(delivery.plan.mapping, delivery.plan.message_id)

    return [(machine.Machine, "_end", end)]


# ---- order, gate, memory


@_bug
def send_two_of_a_lane_at_once() -> Patches:
    original = partition.PartitionState.join_lane

    def join_lane(self: partition.PartitionState, delivery: partition.Delivery, lane: str) -> bool:
        original(self, delivery, lane)
        return True

    return [(partition.PartitionState, "join_lane", join_lane)]


@_bug
def hand_the_lane_on_at_a_retry() -> Patches:
    """A failing delivery steps aside for those behind it."""
    original = dispatch.Dispatcher.park

    def park(self: dispatch.Dispatcher, request: dispatch.Request, at: float) -> None:
        original(self, request, at)
        for delivery in request.deliveries:
            following, delivery.following = delivery.following, None
            if following is not None:
                self.ready(following, at)

    return [(dispatch.Dispatcher, "park", park)]


@_bug
def hold_the_permit_in_backoff() -> Patches:
    """https://github.com/vectordotdev/vector/issues/26123."""
    original = dispatch.Dispatcher.run

    def run(self: dispatch.Dispatcher, now: float) -> None:
        held = sum(at > now for at, _, _ in self._parked)
        self._gate.in_flight += held
        original(self, now)
        self._gate.in_flight -= held

    return [(dispatch.Dispatcher, "run", run)]


@_bug
def ignore_retry_after() -> Patches:
    return [(gate.Gate, "_close", lambda self, seconds: None)]


@_bug
def fill_the_bucket_at_each_assignment() -> Patches:
    original = rate.Rate.set_share

    def set_share(self: rate.Rate, share: float, now: float, *, rounds_up: bool) -> None:
        original(self, share, now, rounds_up=rounds_up)
        self._arrival = now
        self._earlier.clear()
        self._recent.clear()

    return [(rate.Rate, "set_share", set_share)]


@_bug
def space_requests_out_and_count_none() -> Patches:
    """Each replica may have one more in a second than its rate says, and their seconds meet."""

    def count(self: rate.Rate, now: float) -> None:
        self._most, self._most_until = 10**9, rate.NEVER

    return [(rate.Rate, "_count", count)]


@_bug
def count_requests_from_when_they_were_decided_on() -> Patches:
    """They leave when the loop has turned, and those of a second later may leave at once."""
    return [(rate.Rate, "written", lambda self, now: None)]


@_bug
def round_up_each_replicas_part() -> Patches:
    original = gate.Gate.set_share
    return [(gate.Gate, "set_share", lambda self, share, rounds_up: original(self, share, rounds_up=True))]


@_bug
def give_each_replica_the_whole_rate() -> Patches:
    original = gate.Gate.set_share
    return [(gate.Gate, "set_share", lambda self, share, rounds_up: original(self, 1.0, rounds_up=True))]


@_bug
def never_pause() -> Patches:
    return [(machine.Machine, "_pause", lambda self: None)]


@_bug
def bound_the_memory_of_each_partition_alone() -> Patches:
    """With many of them: what fetches bring beyond the shares added up to ten times the whole."""
    return [(backpressure.Backpressure, "_is_full", lambda self, held, now, busy: False)]


@_bug
def drop_what_is_ready_when_another_partition_goes() -> Patches:
    def forget_given_up(self: dispatch.Dispatcher) -> None:
        self._ready.keep(lambda delivery: False)

    return [(dispatch.Dispatcher, "forget_given_up", forget_given_up)]


# ---- these stood in the core until the simulator found them


@_bug
def give_an_age_to_whatever_comes_next() -> Patches:
    """An age restored from a commit went to every later record that came at the committed offset."""

    def admit(self: partition.PartitionState, *arguments: Any) -> partition.OpenRecord:
        self._restored_offset = self.committed.offset
        return original(self, *arguments)

    original = partition.PartitionState.admit
    return [(partition.PartitionState, "admit", admit)]


@_bug
def take_in_nothing_where_a_restored_map_is_large() -> Patches:
    """A map that had been written with its last characters left its partition paused for ever."""

    def admits(self: ledger.Ledger) -> bool:
        return not self._starts or len(self._encode(0)) <= self._max_chars * ledger.ADMIT_SHARE

    return [(ledger.Ledger, "admits", admits)]


@_bug
def count_the_budget_by_record() -> Patches:
    """A delivery that had waited for its lane was given up at its first failure, its sibling being old."""
    original = machine.Machine._budget_spent

    def budget_spent(self: machine.Machine, delivery: partition.Delivery) -> bool:
        first, delivery.first_attempt = delivery.first_attempt, delivery.of.first_attempt
        try:
            return original(self, delivery)
        finally:
            delivery.first_attempt = first

    return [(machine.Machine, "_budget_spent", budget_spent)]


@_bug
def halt_with_nothing_left_to_try() -> Patches:
    return [(machine.Machine, "_wants_another", lambda self: False)]


@_bug
def try_a_breaker_with_what_always_fails() -> Patches:
    return [(gate.Gate, "probing", property(lambda self: False))]


@_bug
def halt_for_a_dead_letter_that_is_gone() -> Patches:
    return [(dead_letters.DeadLetters, "failing", property(lambda self: True))]


@_bug
def let_a_timer_be_early_once() -> Patches:
    return [(machine.Machine, "_on_tick", lambda self: None)]
