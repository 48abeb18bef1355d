"""Whether a request may start now: one state machine for everything that can hold delivery back.

Theory of operation
    The questions are asked in one order, and the first "no" names what holds::

        halt         the webhook refused us (or a person must look): only a slow probe may start
        breaker      most attempts of the last half minute failed: one probe at a time, after a growing pause
        retry_after  the other side named a time
        rate         spaced out by GCRA, and counted over any second (`rate`)
        concurrency  AIMD below a fixed maximum

    Concurrency moves on the *share* of attempts that failed under pressure (429, 503, time-outs, lost connections), not
    on latency: a controller that infers from latency settles at a tenth of capacity under five per cent of random 503.
    A permit wraps one attempt: a delivery that waits for its retry holds none
    (https://github.com/vectordotdev/vector/issues/26123).

    Two clocks are derived from the same state: seconds during which each stage held work back (a metric), and seconds
    during which the gate was open, which the retry budget is measured in.

The share: a replica that owns half of all partitions takes half of the rate, of the burst and of the concurrency (of
both at least one), so that the sum over replicas is right without a coordinator; its bucket starts empty on every
assignment.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from consumer.delivery.rate import NEVER, Rate
from consumer.delivery.retry import PRESSURE, Verdict
from consumer.outcomes import FailureKind

if TYPE_CHECKING:
    from random import Random

    from consumer.delivery.messages import Answer

_HALT_AFTER = 3
_PROBE_FIRST_SECONDS = 5.0
_PROBE_CAP_SECONDS = 60.0
_BREAKER_SLOT_SECONDS = 5.0
_BREAKER_SLOTS = 6
_BREAKER_MIN_ATTEMPTS = 10
_BREAKER_SHARE = 0.5
_BREAKER_FIRST_SECONDS = 5.0
_BREAKER_CAP_SECONDS = 60.0
_PRESSURE_SHARE = 0.2
_PRESSURE_MIN_ATTEMPTS = 5
_DECREASE = 0.7


class Held(StrEnum):
    """What holds requests back; the label of ``gate_held_seconds_total``."""

    HALT = "halt"
    BREAKER = "breaker"
    RETRY_AFTER = "retry_after"
    RATE = "rate"
    CONCURRENCY = "concurrency"


class GateSettings(Struct, frozen=True):
    """Limits of the whole deployment, before this replica's share.

    Attributes:
        requests_per_second: None is unlimited.
        burst_requests: requests that may start at once after a pause; at least 1.
        concurrency: requests under way at most.
        retry_after_cap_seconds: what a Retry-After may ask for at most.
    """

    requests_per_second: float | None = 40.0
    burst_requests: int = 1
    concurrency: int = 20
    retry_after_cap_seconds: float = 300.0


class Gate:
    """The state machine above. Every method takes ``now``, monotonic seconds that never go back."""

    def __init__(self, settings: GateSettings, random: Random, now: float) -> None:
        self._settings = settings
        self._random = random
        self._rate = Rate(settings.requests_per_second, settings.burst_requests)
        self.in_flight = 0
        self.limit = settings.concurrency
        self.held_seconds: dict[Held, float] = dict.fromkeys(Held, 0.0)
        self._now = now
        self._open_seconds = 0.0
        self._held: Held | None = None
        self.halted = False
        self.undecided = False
        """While halted: the last probe was neither refused nor taken, so it is worth trying with another event."""
        self._probing_possible = True
        self._refusals = 0
        self._probe_at = now
        self._probe_pause = _PROBE_FIRST_SECONDS
        self._breaker_open = False
        self._breaker_until = now
        self._breaker_pause = _BREAKER_FIRST_SECONDS
        self._slot_attempts, self._slot_failures = [0] * _BREAKER_SLOTS, [0] * _BREAKER_SLOTS
        self._slot = int(now // _BREAKER_SLOT_SECONDS)
        self._probe: int | None = None
        self._closed_until = now
        self._limit_at = now
        self._attempts = self._pressed = 0
        self._attempt_seconds = 0.0
        self._limit_reached = False
        self._rate.set_share(1.0, now, rounds_up=True)

    # ---- the share of the deployment

    @property
    def share(self) -> float:
        """This replica's part of all partitions; 0 while it has none."""
        return self._rate.share

    @property
    def burst(self) -> int:
        """This replica's share of the burst, at least 1."""
        return self._rate.burst

    @property
    def maximum(self) -> int:
        """This replica's share of the concurrency, at least 1."""
        return max(1, math.floor(self._settings.concurrency * self.share + 1e-9))

    @property
    def rate_per_second(self) -> float | None:
        """This replica's share of the rate, or None where it is unlimited."""
        return self._rate.per_second

    def set_share(self, share: float, *, rounds_up: bool) -> None:
        """Take this part of rate, burst and concurrency from now on; the bucket starts empty.

        Args:
            share: 0 to 1.
            rounds_up: see `Rate.set_share`.
        """
        unlowered = self.limit >= self.maximum
        self._rate.set_share(share, self._now, rounds_up=rounds_up)
        self.limit = self.maximum if unlowered else min(self.limit, self.maximum)

    # ---- time

    def advance(self, now: float) -> None:
        """Move both clocks to ``now``. Call before anything else at a new time."""
        passed = now - self._now
        if passed <= 0.0:
            return
        if self._held is not None:
            self.held_seconds[self._held] += passed
        if not (self.halted or self._breaker_open):
            closed_until = self._closed_until
            self._open_seconds += passed if closed_until <= self._now else max(0.0, now - closed_until)
        self._now = now
        interval = now - self._limit_at
        if interval >= 1.0 and interval * self._attempts >= self._attempt_seconds:
            self._adjust_limit(now)

    @property
    def open_seconds(self) -> float:
        """Seconds so far during which neither halt, breaker nor Retry-After held; what retry budgets are spent in."""
        return self._open_seconds

    @property
    def held(self) -> Held | None:
        """What holds work back just now, None where nothing does or nothing waits."""
        return self._held

    def hold(self, held: Held | None) -> None:
        """Say whether work waits, and for which stage: `held_seconds` grows by it until the next call."""
        self._held = held

    # ---- asking and answering

    @property
    def probing(self) -> bool:
        """Whether the next request is to find out if the webhook is well again."""
        return self.halted or self._breaker_open

    def blocker(self) -> tuple[Held | None, float]:
        """What keeps the next request from starting now.

        Returns:
            (None, now) where it may start; else the stage and the time at which to ask again: `NEVER` where only an
            answer (or a person) can change it.
        """
        now = self._now
        if self.halted:
            if self._probe is not None or not self._probing_possible:
                return Held.HALT, NEVER
            if now < self._probe_at:
                return Held.HALT, self._probe_at
        elif self._breaker_open:
            if self._probe is not None:
                return Held.BREAKER, NEVER
            if now < self._breaker_until:
                return Held.BREAKER, self._breaker_until
        if now < self._closed_until:
            return Held.RETRY_AFTER, self._closed_until
        at = self._rate.free_at(now)
        if at > now:
            return Held.RATE, at
        if self.in_flight >= self.limit:
            self._limit_reached = True
            return Held.CONCURRENCY, NEVER
        return None, now

    def start(self, ident: int) -> None:
        """A request starts now; `blocker` has just said that it may."""
        self.in_flight += 1
        self._rate.start(self._now)
        if self.probing:
            self._probe = ident

    def written(self, now: float) -> None:
        """Every request that was started has left by now."""
        self._rate.written(max(now, self._now))

    def finish(self, answer: Answer, verdict: Verdict) -> bool:
        """A request has ended.

        Returns:
            True where delivery has just halted or just gone on: `halted` changed.
        """
        self.in_flight -= 1
        if verdict is Verdict.DELIVERED and self._probe is None and not (self.halted or self._breaker_open):
            # Nearly every answer: it changes no state, and is counted alone.
            self._attempts += 1
            self._attempt_seconds += answer.seconds
            self._refusals = 0
            self._slot_attempts[self._this_slot()] += 1
            return False
        probe = answer.send.ident == self._probe
        if probe:
            self._probe = None
        if answer.retry_after is not None and verdict is Verdict.RETRY:
            self._close(answer.retry_after)
        self._count(answer, verdict)
        was_halted = self.halted
        self._judge_halt(verdict, probe=probe)
        self._judge_breaker(verdict, probe=probe)
        return self.halted != was_halted

    def probe_now(self) -> None:
        """The destination has changed: a halt's next probe is due at once."""
        self._probe_at = self._now
        self._probe_pause = _PROBE_FIRST_SECONDS

    def stand_still(self, *, halted: bool) -> None:
        """Halt until told otherwise, without probing (a person must look), or go on."""
        self.halted = halted
        self._probing_possible = not halted

    # ---- the stages' own rules

    def _close(self, seconds: float) -> None:
        asked = min(max(seconds, 0.0), self._settings.retry_after_cap_seconds)
        # All that wait share one moment to wake up; over replicas too. Jitter in proportion spreads it.
        until = self._now + asked + self._random.uniform(0.0, min(asked, 30.0) * 0.1)
        self._closed_until = max(self._closed_until, until)

    def _judge_halt(self, verdict: Verdict, *, probe: bool) -> None:
        self.undecided = verdict is Verdict.RETRY if probe else self.undecided
        if verdict is Verdict.HALT:
            self._refusals += 1
            if self.halted and self._probing_possible:
                if probe:
                    self._probe_at = self._now + self._probe_pause
                    self._probe_pause = min(self._probe_pause * 2.0, _PROBE_CAP_SECONDS)
            elif self._refusals >= _HALT_AFTER and not self.halted:
                self.halted = True
                self._probe_pause = _PROBE_FIRST_SECONDS * 2.0
                self._probe_at = self._now + _PROBE_FIRST_SECONDS
        elif verdict is Verdict.RETRY:
            # It says nothing about the URL: a halt stays, its next probe comes as after a refusal.
            if self.halted and probe:
                self._probe_at = self._now + self._probe_pause
        elif verdict is Verdict.DELIVERED or probe:
            self._refusals = 0
            if self.halted and self._probing_possible:
                self.halted = False

    def _judge_breaker(self, verdict: Verdict, *, probe: bool) -> None:
        failed = verdict is Verdict.RETRY
        if self._breaker_open:
            if not failed and verdict is not Verdict.HALT:
                self._breaker_open = False
                self._breaker_pause = _BREAKER_FIRST_SECONDS
                self._slot_attempts, self._slot_failures = [0] * _BREAKER_SLOTS, [0] * _BREAKER_SLOTS
            elif probe:
                self._breaker_pause = min(self._breaker_pause * 2.0, _BREAKER_CAP_SECONDS)
                self._breaker_until = self._now + self._breaker_pause
            return
        slot = self._this_slot()
        self._slot_attempts[slot] += 1
        if failed:
            self._slot_failures[slot] += 1
            attempts, failures = sum(self._slot_attempts), sum(self._slot_failures)
            if attempts >= _BREAKER_MIN_ATTEMPTS and failures >= attempts * _BREAKER_SHARE:
                self._breaker_open = True
                self._breaker_until = self._now + self._breaker_pause

    def _this_slot(self) -> int:
        """Where the breaker counts now, of the slots that its window has."""
        slot = int(self._now // _BREAKER_SLOT_SECONDS)
        if slot != self._slot:
            for passed in range(self._slot + 1, min(slot, self._slot + _BREAKER_SLOTS) + 1):
                self._slot_attempts[passed % _BREAKER_SLOTS] = self._slot_failures[passed % _BREAKER_SLOTS] = 0
            self._slot = slot
        return slot % _BREAKER_SLOTS

    def _count(self, answer: Answer, verdict: Verdict) -> None:
        self._attempts += 1
        self._attempt_seconds += answer.seconds
        if verdict is Verdict.RETRY:
            pressed = answer.failure is not FailureKind.DNS if answer.failure else answer.status in PRESSURE
            self._pressed += pressed

    def _adjust_limit(self, now: float) -> None:
        if self._attempts >= _PRESSURE_MIN_ATTEMPTS and self._pressed > _PRESSURE_SHARE * self._attempts:
            self.limit = max(1, math.floor(self.limit * _DECREASE))
        elif self._limit_reached and self.limit < self.maximum:
            self.limit = min(self.maximum, self.limit + max(1, self.limit // 10))
        self._limit_at = now
        self._attempts = self._pressed = 0
        self._attempt_seconds = 0.0
        self._limit_reached = False
