"""Secrets: where they come from, and that they show nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.settings import Settings, load_settings
from consumer.config.webhook_url import is_loopback, read_webhook_url
from consumer.errors import ConfigurationError

CANARY = "CANARY-5f3a"
NAME = "CHARTMOGUL_CONSUMER_"
BASE = {
    f"{NAME}KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
    f"{NAME}KAFKA__TOPICS": "events",
    f"{NAME}KAFKA__START_FROM": "latest",
    f"{NAME}DEAD_LETTER__TOPIC": "dlq",
}


def load(**environ: str) -> Settings:
    return load_settings(None, BASE | {NAME + name: value for name, value in environ.items()})


def refused(**environ: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load(**environ)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_the_url_is_in_no_repr_and_no_dump():
    settings = load(
        DESTINATION__WEBHOOK_URL=f"https://host/hook/{CANARY}",
        DESTINATION__PROXY=f"http://user:{CANARY}@proxy:3128",
        KAFKA__PROPERTIES__SASL_PASSWORD=CANARY,
        KAFKA__PROPERTIES__SSL_KEY_PEM=CANARY,
    )
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert CANARY not in shown
    assert settings.kafka.client_properties() == {"sasl.password": CANARY, "ssl.key.pem": CANARY}
    assert read_webhook_url(settings.destination) == f"https://host/hook/{CANARY}"
    assert sum(CANARY in secret for secret in settings.secrets()) == 4


@pytest.mark.parametrize(
    ("environ", "path", "says"),
    [
        ({}, "destination.webhook_url", "or destination.webhook_url_file is required"),
        ({"DESTINATION__WEBHOOK_URL": f"http://host/{CANARY}"}, "destination.webhook_url", "must be https"),
        ({"DESTINATION__WEBHOOK_URL": f"ftp://host/{CANARY}"}, "destination.webhook_url", "absolute URL"),
        ({"DESTINATION__WEBHOOK_URL": CANARY}, "destination.webhook_url", "absolute URL"),
        ({"DESTINATION__WEBHOOK_URL": f"https://host:{CANARY}/"}, "destination.webhook_url", "cannot be read"),
        ({"DESTINATION__WEBHOOK_URL_FILE": "/nowhere/url"}, "destination.webhook_url_file", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used(environ, path, says):
    assert says in refused(**environ)[path]


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/hook/x", "http://127.0.0.1/hook/x", "http://127.8.8.8/x", "http://[::1]:80/x"]
)
def test_http_is_allowed_to_this_machine(url):
    assert read_webhook_url(load(DESTINATION__WEBHOOK_URL=url).destination) == url


@pytest.mark.parametrize("host", ["localhost.example.com", "10.0.0.1", "127.0.0.1.nip.io", "::2", "0.0.0.0"])
def test_no_other_host_counts_as_this_machine(host):
    assert not is_loopback(host)


def test_http_elsewhere_when_asked_for():
    settings = load(DESTINATION__WEBHOOK_URL="http://gateway/x", DESTINATION__ALLOW_HTTP="true")
    assert read_webhook_url(settings.destination) == "http://gateway/x"


def test_the_url_from_a_file_is_read_again_each_time(tmp_path):
    file = tmp_path / "url"
    file.write_text("https://host/hook/first\n")
    settings = load(DESTINATION__WEBHOOK_URL_FILE=str(file))
    assert read_webhook_url(settings.destination) == "https://host/hook/first"
    file.write_text("https://host/hook/second\n")
    assert read_webhook_url(settings.destination) == "https://host/hook/second"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "too large")],
)
def test_a_file_without_a_usable_secret(tmp_path, content, says):
    (tmp_path / "secret").write_bytes(content)
    path = str(tmp_path / "secret")
    found = refused(DESTINATION__WEBHOOK_URL_FILE=path, KAFKA__PROPERTIES__SASL_PASSWORD_FILE=path)
    assert says in found["destination.webhook_url_file"]
    assert says in found["kafka.properties.sasl.password_file"]


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path):
    file = tmp_path / "url"
    file.write_bytes(b"\xef\xbb\xbfhttps://host.example/hook\r\n")
    assert read_webhook_url(load(DESTINATION__WEBHOOK_URL_FILE=str(file)).destination) == "https://host.example/hook"


def test_url_and_file_together_are_refused(tmp_path):
    (tmp_path / "url").write_text("https://host/x")
    found = refused(
        DESTINATION__WEBHOOK_URL=f"https://host/{CANARY}", DESTINATION__WEBHOOK_URL_FILE=str(tmp_path / "url")
    )
    assert "both set" in found["destination.webhook_url"]


def test_a_property_from_a_file(tmp_path):
    (tmp_path / "password").write_text(f"{CANARY}\n")
    settings = load(
        DESTINATION__WEBHOOK_URL="https://host/x", KAFKA__PROPERTIES__SASL_PASSWORD_FILE=str(tmp_path / "password")
    )
    assert settings.kafka.client_properties() == {"sasl.password": CANARY}


def test_a_property_and_its_file_together_are_refused(tmp_path):
    (tmp_path / "password").write_text(CANARY)
    found = refused(
        DESTINATION__WEBHOOK_URL="https://host/x",
        KAFKA__PROPERTIES__SASL_PASSWORD=CANARY,
        KAFKA__PROPERTIES__SASL_PASSWORD_FILE=str(tmp_path / "password"),
    )
    assert "both set" in found["kafka.properties.sasl.password_file"]


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path


PATHS = sorted(
    "__".join(path).upper()
    for path in _leaves(
        load(DESTINATION__WEBHOOK_URL="https://host/x", KAFKA__PROPERTIES__SASL_PASSWORD="x").model_dump()
    )
)


@given(path=st.sampled_from(PATHS), value=st.sampled_from([CANARY, f"[{CANARY}]", f"{{a: {CANARY}}}", f"'{CANARY}"]))
def test_a_secret_in_the_wrong_place_is_not_repeated(path, value):
    """Someone pastes the URL into another setting: the message must not carry it into a log."""
    environ = BASE | {f"{NAME}DESTINATION__WEBHOOK_URL": "https://host/x", NAME + path.replace(".", "_"): value}
    message = ""
    try:
        load_settings(None, environ)
    except ConfigurationError as error:
        message = str(error)
    assert CANARY not in message
