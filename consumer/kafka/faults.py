"""What goes wrong between us and Kafka, in words, for people: what it means and what to look at.

librdkafka tries for ever and repeats itself while it does: the same fault is told once in half a minute.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError

from consumer.errors import KafkaUnavailableError
from consumer.kafka.events import BrokersAnswer, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.messages import Partition

_REPEAT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 10.0

_REMEDIES: Final = {
    KafkaError._ALL_BROKERS_DOWN: "check kafka.bootstrap_servers and the network",  # noqa: SLF001 - public names
    KafkaError._AUTHENTICATION: "check the SASL settings in kafka.properties",  # noqa: SLF001 - as above
    KafkaError._MAX_POLL_EXCEEDED: "the process was starved of CPU or suspended",  # noqa: SLF001 - as above
    KafkaError._RESOLVE: "check kafka.bootstrap_servers and DNS",  # noqa: SLF001 - as above
    KafkaError._SSL: "check the TLS settings in kafka.properties",  # noqa: SLF001 - as above
    KafkaError.FENCED_INSTANCE_ID: "another process has the same group.instance.id",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the principal needs READ on the group",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "the group's members disagree on partition.assignment.strategy",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the principal needs READ and DESCRIBE on the topic",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "make the topic or check kafka.topics; it is looked for again by itself",
}


def _words_for(error: KafkaError) -> str:
    """What has happened; librdkafka's own words but where they mislead."""
    if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - a public name
        # It counts them while they go: of a cluster of three that is away it may say "0/3 brokers are down".
        return "no broker can be reached"
    return error.str()


def remedy_for(error: KafkaError) -> str:
    """What to look at, or "" where the error says it all."""
    return _REMEDIES.get(error.code(), "")


class Faults:
    """Tells the driver of faults.

    Args:
        emit: takes each `SourceError`, and `BrokersAnswer`.
    """

    def __init__(self, emit: Callable[[SourceError | BrokersAnswer], None]) -> None:
        self._emit = emit
        self._told: dict[str, float] = {}
        self._lost = False
        self._look_at = 0.0

    def look_whether_over(self, now: float, ask: Callable[[], None]) -> None:
        """After a lost connection ask the brokers something, now and then, until they answer.

        librdkafka tells of what is lost, and never that it is back: on a topic without traffic nothing else would.

        Args:
            now: monotonic seconds.
            ask: raises `KafkaUnavailableError` without an answer.
        """
        if not self._lost or now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        with suppress(KafkaUnavailableError):
            ask()
            self._lost = False
            self._told = {key: until for key, until in self._told.items() if not key.startswith("_")}
            self._emit(BrokersAnswer())

    def kafka(self, error: KafkaError) -> None:
        """An error of librdkafka or the broker."""
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - a public name
            return
        remedy = remedy_for(error)
        # Errors of the client itself, by their names: no brokers, time-outs, no such host. One connection is none of
        # them: a broker that is away for long loses it again and again, while others answer.
        self._lost |= error.name().startswith("_") and error.code() != KafkaError._TRANSPORT  # noqa: SLF001 - public
        words = _words_for(error)
        self._tell(error.name(), f"{words}; {remedy}" if remedy else words, fatal=error.fatal())

    def unavailable(self, error: KafkaUnavailableError) -> None:
        """Partitions are held and cannot be read yet."""
        self._tell("UNAVAILABLE", f"partitions wait to be read; {error}; tried again by itself")

    def out_of_range(self, partition: Partition, offset: int, policy: str) -> None:
        """An offset is not there any more, or not yet."""
        what = "it stands still until a person has looked" if policy == "halt" else f"reading goes on from the {policy}"
        self._tell(
            "OFFSET_OUT_OF_RANGE",
            f"{partition.topic}/{partition.number} has no offset {offset}: retention was shorter than an outage, "
            f"or the topic was made anew; {what}",
        )

    def release(self, error: str) -> None:
        """The last commit of partitions that were given up did not succeed."""
        self._tell("RELEASE", f"partitions were given up without a last commit ({error}): some is delivered again")

    def fatal(self, error: Exception) -> None:
        """Nothing will be read any more."""
        text = str(error) or type(error).__name__
        self._tell("FATAL", f"the Kafka thread cannot go on: {text}", fatal=True)

    def _tell(self, code: str, message: str, *, fatal: bool = False) -> None:
        now = time.monotonic()
        # A lost connection's message says how long it had lasted: it is never the same twice.
        key = code if code.startswith("_") else message
        if not fatal and now < self._told.get(key, 0.0):
            return
        self._told = {known: until for known, until in self._told.items() if until > now}
        self._told[key] = now + _REPEAT_SECONDS
        self._emit(SourceError(code, message, fatal=fatal, lost=code.startswith("_")))
