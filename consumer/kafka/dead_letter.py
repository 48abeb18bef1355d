"""Dead letters: written by an idempotent producer, and counted only once the broker has acknowledged them.

Theory of operation
    `write` queues and returns; a thread polls the producer, and what came of the writes is reported in batches. So
    neither waits for the other, and the offset of a record passes on the broker's word only.

    A record that the topic's limit refuses is written again: first by itself, for the limit is the batch's and a
    neighbour may have exceeded it; then without its value, which the headers describe.

    A producer that can no longer vouch for its order is fatally broken
    (https://github.com/confluentinc/librdkafka/blob/master/INTRODUCTION.md#idempotent-producer): it is replaced, and
    the machine writes again what was not acknowledged. That may write a dead letter twice, never lose one.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from consumer.kafka.dead_letter_headers import build_headers, without_value
from consumer.kafka.properties import producer_properties
from consumer.kafka.writing import WritingClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.kafka.dead_letter_headers import DeadLetterContext, Header

_POLL_SECONDS: Final = 0.5
_REQUEST_SECONDS: Final = 10.0


class DeadLettersReported(Struct, frozen=True):
    """What came of writes.

    Attributes:
        written: idents that the broker has acknowledged.
        failed: idents that it has not, each with Kafka's error.
    """

    written: Sequence[int]
    failed: Sequence[tuple[int, str]]


class _Write(Struct, frozen=True):
    ident: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    alone: bool = False


class DeadLetterWriter:
    """Writes dead letters. `check` waits for the broker, the other methods do not; any thread may call them.

    Args:
        bootstrap_servers: as the consumer's.
        properties: the settings' ``kafka.properties``.
        topic: the dead-letter topic.
        create: make it where it is missing.
        emit: takes each `DeadLettersReported`, on the writer's thread; must neither block nor raise.

    Raises:
        ConfigurationError: librdkafka refuses the properties.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        properties: Mapping[str, str],
        topic: str,
        create: bool,
        emit: Callable[[DeadLettersReported], None],
    ) -> None:
        self._properties = producer_properties(bootstrap_servers, properties)
        self._topic = topic
        self._create = create
        self._emit = emit
        self._results: SimpleQueue[tuple[int, str | None]] = SimpleQueue()
        self._client = WritingClient(self._properties, properties)
        self._user_properties = properties
        # Made when a batch was too large: one record a request, so that each is judged by its own size.
        self._single: WritingClient | None = None
        self._single_lock = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="dead-letter", daemon=True)
        self._thread.start()

    def check(self) -> str | None:
        """Look whether dead letters can be written, and make the topic if that is asked for. Takes seconds at worst.

        Returns:
            What is wrong and what to do, or None.
        """
        properties = {name: v for name, v in self._properties.items() if name != "enable.idempotence"}
        # What goes wrong is in the answers; librdkafka's own lines on standard error would only repeat it.
        admin = AdminClient({**properties, "log_level": 0})
        try:
            # All topics are asked for: asking for one by name makes it, on brokers that make topics by themselves.
            cluster = admin.list_topics(timeout=_REQUEST_SECONDS)
            found = cluster.topics.get(self._topic)
            if found is None:
                return self._make(admin)
            if found.error is not None:
                return f"the dead-letter topic cannot be used: {found.error.str()}"
        except (KafkaException, TimeoutError) as error:
            return f"the dead-letter topic cannot be looked for: {_said(error)}"
        # With no controller to be had (an election; some embedded brokers) the question would wait for its time-out.
        return self._may_write(admin) if cluster.controller_id in cluster.brokers else None

    def _make(self, admin: AdminClient) -> str | None:
        if not self._create:
            return "the dead-letter topic does not exist: make it, or set dead_letter.create"
        # As many partitions and replicas as the cluster gives by default.
        new = NewTopic(self._topic, num_partitions=-1, replication_factor=-1)
        try:
            admin.create_topics([new], operation_timeout=_REQUEST_SECONDS)[self._topic].result(2 * _REQUEST_SECONDS)
        except (KafkaException, TimeoutError) as error:
            # Another replica may have been quicker.
            if not isinstance(error, KafkaException) or error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                return f"the dead-letter topic does not exist and cannot be made: {_said(error)}"
        return None

    def _may_write(self, admin: AdminClient) -> str | None:
        asked = TopicCollection([self._topic])
        try:
            answer = admin.describe_topics(asked, include_authorized_operations=True, request_timeout=_REQUEST_SECONDS)
            allowed = answer[self._topic].result(2 * _REQUEST_SECONDS).authorized_operations
        except (KafkaException, TimeoutError):
            return None  # a broker that cannot say: the first write will show
        if allowed and not {AclOperation.WRITE, AclOperation.ALL} & set(allowed):
            return "the dead-letter topic is read-only for this principal: it needs WRITE on it"
        return None

    def write(self, ident: int, message: Message, context: DeadLetterContext) -> None:
        """Write a record's dead letter; `DeadLettersReported` follows, with this ident."""
        # A polled message's headers are a list and their values bytes; the type allows for what one may produce.
        headers = build_headers(cast("list[Header] | None", message.headers()), context)
        self._produce(_Write(ident, message.key(), message.value(), headers))

    def close(self, timeout_seconds: float) -> bool:
        """Wait for what is under way, then end the thread; whether everything was acknowledged."""
        left = sum(client.flush(timeout_seconds) for client in (self._client, self._single) if client is not None)
        self._closing.set()
        self._thread.join(timeout_seconds + 2 * _POLL_SECONDS)
        return left == 0

    def _produce(self, write: _Write) -> None:
        client = self._careful() if write.alone else self._client
        error = client.produce(
            self._topic, write.key, write.value, write.headers, lambda error: self._delivered(write, error)
        )
        if error is not None:
            self._delivered(write, error)

    def _delivered(self, write: _Write, error: KafkaError | None) -> None:
        """The broker's word, on the thread that polls; or, before anything was sent, librdkafka's."""
        if error is None:
            self._results.put((write.ident, None))
        elif error.code() != KafkaError.MSG_SIZE_TOO_LARGE or (write.alone and write.value is None):
            self._results.put((write.ident, error.str()))
        elif not write.alone:
            self._produce(_Write(write.ident, write.key, write.value, write.headers, alone=True))
        else:
            headers = without_value(write.headers, write.value or b"")
            self._produce(_Write(write.ident, write.key, None, headers, alone=True))

    def _careful(self) -> WritingClient:
        with self._single_lock:
            if self._single is None:
                self._single = WritingClient(self._properties | {"batch.num.messages": 1}, self._user_properties)
            return self._single

    def _run(self) -> None:
        while not self._closing.is_set():
            self._client.poll(_POLL_SECONDS)
            if self._single is not None:
                self._single.poll(0)
            self._report()
        self._report()

    def _report(self) -> None:
        written: list[int] = []
        failed: list[tuple[int, str]] = []
        try:
            while True:
                ident, error = self._results.get_nowait()
                if error is None:
                    written.append(ident)
                else:
                    failed.append((ident, error))
        except Empty:
            pass
        if written or failed:
            self._emit(DeadLettersReported(written, failed))


def _said(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
