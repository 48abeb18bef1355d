"""``check`` online: what it says of brokers, topics, permissions, records and the webhook; it changes nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType
from confluent_kafka.admin import ResourceType as Kind

from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import identify, records, settings
from tests.kafka.broker import QUIET, KafkaBroker
from tests.kafka.client import Broker, Record
from tests.kafka.local_registry import LocalRegistry
from tests.kafka.node import free_port
from tests.kafka.or_skip import or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place:
    """Topics with some records, a URL file and settings that are right."""

    def __init__(self, broker: Broker, folder: Any, **sections: dict[str, Any]) -> None:
        self.topic, self.letters = broker.unique("events"), broker.unique("dlq")
        broker.create_topic(self.topic, 2)
        broker.create_topic(self.letters, 1)
        broker.produce(self.topic, records(identify(n, f"user{n}") for n in range(20)))
        self._file = folder / "settings.yaml"
        (folder / "url").write_text("https://webhook.example/hook/CANARY-token\n")
        self.settings = settings(broker, self.topic, self.letters, folder / "url", **sections)
        self.settings["dead_letter"]["create"] = False

    def check(self, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and the findings by name."""
        self._file.write_text(yaml.safe_dump(self.settings))
        result = CliRunner().invoke(cli, ["check", "--json", "--timeout", "20", "--config", str(self._file), *options])
        assert "CANARY" not in result.output
        return result.exit_code, {each["name"]: each for each in json.loads(result.output)["checks"]}


@pytest.fixture
def place(broker, tmp_path):
    return Place(broker, tmp_path)


def failed(found: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: each["remedies"] for name, each in found.items() if each["verdict"] == "fail"}


def test_all_is_well_and_stays_as_it_was(broker, place):
    code, found = place.check()
    assert failed(found) == {}
    assert code == ExitCode.OK
    assert {name for name, each in found.items() if each["verdict"] == "skip"} == {"webhook", "source.registry"}
    assert found["kafka.read"]["says"] == "20 records read from the partitions' ends"
    assert found["source.records"]["says"] == "of 20 deliveries 20 would be sent"
    assert found["source.keys"]["verdict"] == "pass"
    assert "new: begins at earliest, 20 records before it" in found["kafka.group"]["says"]
    assert broker.committed(place.settings["kafka"]["group_id"], place.topic) == {}
    if broker.kind == "real":
        assert "may be joined" in found["kafka.group"]["says"]
        assert "may be written to, kept for 7 days" in found["dead_letter.topic"]["says"]


def test_what_is_missing_is_named(broker, place):
    place.settings["kafka"]["topics"] = [place.topic, "events-misspelt", "^nothing-like-it-.*"]
    place.settings["dead_letter"]["topic"] = missing = broker.unique("no-dlq")
    code, found = place.check()
    assert code == ExitCode.FAILED
    assert set(failed(found)) == {"topic events-misspelt", "dead_letter.topic"}
    assert "dead_letter.create" in found["dead_letter.topic"]["remedies"][0]
    assert found["kafka.topics"]["verdict"] == "warn"
    place.settings["kafka"]["topics"] = [place.topic]
    place.settings["dead_letter"]["create"] = True
    code, found = place.check()
    assert code == ExitCode.OK
    assert "made when the service starts" in found["dead_letter.topic"]["says"]
    assert missing not in AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics(timeout=10).topics


def test_keys_that_keep_no_order_are_told(broker, place):
    broker.produce(
        place.topic,
        [Record(each.value, None, partition=n % 2) for n, each in enumerate(records([identify(99, "x")] * 9))],
    )
    code, found = place.check()
    assert code == ExitCode.OK
    assert found["source.keys"]["verdict"] == "warn"
    assert "9 have no key" in found["source.keys"]["says"]


def test_no_broker_is_told_in_time(tmp_path, embedded_kafka):
    place = Place(embedded_kafka, tmp_path)
    place.settings["kafka"]["bootstrap_servers"] = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    code, found = place.check("--timeout", "2")
    assert time.monotonic() - began < 10
    assert code == ExitCode.FAILED
    assert list(failed(found)) == ["kafka.brokers"]
    assert found["kafka.group"]["verdict"] == "skip"


def test_the_webhook_is_asked_only_if_asked_for(tmp_path, embedded_kafka):
    place = Place(embedded_kafka, tmp_path)
    with ThreadedSandbox("CANARY-token", rate_per_second=None, max_parallel=None) as sandbox:
        (tmp_path / "url").write_text(sandbox.url)
        place.check()
        assert sandbox.stats()["posts"] == 0
        code, found = place.check("--webhook")
        assert code == ExitCode.OK
        assert found["webhook"]["says"] == "POST {} was answered with 200"
        (tmp_path / "url").write_text(sandbox.url.replace("token", "wrong"))
        code, found = place.check("--webhook")
        assert code == ExitCode.FAILED
        assert "copy the webhook URL" in found["webhook"]["remedies"][0]
    code, found = place.check("--webhook")
    assert failed(found).keys() == {"webhook"}


@pytest.fixture
def guarded(tmp_path) -> Iterator[Broker]:
    """A broker of the test's own which asks its access lists."""
    own = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with or_skip():
        started = KafkaBroker(config=own)
    with started:
        yield Broker("real", started.bootstrap_servers, "")


@pytest.mark.slow
@pytest.mark.real_kafka
def test_each_permission_that_lacks_is_named(guarded, tmp_path):
    place = Place(guarded, tmp_path)
    assert place.check()[0] == ExitCode.OK
    admin = AdminClient({"bootstrap.servers": guarded.bootstrap_servers, **QUIET})
    group, wanted = place.settings["kafka"]["group_id"], guarded.unique("wanted")

    def rule(kind: Kind, name: str, operation: AclOperation, permission: AclPermissionType) -> None:
        binding = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, permission)
        for answer in admin.create_acls([binding]).values():
            answer.result(10)

    for kind, name, operation in (
        (Kind.TOPIC, place.topic, AclOperation.READ),
        (Kind.TOPIC, place.letters, AclOperation.WRITE),
        (Kind.GROUP, group, AclOperation.READ),
        (Kind.TOPIC, wanted, AclOperation.CREATE),
        (Kind.BROKER, "kafka-cluster", AclOperation.CREATE),
    ):
        rule(kind, name, AclOperation.ALL, AclPermissionType.ALLOW)
        rule(kind, name, operation, AclPermissionType.DENY)
    code, found = place.check()
    assert code == ExitCode.FAILED
    assert failed(found) == {
        f"topic {place.topic}": ["give the principal READ on the topic"],
        "kafka.group": ["give the principal READ on the group"],
        "dead_letter.topic": ["give the principal WRITE on the topic"],
    }
    place.settings["dead_letter"] |= {"topic": wanted, "create": True}
    rule(Kind.TOPIC, place.topic, AclOperation.DESCRIBE, AclPermissionType.DENY)
    code, found = place.check()
    assert "CREATE" in failed(found)["dead_letter.topic"][0]
    assert "READ and DESCRIBE" in failed(found)[f"topic {place.topic}"][0]


def test_the_registry_is_asked_for_what_records_name(tmp_path, embedded_kafka):
    place = Place(embedded_kafka, tmp_path, delivery={"mode": "shadow"})
    with LocalRegistry() as registry:
        place.settings["source"] = {"registry": {"urls": [registry.url]}}
        code, found = place.check()
        assert code == ExitCode.OK
        assert found["source.registry"]["says"] == "it answers; no sampled record names a schema"
        embedded_kafka.produce(place.topic, [Record(b"\x00\x00\x00\x00\x07rest", b"k")])
        code, found = place.check()
        assert code == ExitCode.FAILED
        assert "does not know 1 of 1 schemas that records name: 7" in found["source.registry"]["says"]
        registry.status = 503
        code, found = place.check()
        assert failed(found).keys() == {"source.registry"}
        assert "source.registry" in found["source.registry"]["remedies"][0]
