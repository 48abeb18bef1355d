"""The stand-in over HTTP, from another thread, as the tests and the demo use it."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from consumer.sandbox.runner import ThreadedSandbox
from consumer.sandbox.store import CompanyMode

PEOPLE = itertools.count()


def contact(**fields):
    number = next(PEOPLE)
    return {
        "type": "Send Contact",
        "message_id": f"m{number}",
        "timestamp": "t",
        "sent_at": "s",
        "user_id": f"u{number}",
        **fields,
    }


class Client:
    """One keep-alive connection."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)

    def __call__(self, method, path, value=None, *, raw=None, headers=None):
        body = raw if raw is not None else None if value is None else json.dumps(value).encode()
        self.connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        answer = self.connection.getresponse()
        text = answer.read()
        parsed = json.loads(text) if answer.headers["content-type"] == "application/json" else text.decode()
        return answer.status, parsed, answer.headers

    def post(self, value=None, **more):
        return self("POST", "/hook/token", value, **more)[:2]


@pytest.fixture
def sandbox():
    with ThreadedSandbox(seed=1) as running:
        yield running


@pytest.fixture
def client(sandbox):
    made = Client(sandbox.base_url)
    yield made
    made.connection.close()


def until(condition):
    """Ask again until it holds; what is waited for takes the server's loop a turn or two."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"


def test_the_connection_test_is_answered_as_chartmogul_answers_it(sandbox, client):
    assert client.post({}) == (200, {})
    assert sandbox.stats()["delivered"] == 0
    assert [entry["accepted"] for entry in sandbox.deliveries()] == [False]


def test_a_wrong_token_is_forbidden_as_chartmogul_forbids_it(sandbox, client):
    status, body, _ = client("POST", "/hook/other", contact())
    assert (status, body) == (403, {"errors": [{"field": None, "message": "access forbidden"}]})
    assert sandbox.contacts() == []
    assert sandbox.stats()["by_status"] == {"403": 1}


def test_a_contact_and_a_customer_arrive(sandbox, client):
    assert client.post(contact(user_id="u", email="a@b.co", company={"id": "c"})) == (200, {})
    group = {**contact(user_id="u"), "type": "Send Customer", "group_id": "g", "name": "Acme"}
    assert client.post(group) == (200, {})
    status, listed, _ = client("GET", "/contacts")
    assert (status, listed["has_more"], listed["cursor"]) == (200, False, None)
    assert [(entry["email"], entry["customer_external_id"]) for entry in listed["entries"]] == [("a@b.co", "c")]
    assert {entry["external_id"] for entry in client("GET", "/customers")[1]["entries"]} == {"c", "g"}
    assert listed["entries"] == sandbox.contacts()
    assert len(sandbox.customers()) == 2


def test_an_invalid_body_is_refused_and_its_fields_named(sandbox, client):
    status, body = client.post(contact(plan="free", email=3))
    assert status == 422
    assert {error["field"] for error in body["errors"]} == {"plan", "email"}
    assert client.post(raw=b"{")[0] == 400
    assert sandbox.stats()["delivered"] == 0


def test_deliveries_are_listed_in_order_with_times_headers_and_answers(sandbox, client):
    sent = [contact() for _ in range(5)]
    for body in sent:
        client("POST", "/hook/token", body, headers={"X-Trace": body["message_id"]})
    entries = client("GET", "/deliveries?limit=2")[1]["entries"]
    second = client("GET", "/deliveries?after=2&limit=10")[1]
    entries += second["entries"]
    assert second["after"] is None
    assert second["total"] == 5
    assert [entry["body"] for entry in entries] == sent
    assert [entry["n"] for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry["headers"]["x-trace"] for entry in entries] == [body["message_id"] for body in sent]
    assert {entry["status"] for entry in entries} == {200}
    times = [at for entry in entries for at in (entry["received_at"], entry["finished_at"])]
    assert times == sorted(times)
    assert abs(times[0] - time.time()) < 60
    assert entries == sandbox.deliveries()


def test_a_second_acceptance_of_a_message_is_a_duplicate(sandbox, client):
    body = contact()
    sandbox.set_faults({"status": 500, "count": 1})
    assert [client.post(body)[0] for _ in range(3)] == [500, 200, 200]
    client.post({**body, "type": "Send Customer", "group_id": "g"})
    stats = sandbox.stats()
    assert (stats["posts"], stats["delivered"], stats["duplicates"]) == (4, 2, 1)
    assert stats["by_status"] == {"500": 1, "200": 3}
    assert [entry["duplicate"] for entry in sandbox.deliveries()] == [False, False, True, False]


def test_arrays_and_lines_are_several_deliveries_taken_together_or_not_at_all(sandbox, client):
    good, bad = [contact(), contact()], [contact(), {"type": "x"}]
    assert client.post(good)[0] == 200
    lines = b"\n".join(json.dumps(each).encode() for each in (contact(), contact(), contact()))
    assert client.post(raw=lines, headers={"content-type": "application/x-ndjson"})[0] == 200
    status, body = client.post(bad)
    assert status == 422
    assert {error["index"] for error in body["errors"]} == {"1"}
    assert sandbox.stats()["delivered"] == 5
    assert [entry["post"] for entry in sandbox.deliveries()] == [1, 1, 2, 2, 2, 3, 3]


def test_above_the_rate_it_answers_429_with_chartmogul_s_text():
    with ThreadedSandbox(rate_per_second=3) as sandbox:
        client = Client(sandbox.base_url)
        answers = [client.post(contact()) for _ in range(20)]
        client.connection.close()
        refused = [body for status, body in answers if status == 429]
        assert [status for status, _ in answers[:3]] == [200, 200, 200]
        assert refused[0]["errors"][0]["message"] == "Your request rate has exceeded our rate limit."
        assert len(sandbox.deliveries()) == 20
        assert len(sandbox.contacts()) == 20 - len(refused)


def test_above_the_parallel_limit_it_answers_503():
    with ThreadedSandbox(max_parallel=2) as sandbox:
        sandbox.set_faults({"latency": 0.3})

        def one(_):
            client = Client(sandbox.base_url)
            try:
                return client.post(contact())[0]
            finally:
                client.connection.close()

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(one, range(8)))
        stats = sandbox.stats()
    assert statuses.count(200) >= 2
    assert 503 in statuses
    assert stats["max_parallel"] > 2
    assert stats["max_requests_in_one_second"] >= 2


def test_faults_are_put_shown_and_deleted(client):
    status, body, _ = client("PUT", "/faults", [{"status": 503, "retry_after": 7, "match": {"user_id": "x"}}])
    assert status == 200
    assert body["rules"][0]["retry_after_seconds"] == 7
    assert client.post(contact())[0] == 200
    status, _, headers = client("POST", "/hook/token", contact(user_id="x"))
    assert (status, headers["retry-after"]) == (503, "7")
    assert client("GET", "/faults")[1]["rules"][0]["hits"] == 1
    status, body, _ = client("PUT", "/faults", {"sttaus": 1})
    assert status == 422
    assert "sttaus" in body["errors"][0]["message"]
    assert client("DELETE", "/faults")[1] == {"rules": []}
    assert client.post(contact(user_id="x"))[0] == 200


def test_a_fault_of_2xx_takes_the_body_but_not_an_invalid_one(sandbox, client):
    sandbox.set_faults({"status": 201})
    assert client("POST", "/hook/token", contact())[0] == 201
    assert client.post(contact(plan=1))[0] == 422
    assert sandbox.stats()["delivered"] == 1


def raw_post(sandbox, body):
    parts = urlsplit(sandbox.base_url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
    data = json.dumps(body).encode()
    head = f"POST /hook/token HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode()
    connection.sendall(head + data)
    return connection


@pytest.mark.parametrize("accept", [False, True])
def test_a_reset_is_a_reset_and_the_body_is_taken_only_if_the_rule_says_so(sandbox, accept):
    sandbox.set_faults({"reset": True, "accept": accept})
    connection = raw_post(sandbox, contact())
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    until(lambda: sandbox.stats()["in_flight"] == 0)
    (entry,) = sandbox.deliveries()
    assert (entry["status"], entry["answered"], entry["fault"], entry["accepted"]) == (None, False, "reset", accept)
    assert sandbox.stats()["by_status"] == {"none": 1}
    assert len(sandbox.contacts()) == int(accept)


def test_a_hung_request_ends_when_the_sender_leaves(sandbox):
    sandbox.set_faults({"hang": True})
    with raw_post(sandbox, contact()):
        until(lambda: sandbox.stats()["in_flight"] == 1)
        assert sandbox.deliveries() == []
    until(lambda: sandbox.stats()["in_flight"] == 0)
    assert [(entry["status"], entry["fault"]) for entry in sandbox.deliveries()] == [(None, "hang")]


def test_who_leaves_before_a_slow_answer_has_delivered_all_the_same(sandbox):
    sandbox.set_faults({"latency": 30})
    with raw_post(sandbox, contact()):
        until(lambda: sandbox.stats()["in_flight"] == 1)
    until(lambda: sandbox.stats()["in_flight"] == 0)
    (entry,) = sandbox.deliveries()
    assert (entry["status"], entry["answered"], entry["accepted"]) == (200, False, True)
    assert sandbox.stats()["delivered"] == 1


def test_a_hung_request_does_not_keep_it_from_stopping():
    with ThreadedSandbox() as sandbox:
        sandbox.set_faults({"hang": True})
        connection = raw_post(sandbox, contact())
        until(lambda: sandbox.stats()["in_flight"] == 1)
    with connection:
        connection.settimeout(5)
        assert connection.recv(1) == b""


def test_settings_change_at_run_time(sandbox, client):
    mode = CompanyMode.ID_CREATED.value
    assert client("PUT", "/settings", {"rate_per_second": 1, "company_mode": mode, "token": "new"})[0] == 200
    assert client.post(contact())[0] == 403
    assert client("POST", "/hook/new", contact(user_id="u"))[0] == 429  # the refused one took its token
    assert client("PUT", "/settings", {"rate_per_second": None})[0] == 200
    assert client("POST", "/hook/new", contact(user_id="u"))[0] == 200
    assert [entry["external_id"] for entry in sandbox.customers()] == ["u"]
    for wrong in ({"rate": 1}, {"max_parallel": 0}, {"company_mode": "x"}, {"token": ""}, []):
        assert client("PUT", "/settings", wrong)[0] == 422


def test_the_index_lists_what_there_is_and_what_is_assumed(client):
    listed = client("GET", "/")[1]
    assert "PUT /faults" in listed["endpoints"]
    assert len(listed["assumed"]) > 3
    page = client("GET", "/", headers={"accept": "text/html"})[1]
    assert "<h2>Assumed about ChartMogul</h2>" in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/hook/token", 405),
        ("POST", "/contacts", 405),
        ("GET", "/nothing", 404),
        ("GET", "/deliveries?after=x", 422),
        ("PUT", "/faults", 422),
    ],
)
def test_other_requests_are_refused(client, method, path, status):
    assert client(method, path)[0] == status


def test_a_body_above_a_mebibyte_is_too_large(sandbox, client):
    assert client.post(contact(name="x" * 1_100_000))[0] == 413
    assert sandbox.stats()["by_status"] == {"413": 1}


def test_a_taken_port_is_an_error_at_the_start(sandbox):
    port = urlsplit(sandbox.base_url).port
    with pytest.raises(OSError, match="in use"), ThreadedSandbox(port=port):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_a_program_it_keeps_its_file_and_ends_on_a_signal(tmp_path, number):
    path = tmp_path / "sandbox.db"
    code = (
        "import functools, sys\nfrom consumer.sandbox.runner import run_sandbox\n"
        "run_sandbox(0, sys.argv[1], started=functools.partial(print, flush=True))"
    )
    for expected in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        with process:
            client = Client(process.stdout.readline().strip())
            assert client.post(contact())[0] == 200
            assert client("GET", "/stats")[1]["delivered"] == expected
            assert [entry["n"] for entry in client("GET", "/deliveries")[1]["entries"]][-1] == expected
            client.connection.close()
            process.send_signal(number)
            assert process.wait(10) == 0
