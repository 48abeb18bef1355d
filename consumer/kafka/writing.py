"""An idempotent producer that is replaced when it breaks for good."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.kafka.properties import make_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_logger: Final = logging.getLogger("consumer.kafka.librdkafka")


class WritingClient:
    """Produces records; what became of each is told by its callback, on the thread that polls.

    Args:
        properties: librdkafka's.
        secret: those of them whose values may be secrets, for the error.

    Raises:
        ConfigurationError: librdkafka refuses the properties.
    """

    def __init__(self, properties: Mapping[str, Any], secret: Mapping[str, str]) -> None:
        self._properties = {**properties, "error_cb": self._on_error, "logger": _logger}
        self._lock = Lock()
        self._broken = False
        self._producer = make_client(Producer, self._properties, secret)

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        done: Callable[[KafkaError | None], None],
    ) -> KafkaError | None:
        """Queue a record; an error means that it was not taken and that ``done`` is not called."""
        try:
            with self._lock:
                self._producer.produce(
                    topic, value=value, key=key, headers=list(headers), on_delivery=lambda error, _: done(error)
                )
        except BufferError:
            return KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - librdkafka's own errors are public so
        except KafkaException as error:
            refusal: KafkaError = error.args[0]
            return refusal
        return None

    def poll(self, timeout_seconds: float) -> None:
        """Call the callbacks that are due, waiting for the first; replace a producer that is broken for good."""
        self._producer.poll(timeout_seconds)
        if self._broken:
            with self._lock:
                old, self._producer, self._broken = self._producer, Producer(self._properties), False
            # Out of the lock: what was queued fails now, and its callbacks may produce again.
            old.purge()
            old.flush(1)

    def flush(self, timeout_seconds: float) -> int:
        """Wait for everything under way; how much is left."""
        return self._producer.flush(timeout_seconds)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - as above
            self._broken = True
