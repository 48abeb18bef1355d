"""TLS, mutual TLS and SASL on Apache Kafka, with the very settings that docs/guide/kafka.md shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from consumer.config.settings import load_settings
from consumer.kafka.events import SourceError
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.integration.kafka_driver import Driver
from tests.kafka.broker import QUIET, KafkaBroker, create_topic
from tests.kafka.client import Broker, Record
from tests.kafka.node import free_port
from tests.kafka.or_skip import or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real_kafka

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "kafka.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, dict[str, Any]] = {
    title: yaml.safe_load(block)["kafka"]["properties"]
    for title, block in re.findall(r"### ([^\n]+)\n.*?```yaml\n(.*?)```", GUIDE, re.DOTALL)
}
SECRETS = "/run/secrets/"
PASSWORD = "pass word=;'7"


class Secure(NamedTuple):
    """A broker with three more doors."""

    plain: Broker
    folder: Path
    sasl_ssl: str
    ssl: str

    def properties(self, example: str) -> dict[str, Any]:
        """The guide's, with its files where they are here."""
        return {
            name: value.replace(SECRETS, f"{self.folder}/") if isinstance(value, str) else value
            for name, value in EXAMPLES[example].items()
        }


def certificates(folder: Path) -> None:
    """An authority, and certificates for the broker and a client, signed by it."""

    def run(command: str) -> None:
        subprocess.run(command.split(), capture_output=True, check=True, cwd=folder)

    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    run(f"openssl req -x509 {curve} -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem")
    for name, passphrase in (("broker", ""), ("client", "secret")):
        key = f"-passout pass:{passphrase}" if passphrase else "-nodes"
        run(f"openssl req {curve} {key} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions"
        run(f"openssl x509 -req -in {name}.csr {sign} -out {name}.pem")
    (folder / "broker-all.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.pem").read_text())
    (folder / "kafka-key-password").write_text("secret\n")
    (folder / "kafka-password").write_text(f"{PASSWORD}\n")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    if shutil.which("openssl") is None:
        # The standard library makes no certificates, and a dependency for two test modules would be one too many.
        pytest.skip("certificates are made with the openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    sasl, ssl = free_port(), free_port()
    doors = f"{{own}},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    config = {
        "listeners": doors,
        "advertised.listeners": doors,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker-all.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} user_chartmogul-consumer="{quoted}";',
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    with or_skip():
        kafka = KafkaBroker(config=config)
    with kafka:
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion("chartmogul-consumer", mechanism, PASSWORD.encode())
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, **QUIET})
        for future in admin.alter_user_scram_credentials([user]).values():
            future.result(30)

        def create(name: str, partitions: int, topic_config: Any) -> None:
            create_topic(kafka.bootstrap_servers, name, partitions, config=topic_config)

        plain = Broker("real", kafka.bootstrap_servers, "Apache Kafka with TLS and SASL", create)
        yield Secure(plain, folder, f"127.0.0.1:{sasl}", f"127.0.0.1:{ssl}")


@pytest.mark.parametrize("example", ["SASL with SCRAM", "SASL with PLAIN", "Mutual TLS"])
def test_the_service_reads_commits_and_writes_dead_letters(secure, tmp_path, example):
    topic, dead_letters = secure.plain.unique("events"), secure.plain.unique("dead-letters")
    secure.plain.create_topic(topic, 1)
    secure.plain.produce(topic, [*records([identify(1, "one")]), Record(b"no event")])
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox:
        (tmp_path / "url").write_text(sandbox.url)
        config = settings(secure.plain, topic, dead_letters, tmp_path / "url")
        config["kafka"]["bootstrap_servers"] = secure.ssl if example == "Mutual TLS" else secure.sasl_ssl
        config["kafka"]["properties"] |= secure.properties(example)
        with RunningService(config, tmp_path) as service:
            wait_for(lambda: secure.plain.lag(config["kafka"]["group_id"], topic) == 0, "all is committed")
            assert service.stop() == 0
            assert PASSWORD not in "".join(map(str, [*service.log, *service.noise]))
        assert sandbox.stats()["delivered"] == 1
    (letter,) = secure.plain.consume_all(dead_letters)
    assert letter.value == b"no event"


@pytest.mark.parametrize(
    ("example", "change", "says"),
    [
        ("SASL with SCRAM", {"sasl.password": "wrong"}, "check the SASL settings"),
        ("SASL with PLAIN", {"sasl.password": "wrong"}, "check the SASL settings"),
        ("SASL with SCRAM", {"ssl.ca.location": None}, "check the TLS settings"),
    ],
)
def test_what_is_wrong_is_said_and_not_given_up(secure, example, change, says):
    topic = secure.plain.unique("events")
    properties = {**secure.properties(example), "sasl.password": PASSWORD, **change}
    properties = {n: str(v) for n, v in properties.items() if v is not None and not n.endswith("_file")}
    outside = Broker("real", secure.sasl_ssl, "through the door that asks", None)
    with Driver(outside, (topic,), group=secure.plain.unique("group"), properties=properties) as driver:
        error = driver.wait_for(SourceError, lambda each: says in each.message)
        assert not error.fatal
        assert "wrong" not in error.message
        assert PASSWORD not in error.message


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_guide_is_taken(secure, tmp_path, example):
    file = tmp_path / "settings.yaml"
    config = settings(secure.plain, "events", "dlq", tmp_path / "url")
    config["kafka"]["properties"] = secure.properties(example)
    (secure.folder / "oauth-client-secret").write_text("secret")
    file.write_text(yaml.safe_dump({**config, "delivery": {"mode": "shadow"}, "destination": {}}))
    properties = load_settings(file, {}).kafka.client_properties()
    with Driver(secure.plain, ("events",), group="group", properties=properties):
        pass
