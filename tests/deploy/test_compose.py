"""The Compose stack: its file by the engine's own parser, each mounted file by whoever reads it, and its commands run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from consumer.app import GRACE_SECONDS
from consumer.config.settings import load_settings
from tests.deploy.tooling import DEPLOY, ROOT, run, tool
from tests.integration.harness import wait_for
from tests.kafka.node import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kafka.client import Broker

COMPOSE = DEPLOY / "compose"
OURS = {"sandbox", "events", "consumer"}


@cache
def stack() -> dict[str, Any]:
    """The file as Docker Compose reads it: paths absolute, defaults filled in."""
    ran = run(tool("compose-go"), "-format", "json", "compose.yaml", cwd=DEPLOY)
    assert ran.returncode == 0, ran.stderr
    read: dict[str, Any] = json.loads(ran.stdout)
    return read


def plain() -> dict[str, Any]:
    """The file as YAML, for what needs no parser of its own."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def test_compose_takes_it():
    services = stack()["services"]
    assert set(services) == OURS | {"kafka", "prometheus", "grafana"}
    for name in OURS:
        assert services[name]["build"]["dockerfile"] == "deploy/Dockerfile"
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]


def test_compose_would_refuse_a_key_that_is_none(tmp_path):
    (tmp_path / "compose.yaml").write_text((DEPLOY / "compose.yaml").read_text().replace("entrypoint:", "entripoint:"))
    assert run(tool("compose-go"), "compose.yaml", cwd=tmp_path).returncode != 0


def test_every_mounted_file_is_there():
    mounted = {
        DEPLOY / volume.split(":")[0]
        for service in plain()["services"].values()
        for volume in service.get("volumes", [])
    }
    assert len(mounted) >= 6
    assert {path for path in mounted if not path.is_file()} == set()


def test_nothing_is_open_to_other_machines():
    published = [port for service in plain()["services"].values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_image_has_a_version():
    for service in plain()["services"].values():
        assert re.search(r":(v?\d+\.\d+\.\d+|compose)$", service["image"])


def test_prometheus_takes_its_file(tmp_path):
    config = (COMPOSE / "prometheus.yaml").read_text()
    assert "/etc/prometheus/alerts.yaml" in config
    (tmp_path / "prometheus.yaml").write_text(
        config.replace("/etc/prometheus/alerts.yaml", str(DEPLOY / "prometheus/alerts.yaml"))
    )
    ran = run(tool("promtool"), "check", "config", str(tmp_path / "prometheus.yaml"))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_parts_find_each_other(tmp_path):
    services = plain()["services"]
    settings = compose_settings(tmp_path)
    assert settings["kafka"]["bootstrap_servers"] == "kafka:9092"
    assert services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    events = services["events"]["command"]
    assert events[events.index("--topic") + 1] in settings["kafka"]["topics"]
    assert (COMPOSE / "webhook-url").read_text().strip() == "http://sandbox:8080/hook/compose"
    (job,) = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())["scrape_configs"]
    loaded = load_settings(tmp_path / "settings.yaml", {})
    assert job["static_configs"] == [{"targets": [f"consumer:{loaded.http.port}"]}]
    assert services["consumer"]["stop_grace_period"] == f"{loaded.delivery.drain_timeout_seconds + GRACE_SECONDS:g}s"
    (datasource,) = yaml.safe_load((COMPOSE / "grafana/datasources.yaml").read_text())["datasources"]
    assert datasource["url"] == "http://prometheus:9090"


def compose_settings(folder: Path) -> dict[str, Any]:
    """The consumer's settings, written to ``folder`` with the webhook's file there."""
    text = (COMPOSE / "settings.yaml").read_text().replace("/run/secrets/webhook", str(folder / "webhook-url"))
    (folder / "webhook-url").write_text((COMPOSE / "webhook-url").read_text())
    (folder / "settings.yaml").write_text(text)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def test_the_services_commands_deliver_the_sample_events(real_kafka: Broker, tmp_path):
    """Each of our services by its own command, with names of the stack's network replaced by addresses here."""
    sandbox_port, port = free_port(), free_port()
    topic = real_kafka.unique("segment-events")
    compose_settings(tmp_path)
    (tmp_path / "webhook-url").write_text(f"http://127.0.0.1:{sandbox_port}/hook/compose")
    here = {
        "kafka:9092": real_kafka.bootstrap_servers,
        "0.0.0.0": "127.0.0.1",
        "8080": str(sandbox_port),
        "segment-events": topic,
        "15": "2000",
    }
    commands = {
        name: [here.get(part, part) for part in plain()["services"][name]["command"]] for name in ("sandbox", "events")
    }
    prefix = "CHARTMOGUL_CONSUMER_"
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": real_kafka.bootstrap_servers,
        "KAFKA__GROUP_ID": real_kafka.unique("group"),
        "KAFKA__TOPICS": topic,
        "DEAD_LETTER__TOPIC": real_kafka.unique("dlq"),
        "HTTP__PORT": str(port),
    }
    environment = os.environ | {prefix + name: value for name, value in settings.items()}
    consumer = [sys.executable, "-m", "consumer"]
    running = [
        subprocess.Popen([*consumer, *commands["sandbox"]], cwd=ROOT, stdout=subprocess.DEVNULL),
        subprocess.Popen(
            [*consumer, "run", "--config", str(tmp_path / "settings.yaml")],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        ),
        subprocess.Popen(
            [sys.executable, str(COMPOSE / "events.py"), *commands["events"]],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ),
    ]
    try:
        wait_for(lambda: len(contacts(sandbox_port)) > 5, "contacts arrive at the stand-in")
        for process in running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in running] == [0, 0, 0]
    finally:
        for process in running:
            process.kill()
            process.wait()


def contacts(port: int) -> list[Any]:
    """What the stand-in has; nothing while it does not answer yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/contacts", timeout=5) as answer:
            read = json.load(answer)
    except OSError:
        return []
    return read if isinstance(read, list) else next(iter(each for each in read.values() if isinstance(each, list)))
