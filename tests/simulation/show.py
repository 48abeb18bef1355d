"""A history's turns, a line each, short enough to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.delivery.messages import (
    Assigned,
    Commit,
    Committed,
    Completed,
    DeadLetter,
    DeadLettersWritten,
    HaltChanged,
    Lost,
    Pause,
    Polled,
    Release,
    Revoking,
    Send,
    Timer,
)
from consumer.delivery.offset_map import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumer.delivery.messages import Partition, Position
    from tests.simulation.entries import Delivery


class Show:
    """Says events and actions in words; ``deliveries`` are found by their bodies."""

    def __init__(self, deliveries: list[Delivery]) -> None:
        self._deliveries = deliveries
        self._how: dict[type, Callable[[Any], str]] = {
            Polled: lambda e: "polled " + " ".join(repr(record.source) for record in e.records),
            Completed: lambda e: "answers " + ", ".join(map(self._answer, e.answers)),
            DeadLettersWritten: lambda e: f"letters ok {_letters(e.acknowledged)} failed {_letters(e.failed)}",
            Assigned: lambda e: f"assigned {_positions(e.positions)} of {sum(e.counts.values())}",
            Committed: lambda e: f"commit {'ok' if e.ok else 'FAILED'} {_positions(e.positions)}",
            Revoking: lambda e: f"revoking {_numbers(e.partitions)}",
            Lost: lambda e: f"lost {_numbers(e.partitions)}",
            Send: lambda a: f"send {a.ident}: {self._bodies(a)}" + (f" again ({a.attempt})" if a.attempt > 1 else ""),
            DeadLetter: lambda a: f"letter {a.ident}: {a.source} {a.reason}",
            Commit: lambda a: f"commit {_positions(a.positions)}",
            Release: lambda a: f"release {_positions(a.positions)}",
            Pause: lambda a: f"pause {_numbers(a.partitions)}",
            HaltChanged: lambda a: f"HALT {a.reason}" if a.reason else "halt ends",
        }

    def turn(self, who: str, event: object, actions: Iterable[object]) -> str | None:
        """One turn; None where nothing came of the time passing."""
        done = [self._say(action) for action in actions if type(action) is not Timer]
        said = self._say(event)
        return None if said == "tick" and not done else f"{who}: {said}" + (" -> " + "; ".join(done) if done else "")

    def _say(self, what: object) -> str:
        how = self._how.get(type(what))
        return how(what) if how else type(what).__name__.lower()

    def _bodies(self, send: Send) -> str:
        return " ".join(self._delivery(self._deliveries[int(body)]) for body in send.bodies)

    @staticmethod
    def _delivery(delivery: Delivery) -> str:
        nth = delivery.entry.deliveries.index(delivery)
        return f"{delivery.entry}" + (f".{nth}" if nth else "")

    def _answer(self, answer: Any) -> str:
        after = f" after {answer.retry_after:g} s" if answer.retry_after is not None else ""
        return f"{answer.send.ident}={answer.failure or answer.status}{after}"


def _numbers(partitions: Iterable[Partition]) -> str:
    return "{" + " ".join(str(p.number) for p in sorted(partitions)) + "}"


def _letters(letters: Iterable[DeadLetter]) -> str:
    return "{" + " ".join(str(letter.ident) for letter in letters) + "}"


def _positions(positions: Mapping[Partition, Position]) -> str:
    parts = []
    for partition, position in sorted(positions.items()):
        restored = decode(position.offset, position.metadata)
        runs = "".join(f" +{first}..{end - 1}" for first, end in restored.runs)
        age = f" age {restored.elapsed_seconds} s" if restored.elapsed_seconds else ""
        parts.append(f"{partition.number}@{position.offset}{runs}{age}")
    return "{" + ", ".join(parts) + "}"
