"""Questions to Kafka: brokers, topics, group, dead-letter topic, and what this principal may do with them.

Permissions are the broker's own word (``authorized_operations``, KIP-430) where it gives one; reading is also tried
(`consumer.checks.sample`). A broker that cannot say (an embedded one) is told apart from one that refuses.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from consumer.checks.finding import Finding, Verdict
from consumer.delivery.messages import Partition
from consumer.errors import ConfigurationError
from consumer.kafka.faults import remedy_for
from consumer.kafka.offsets import committed, offsets_at
from consumer.kafka.properties import make_client, producer_properties
from consumer.kafka.topics import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from concurrent.futures import Future

    from confluent_kafka import Consumer

    from consumer.checks.finding import Deadline
    from consumer.config.model import Settings

_REQUEST_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
_CANNOT_SAY: Final = frozenset({KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION})  # noqa: SLF001 - public
_COORDINATOR_COMES: Final = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
_DAY_MS: Final = 86_400_000


class KafkaChecks:
    """One cluster's questions.

    Args:
        settings: which cluster, as whom.
        deadline: of all questions together.

    Attributes:
        partitions: those of the source topics that exist and may be seen; known after `topics`.

    Raises:
        ConfigurationError: librdkafka refuses ``kafka.properties``, or a topic pattern is none.
    """

    def __init__(self, settings: Settings, deadline: Deadline) -> None:
        self._settings = settings
        self._deadline = deadline
        self._errors: list[KafkaError] = []
        self._subscription = Subscription(settings.kafka.topics)
        self.partitions: list[Partition] = []
        given = settings.kafka.client_properties()
        properties: dict[str, Any] = producer_properties(settings.kafka.bootstrap_servers, given)
        # Only producers know it; and what goes wrong is in the answers, not on standard error.
        del properties["enable.idempotence"]
        properties |= {"log_level": 0, "error_cb": self._errors.append}
        self._admin = make_client(AdminClient, properties, given)

    def brokers(self) -> Finding:
        """Whether the cluster answers."""
        name = "kafka.brokers"
        try:
            self._metadata = self._admin.list_topics(timeout=self._deadline.at_most(_REQUEST_SECONDS))
        except KafkaException as error:
            self._admin.poll(0)
            # What went wrong with the connections says more than that there was no answer.
            first = next((e for e in self._errors if e.code() != KafkaError._ALL_BROKERS_DOWN), error.args[0])  # noqa: SLF001 - public
            remedy = remedy_for(first) or (
                "check kafka.bootstrap_servers, the network, and whether they want TLS or SASL (security.protocol)"
            )
            return Finding(name, Verdict.FAIL, first.str(), (remedy,))
        number = len(self._metadata.brokers)
        return Finding(name, Verdict.PASS, f"{number} {'broker answers' if number == 1 else 'brokers answer'}")

    def topics(self) -> Iterator[Finding]:
        """Whether the source topics are there and may be read; to be asked after `brokers`."""
        counts = self._subscription.partitions(self._metadata)
        named = [topic for topic in self._subscription.topics if not topic.startswith("^")]
        patterns = [topic for topic in self._subscription.topics if topic.startswith("^")]
        for topic in sorted({*named, *counts}):
            yield self._topic(topic)
        if patterns and not any(self._subscription.by_pattern(topic) for topic in counts):
            says = f"no topic that may be seen matches {', '.join(patterns)}"
            remedy = "topics are found when they are made; if they are there, the principal needs DESCRIBE on them"
            yield Finding("kafka.topics", Verdict.WARN, says, (remedy,))

    def _topic(self, topic: str) -> Finding:
        name = f"topic {topic}"
        try:
            number, allowed = self._describe(topic)
        except KafkaException as error:
            what = error.args[0]
            if what.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                # The service waits for it, but nobody means to wait for a misspelt name.
                remedies = ("make the topic, or check kafka.topics",)
                return Finding(name, Verdict.FAIL, "it does not exist", remedies)
            return Finding(name, Verdict.FAIL, what.str(), (_remedy(what),))
        if not may(allowed, AclOperation.READ):
            says, remedy = "this principal may see it, not read it", "give the principal READ on the topic"
            return Finding(name, Verdict.FAIL, says, (remedy,))
        self.partitions += [Partition(topic, n) for n in range(number)]
        return Finding(name, Verdict.PASS, f"{_counted(number, 'partition')}{_told(allowed, 'may be read')}")

    def group(self, consumer: Consumer) -> Finding:
        """Whether this principal may be a member of the group, and where the group stands.

        Args:
            consumer: a client of the group; it joins nothing.
        """
        name, group = "kafka.group", self._settings.kafka.group_id
        members, allowed = 0, None
        try:
            described = self._ask_coordinator(
                lambda: self._result(self._admin.describe_consumer_groups([group], **self._describing()), group)
            )
            members, allowed = len(described.members), described.authorized_operations
        except KafkaException as error:
            what = error.args[0]
            # A group that nobody has joined yet is unknown to newer brokers.
            if what.code() not in (*_CANNOT_SAY, KafkaError.GROUP_ID_NOT_FOUND):
                return Finding(name, Verdict.FAIL, what.str(), (_remedy(what),))
        if not may(allowed, AclOperation.READ):
            says = f"this principal may see {group}, not join it"
            return Finding(name, Verdict.FAIL, says, ("give the principal READ on the group",))
        try:
            stands = self._ask_coordinator(lambda: self._stands(consumer))
        except KafkaException as error:
            what = error.args[0]
            return Finding(name, Verdict.FAIL, what.str(), (_remedy(what),))
        joined = f"{group}, {_counted(members, 'member')}" if members else group
        return Finding(name, Verdict.PASS, f"{joined}{_told(allowed, 'may be joined')}; {stands}")

    def _stands(self, consumer: Consumer) -> str:
        """How much the group has before it."""
        known = committed(consumer, self.partitions, self._deadline.at_most(_REQUEST_SECONDS))
        ends = self._offsets(consumer, OFFSET_END)
        new = [p for p in self.partitions if p not in known]
        start = self._settings.kafka.start_from
        starts = self._offsets(consumer, OFFSET_BEGINNING) if start == "earliest" and new else ends
        left = sum(max(0, ends[p] - (known[p].offset if p in known else starts[p])) for p in self.partitions)
        if not known:
            return (
                f"new: begins at {start}, {left:,} records before it"
                if start == "earliest"
                else (f"new: begins at {start}")
            )
        return f"{left:,} records before it"

    def _offsets(self, consumer: Consumer, which: int) -> dict[Partition, int]:
        return offsets_at(consumer, self.partitions, which, self._deadline.at_most(_REQUEST_SECONDS))

    def dead_letter(self) -> Finding:
        """Whether dead letters can be written and are kept."""
        name, topic = "dead_letter.topic", self._settings.dead_letter.topic
        try:
            number, allowed = self._describe(topic)
        except KafkaException as error:
            what = error.args[0]
            if what.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return self._to_be_made(topic)
            denied = what.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
            remedy = "give the principal DESCRIBE and WRITE on the topic" if denied else _remedy(what)
            return Finding(name, Verdict.FAIL, what.str(), (remedy,))
        if not may(allowed, AclOperation.WRITE):
            says = "this principal may see it, not write to it"
            return Finding(name, Verdict.FAIL, says, ("give the principal WRITE on the topic",))
        says, remedies = self._retention(topic)
        verdict = Verdict.WARN if remedies else Verdict.PASS
        told = _told(allowed, "may be written to")
        return Finding(name, verdict, f"{topic}, {_counted(number, 'partition')}{told}{says}", remedies)

    def _to_be_made(self, topic: str) -> Finding:
        name, says = "dead_letter.topic", f"{topic} does not exist"
        if not self._settings.dead_letter.create:
            return Finding(name, Verdict.FAIL, says, ("make it, or set dead_letter.create: true",))
        new = NewTopic(topic, num_partitions=-1, replication_factor=-1)
        seconds = self._deadline.at_most(_REQUEST_SECONDS)
        try:
            self._result(self._admin.create_topics([new], validate_only=True, request_timeout=seconds), topic)
        except KafkaException as error:
            what = error.args[0]
            if what.code() not in _CANNOT_SAY:
                remedy = "make the topic, or give the principal CREATE on it"
                return Finding(name, Verdict.FAIL, f"{says} and cannot be made: {what.str()}", (remedy,))
        return Finding(name, Verdict.PASS, f"{says}; it is made when the service starts")

    def _retention(self, topic: str) -> tuple[str, tuple[str, ...]]:
        """How long a letter is kept, and what is unwise about it; nothing where the broker does not say."""
        asked = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            answers = self._admin.describe_configs([asked], request_timeout=self._deadline.at_most(_REQUEST_SECONDS))
            config = self._result(answers, asked)
        except KafkaException:
            return "", ()
        values = {key: config[key].value for key in ("cleanup.policy", "retention.ms") if key in config}
        policy, kept = values.get("cleanup.policy", "delete"), int(values.get("retention.ms", -1))
        remedies = []
        if "compact" in policy:
            remedies.append("it is compacted: of letters with the same key all but the last go; cleanup.policy=delete")
        if kept < 0 and "delete" in policy:
            remedies.append("its letters are personal data and are kept for ever; give it a retention.ms")
        return f", kept for {kept / _DAY_MS:g} days" if kept >= 0 else "", tuple(remedies)

    # ---- asking

    def _describe(self, topic: str) -> tuple[int, Collection[Any] | None]:
        """How many partitions, and what may be done. Asking so makes no topic, whatever the broker's settings."""
        answers = self._admin.describe_topics(TopicCollection([topic]), **self._describing())
        description = self._result(answers, topic)
        return len(description.partitions), description.authorized_operations

    def _describing(self) -> dict[str, Any]:
        return {
            "include_authorized_operations": True,
            "request_timeout": self._deadline.at_most(_REQUEST_SECONDS),
        }

    def _result(self, answers: dict[Any, Future[Any]], key: Any) -> Any:
        try:
            return answers[key].result(self._deadline.at_most(_REQUEST_SECONDS) + _PAUSE_SECONDS)
        except TimeoutError:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None  # noqa: SLF001 - a public name

    def _ask_coordinator(self, ask: Callable[[], Any]) -> Any:
        """A group's first question may come before its coordinator has loaded."""
        while True:
            try:
                return ask()
            except KafkaException as error:
                if error.args[0].code() not in _COORDINATOR_COMES or self._deadline.over:
                    raise
                time.sleep(_PAUSE_SECONDS)


def may(allowed: Collection[Any] | None, operation: AclOperation) -> bool:
    """Whether an operation is allowed, as far as the broker says."""
    return allowed is None or bool({operation, AclOperation.ALL} & set(allowed))


def open_checks(settings: Settings, deadline: Deadline) -> KafkaChecks | Finding:
    """The questions, or why none can be asked."""
    try:
        return KafkaChecks(settings, deadline)
    except ConfigurationError as error:
        return Finding("kafka.brokers", Verdict.FAIL, "no client", tuple(map(str, error.problems)))


def _remedy(error: KafkaError) -> str:
    return remedy_for(error) or "see the brokers' log"


def _told(allowed: Collection[Any] | None, says: str) -> str:
    return f", {says}" if allowed is not None else ", the broker does not say who may use it"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
