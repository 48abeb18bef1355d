"""How the stand-in is made to fail: a list of rules, set at run time with ``PUT /faults``.

A rule applies to a request if its ``match`` fits, its ``probability`` hits and its ``count`` is not used up. Of the
rules that apply, latencies add up, and the first with an outcome (status, hang, reset) decides it. So
``[{"latency_seconds": [0.01, 0.1]}, {"status": 503, "probability": 0.1}]`` is slow always and fails a tenth of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_ALIASES: Final = {"latency": "latency_seconds", "retry_after": "retry_after_seconds"}


class FaultError(ValueError):
    """A rule cannot be understood; the message says which and what is allowed."""


class Rule(Struct, frozen=True):
    """One rule.

    Attributes:
        status: answer with it; a 2xx takes the body as usual.
        latency_seconds: wait between the two before answering.
        hang: never answer; the connection stays open until the sender leaves.
        reset: answer with a TCP reset.
        accept: with hang or reset: take the body all the same, as a server does that fails after it has worked.
        retry_after_seconds: send a Retry-After header; a text is sent as it is (a date).
        probability: of applying to a request that matches, 0 to 1.
        match: field (dotted) to value; every one must be equal in one delivery of the request. A list is "one of".
        count: applies to so many requests, then no more; None is no end.
    """

    status: int | None = None
    latency_seconds: tuple[float, float] | None = None
    hang: bool = False
    reset: bool = False
    accept: bool = False
    retry_after_seconds: float | str | None = None
    probability: float = 1.0
    match: dict[str, Any] = field(default_factory=dict)
    count: int | None = None

    @property
    def decides(self) -> bool:
        """It has an outcome of its own, not only a latency."""
        return self.status is not None or self.hang or self.reset

    def matches(self, bodies: Sequence[Any]) -> bool:
        """Whether one of the deliveries has every value."""
        return not self.match or any(
            all(_equal(_at(body, path), wanted) for path, wanted in self.match.items()) for body in bodies
        )

    @classmethod
    def parse(cls, value: Any) -> Rule:
        """A rule from JSON; ``latency`` and ``retry_after`` are taken for ``…_seconds``.

        Raises:
            FaultError: an unknown key or a value of the wrong kind.
        """
        if not isinstance(value, dict):
            raise FaultError("a rule must be an object")
        keys: dict[str, Any] = {_ALIASES.get(str(key), str(key)): each for key, each in value.items()}
        unknown = sorted(set(keys) - set(cls.__struct_fields__))
        if unknown:
            raise FaultError(f"unknown: {', '.join(unknown)}; known: {', '.join(cls.__struct_fields__)}")
        for name, good, wanted in (
            ("status", lambda v: type(v) is int and 200 <= v <= 599, "a status from 200 to 599"),
            ("hang", lambda v: isinstance(v, bool), "true or false"),
            ("reset", lambda v: isinstance(v, bool), "true or false"),
            ("accept", lambda v: isinstance(v, bool), "true or false"),
            ("retry_after_seconds", lambda v: _is_number(v) or isinstance(v, str), "seconds or a text"),
            ("probability", lambda v: _is_number(v) and v <= 1, "a number from 0 to 1"),
            ("match", lambda v: isinstance(v, dict), "an object of field to value"),
            ("count", lambda v: type(v) is int and v >= 0, "a whole number"),
        ):
            if keys.get(name) is not None and not good(keys[name]):
                raise FaultError(f"{name} must be {wanted}")
        keys = {name: each for name, each in keys.items() if each is not None}
        if "latency_seconds" in keys:
            keys["latency_seconds"] = _range(keys["latency_seconds"])
        return cls(**keys)


class Fault(Struct, frozen=True):
    """What the rules make of one request: wait, then the outcome of ``rule`` (None: answer as usual)."""

    wait_seconds: float = 0.0
    rule: Rule | None = None


NO_FAULT: Final = Fault()


class Faults:
    """The rules in force and how often each applied."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rules: list[Rule] = []
        self._hits: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def replace(self, value: Any) -> None:
        """Put these rules in place of all: a rule, a list of them, or ``{"rules": [...]}``.

        Raises:
            FaultError: one cannot be understood; the old ones stay.
        """
        if isinstance(value, dict) and set(value) == {"rules"}:
            value = value["rules"]
        listed = value if isinstance(value, list) else [value]
        rules = []
        for index, each in enumerate(listed):
            try:
                rules.append(Rule.parse(each))
            except FaultError as error:
                raise FaultError(f"rules[{index}]: {error}") from None
        self._rules, self._hits = rules, [0] * len(rules)

    def shown(self) -> list[dict[str, Any]]:
        """The rules as JSON, what is not set left out, with ``hits``."""
        shown = []
        for rule, hits in zip(self._rules, self._hits, strict=True):
            values = {name: getattr(rule, name) for name in Rule.__struct_fields__}
            empty: tuple[Any, ...] = (None, False, {})
            shown.append({name: value for name, value in values.items() if value not in empty} | {"hits": hits})
        return shown

    def draw(self, bodies: Sequence[Any]) -> Fault:
        """Decide for one request with these deliveries."""
        wait = 0.0
        for index, rule in enumerate(self._rules):
            if rule.count is not None and self._hits[index] >= rule.count:
                continue
            if not rule.matches(bodies):
                continue
            if rule.probability < 1.0 and self._random.random() >= rule.probability:
                continue
            self._hits[index] += 1
            if rule.latency_seconds is not None:
                wait += self._random.uniform(*rule.latency_seconds)
            if rule.decides:
                return Fault(wait, rule)
        return Fault(wait) if wait else NO_FAULT


def _at(body: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(key)
    return body


def _equal(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _range(value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2 or not all(map(_is_number, pair)) or pair[0] > pair[1]:
        raise FaultError("latency_seconds must be seconds, or [least, most]")
    return float(pair[0]), float(pair[1])
