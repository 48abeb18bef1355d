"""The settings ``source``: what they allow, what they refuse and say, and that the decoder knows the same words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from consumer.config.settings import Settings, load_settings
from consumer.config.shape import descriptions
from consumer.config.source import Envelope, GroupUserIdSource, Normalise, SentAtSource, SourceFormat
from consumer.decoding import open_decoding
from consumer.errors import ConfigurationError
from consumer.kafka.decode import FORMATS, PRESETS, DecodeLimits
from consumer.kafka.decode import fallbacks as fallback_words
from consumer.kafka.decode.normalise import SNAKE_CASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "CANARY-77"
BASE = {
    "kafka": {"bootstrap_servers": "broker:9092", "topics": ["events"], "start_from": "latest"},
    "dead_letter": {"topic": "dlq"},
    "delivery": {"mode": "shadow"},
}
EVENT = {"type": "identify", "userId": "u"}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    def run(source: dict[str, Any], **environ: str) -> Settings:
        (tmp_path / "settings.yaml").write_text(yaml.safe_dump({**BASE, "source": source}))
        variables = {f"CHARTMOGUL_CONSUMER_SOURCE__{name}": value for name, value in environ.items()}
        return load_settings(tmp_path / "settings.yaml", variables)

    return run


@pytest.fixture
def refused(load) -> Callable[..., dict[str, str]]:
    def run(source: dict[str, Any], **environ: str) -> dict[str, str]:
        with pytest.raises(ConfigurationError) as caught:
            load(source, **environ)
        assert CANARY not in str(caught.value)
        return {problem.path.removeprefix("source."): problem.message for problem in caught.value.problems}

    return run


def test_the_decoder_knows_the_same_words():
    assert [each.value for each in SourceFormat] == list(FORMATS)
    assert [each.value for each in Envelope] == list(PRESETS)
    assert {each.value for each in SentAtSource} == set(get_args(fallback_words.SentAtSource))
    assert {each.value for each in GroupUserIdSource} == set(get_args(fallback_words.GroupUserIdSource))


def test_defaults(load):
    source = load({}).source
    assert DecodeLimits(**dict(source.limits)) == DecodeLimits()
    decoding = open_decoding(source)
    assert (decoding.schemas, decoding.needs, decoding.obstacles({})) == (None, None, [])
    assert decoding.decoder.decode(json.dumps(EVENT).encode()) == [EVENT]


def test_the_page_names_what_snake_case_renames():
    described = descriptions(Normalise)["snake_case"]
    assert [name for name in SNAKE_CASE if f"``{name}``" not in described] == []


def test_everything_arrives_at_the_decoder(load):
    source = load(
        {
            "format": "json",
            "envelope": "/payload",
            "normalise": {
                "json_fields": ["traits"],
                "snake_case": True,
                "rename": {"uid": "userId"},
                "constants": {"type": "group", "context.app": 1},
            },
            "fallbacks": {"sent_at": ["receivedAt", "record_time"], "group_user_id": ["anonymousId", "groupId"]},
            "limits": {"max_keys": 100},
        }
    ).source
    decoding = open_decoding(source)
    row = {"uid": None, "group_id": "g", "traits": '{"a": 1}', "received_at": "now"}
    decoded = decoding.decoder.decode(json.dumps({"payload": row}).encode())
    assert decoded == [
        {
            "uid": None,
            "groupId": "g",
            "traits": {"a": 1},
            "receivedAt": "now",
            "type": "group",
            "context": {"app": 1},
            "sentAt": "now",
            "userId": "g",
        }
    ]
    assert decoding.fallbacks == {("sentAt", "receivedAt"): 1, ("userId", "groupId"): 1}


def test_a_schema_in_a_file(load, tmp_path):
    file = tmp_path / "event.avsc"
    fields = [{"name": "type", "type": "string"}, {"name": "userId", "type": "string"}]
    file.write_text(json.dumps({"type": "record", "name": "E", "fields": fields}))
    decoding = open_decoding(load({"format": "avro", "avro_schema_file": str(file)}).source)
    assert decoding.decoder.decode(b"\x10identify\x02u") == [EVENT]
    assert not decoding.decoder.wants_headers
    for text, says in (("{}", "no valid Avro schema"), ("{", "not JSON"), ('"strin"', "no valid Avro schema")):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=f"source.avro_schema_file: .*{says}"):
            open_decoding(load({"format": "avro", "avro_schema_file": str(file)}).source)


def test_a_reader_schema_in_a_file(load, tmp_path):
    written, read = tmp_path / "written.avsc", tmp_path / "read.avsc"
    fields = [{"name": "user_id", "type": "string"}, {"name": "secret", "type": "string"}]
    written.write_text(json.dumps({"type": "record", "name": "E", "fields": fields}))
    wanted = [
        {"name": "userId", "aliases": ["user_id"], "type": "string"},
        {"name": "type", "type": "string", "default": "identify"},
    ]
    read.write_text(json.dumps({"type": "record", "name": "E", "fields": wanted}))
    files = {"avro_schema_file": str(written), "avro_reader_schema_file": str(read)}
    decoding = open_decoding(load({"format": "avro", **files}).source)
    assert decoding.decoder.decode(b"\x02u\x02s") == [EVENT]
    read.write_text('{"type": "record", "name": "E", "fields": [{"name": "no", "type": "int"}]}')
    with pytest.raises(ConfigurationError, match=r"source\.avro_schema_file: lacks no, which the reader's schema"):
        open_decoding(load({"format": "avro", **files}).source)
    read.write_text("[")
    with pytest.raises(ConfigurationError, match=r"source\.avro_reader_schema_file: is not JSON"):
        open_decoding(load({"registry": {"urls": ["http://r"]}, "avro_reader_schema_file": str(read)}).source)


def test_secrets_of_the_registry_come_from_files_and_show_nowhere(load, refused, tmp_path):
    (tmp_path / "password").write_text(f"{CANARY}\n")
    (tmp_path / "empty").write_text("")
    registry = {"urls": ["https://registry:8081"], "username": "me", "password_file": str(tmp_path / "password")}
    settings = load({"registry": registry})
    assert settings.source.registry.password.get_secret_value() == CANARY
    assert CANARY in list(settings.secrets())
    for shown in (repr(settings), str(settings.model_dump())):
        assert CANARY not in shown
    assert load({}, REGISTRY__BEARER_TOKEN=CANARY).source.registry.bearer_token.get_secret_value() == CANARY
    both = {"registry.password_file": "and password are both set; keep one"}
    assert refused({"registry": {**registry, "password": CANARY}}) == both
    registry["password_file"] = str(tmp_path / "empty")
    assert refused({"registry": registry}) == {"registry.password_file": "is empty; put the secret in it"}


def test_settings_from_the_environment(load):
    source = load(
        {},
        ENVELOPE="batch",
        NORMALISE__CONSTANTS="{type: identify, n: 1}",
        NORMALISE__JSON_FIELDS="traits,context",
        FALLBACKS__SENT_AT="receivedAt",
        REGISTRY__URLS="http://a:8081,http://b:8081",
    ).source
    assert source.normalise.constants == {"type": "identify", "n": 1}
    assert source.normalise.json_fields == ("traits", "context")
    assert source.registry.urls == ("http://a:8081", "http://b:8081")


@pytest.mark.parametrize(
    ("source", "path", "says"),
    [
        ({"format": "protobuf"}, "format", "must be one of auto, json, avro, json-schema"),
        ({"envelope": "payload"}, "envelope", "or a JSON pointer such as /payload/event"),
        ({"envelope": "snowplow"}, "envelope", "must be one of none, rudderstack"),
        ({"normalise": {"json_fields": ["a..b"]}}, "normalise.json_fields[0]", "names joined by dots"),
        ({"normalise": {"rename": {"a": "b."}}}, "normalise.rename.a", "names joined by dots"),
        ({"fallbacks": {"sent_at": ["now"]}}, "fallbacks.sent_at[0]", "must be one of receivedAt, timestamp"),
        ({"fallbacks": {"sentAt": []}}, "fallbacks.sentAt", "did you mean sent_at?"),
        ({"limits": {"max_depth": 1000}}, "limits.max_depth", "at most 200"),
        ({"format": "avro"}, "format", "takes source.registry.urls, or source.avro_schema_file"),
        ({"avro_schema_file": "/nowhere"}, "avro_schema_file", "is for source.format: avro"),
        ({"format": "avro", "avro_schema_file": "/nowhere"}, "avro_schema_file", "is no file"),
        ({"avro_reader_schema_file": "/nowhere"}, "avro_reader_schema_file", "is no file"),
        ({"registry": {"urls": ["registry:8081"]}}, "registry.urls[0]", "absolute URL"),
        ({"registry": {"urls": ["http://r:x"]}}, "registry.urls[0]", "cannot be read"),
        ({"registry": {"urls": [f"http://me:{CANARY}@r"]}}, "registry.urls[0]", "username and password_file"),
        ({"registry": {"urls": ["http://r/?a=1"]}}, "registry.urls[0]", "no ?"),
        ({"registry": {"password": CANARY}}, "registry.username", "is required with a password"),
        ({"registry": {"username": "me", "bearer_token": CANARY}}, "registry.bearer_token", "keep one"),
        ({"registry": {"ca_file": "/nowhere"}}, "registry.ca_file", "is no file"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(refused, source, path, says):
    found = refused(source)
    assert says in found[path]


def test_certificates_that_are_none_are_refused(load, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    source = load({"registry": {"urls": ["https://r"], "ca_file": str(tmp_path / "ca.pem")}}).source
    with pytest.raises(ConfigurationError, match=r"source\.registry: its certificate files cannot be used"):
        open_decoding(source)
