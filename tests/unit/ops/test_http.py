"""The endpoints, over real sockets on this machine."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from html.parser import HTMLParser

import pytest
from prometheus_client import CollectorRegistry

from consumer.delivery.halt import HaltReason
from consumer.delivery.messages import Partition
from consumer.errors import ConfigurationError
from consumer.ops.http import MAX_CONNECTIONS, Endpoints, OpsServer
from consumer.ops.metrics import ServiceCollector
from consumer.ops.readiness import REMEDIES
from consumer.ops.snapshot import Failure, Lag, MappingsInfo
from tests.unit.ops.factory import service, view


class World:
    """What the endpoints see, to be changed by a test."""

    def __init__(self) -> None:
        self.reset()
        registry = CollectorRegistry()
        registry.register(ServiceCollector(lambda: self.snapshot, lambda: self.age))
        self.endpoints = Endpoints(registry, self.take, lambda: self.age)

    def reset(self) -> None:
        self.age = 0.0
        self.snapshot = service(
            partitions=[view()],
            lags=[Lag(Partition("events", 0), 120, 3.0)],
            mappings=MappingsInfo(source="<mappings>.yaml", names=("a & b",), loaded_at=1_700_000_000.0),
            failures=[Failure(1_700_000_000.0, Partition("events", 0), 7, "<m>", "http_rejected", 422, "<script>")],
        )

    def take(self):
        if isinstance(self.snapshot, Exception):
            raise self.snapshot
        return self.snapshot


@pytest.fixture(scope="module")
def served():
    world = World()
    with OpsServer("127.0.0.1", 0, world.endpoints) as server:
        yield world, server.port


@pytest.fixture
def world(served):
    served[0].reset()
    return served[0]


@pytest.fixture
def port(served, world):
    return served[1]


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()
    finally:
        connection.close()


def test_ready(port):
    assert get(port, "/readyz")[::2] == (200, "ready\n")
    assert get(port, "/healthz")[::2] == (200, "ok\n")


def test_an_empty_assignment_is_ready(port, world):
    world.snapshot = service(partitions=[])
    assert get(port, "/readyz")[0] == 200


@pytest.mark.parametrize("reason", HaltReason)
def test_a_halt_is_not_ready_and_says_what_to_do(port, world, reason):
    world.snapshot = service(state="halted", halt_reason=reason.value)
    status, _, body = get(port, "/readyz")
    assert status == 503
    assert body == f"halted: {reason.value}. {REMEDIES[reason]}\n"


def test_each_obstacle_has_its_line(port, world):
    world.snapshot = service(joined=False, state="stopping", obstacles=("the dead-letter topic d is missing",))
    status, _, body = get(port, "/readyz")
    assert status == 503
    assert [line.split(":")[0] for line in body.splitlines()] == [
        "stopping",
        "not joined",
        "the dead-letter topic d is missing",
    ]


def test_before_the_start_it_is_not_ready_but_alive(port, world):
    world.snapshot = None
    assert get(port, "/readyz")[0] == 503
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/status.json")[0] == 200
    assert "starting" in get(port, "/status")[2]


def test_a_loop_that_hangs_is_red(port, world):
    world.age = 61.0
    status, _, body = get(port, "/healthz")
    assert status == 503
    assert "61 s" in body
    assert get(port, "/readyz")[0] == 503


def test_a_fault_is_a_500_without_details(port, world):
    world.snapshot = ValueError("CANARY")
    status, _, body = get(port, "/status")
    assert status == 500
    assert "CANARY" not in body
    assert get(port, "/healthz")[0] == 200


def test_metrics_are_in_the_plain_form_whatever_is_asked_for(port):
    _, headers, body = get(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "chartmogul_consumer_records_total 0.0" in body


def test_status_as_json(port):
    status, headers, body = get(port, "/status.json")
    assert status == 200
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert document["ready"] is True
    assert document["partitions"][0]["lag_records"] == 30
    assert document["failures"][0]["offset"] == 7
    assert document["mappings"]["loaded_at"] == "2023-11-14T22:13:20+00:00"
    assert json.loads(get(port, "/status", Accept="application/json")[2])["state"] == "running"


class Page(HTMLParser):
    """Tags, text, and whatever would be fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name == "src" or (name == "href" and tag == "link")]

    def handle_data(self, data):
        self.text += data


def test_status_as_a_page(port):
    status, headers, body = get(port, "/status", Accept="text/html,application/json")
    page = Page(body)
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert page.fetched == []
    assert "script" not in page.tags
    for shown in ("Ready: running", "events/0/7", "http_rejected", "<script>", "<m>", "a & b", "<mappings>.yaml"):
        assert shown in page.text
    assert "prefers-color-scheme" in body
    assert "width=device-width" in body


def test_index_head_unknown_and_other_methods(port):
    assert "/metrics" in get(port, "/")[2]
    status, headers, body = get(port, "/metrics", method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 100
    assert get(port, "/nothing")[0] == 404
    status, _, body = get(port, "/<script>", method="POST")
    assert status == 501
    assert "<" not in body


def test_a_query_and_a_slash_at_the_end_do_not_matter(port):
    assert get(port, "/readyz/?verbose")[0] == 200


def test_a_port_in_use_is_a_configuration_error(world, port):
    with pytest.raises(ConfigurationError, match=f"http.port: port {port} is in use"):
        OpsServer("127.0.0.1", port, world.endpoints)


def test_an_address_of_another_host_is_a_configuration_error(world):
    with pytest.raises(ConfigurationError, match=r"http\.host"):
        OpsServer("192.0.2.1", 0, world.endpoints)


def test_connections_that_say_nothing_do_not_add_threads(world):
    with OpsServer("127.0.0.1", 0, world.endpoints) as server:
        before = threading.active_count()
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MAX_CONNECTIONS + 20)]
        try:
            # The last is refused only after all before it were accepted: the server takes them in order.
            idle[-1].settimeout(5)
            assert idle[-1].recv(1) == b""
            assert threading.active_count() - before <= MAX_CONNECTIONS
        finally:
            for each in idle:
                each.close()
    assert not server._thread.is_alive()


def test_broken_requests_leave_it_standing(port, capfd):
    for junk in (
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"",
    ):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            while connection.recv(65_536):
                pass
    assert get(port, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""
