"""The sample stream shows what it is said to show, and is found in a checkout and in a wheel."""

import importlib.util
from collections import Counter
from pathlib import Path

import orjson
import pytest

from consumer import resources
from consumer.kafka.decode import Decoder
from consumer.outcomes import DecodeReason, Reject, Skip
from consumer.resources import resource
from consumer.sandbox.samples import SAMPLE_EVENTS, UNDECODABLE, load_samples, record_key


def events() -> list[dict]:
    return [orjson.loads(sample.value) for sample in load_samples() if sample.value]


def test_the_generator_writes_the_committed_file() -> None:
    path = resource(SAMPLE_EVENTS).with_name("generate.py")
    spec = importlib.util.spec_from_file_location("generate", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate() == resource(SAMPLE_EVENTS).read_text(encoding="utf-8")


def test_every_sample_is_an_event() -> None:
    decoder = Decoder()
    for sample in load_samples():
        assert decoder.decode(sample.value) == [orjson.loads(sample.value or b"")]


def test_the_stream_has_something_of_everything() -> None:
    types = Counter(event["type"] for event in events())
    assert types.keys() == {"identify", "group", "track", "page", "alias", "screen"}
    assert sum(types.values()) > 500
    assert min(types["identify"], types["group"]) > 60
    assert resource(SAMPLE_EVENTS).stat().st_size < 500_000
    users = {(e["traits"].get("company", {}).get("id"), e.get("userId")) for e in events() if e["type"] == "identify"}
    assert max(Counter(company for company, _ in users).values()) > 3
    assert not resource(SAMPLE_EVENTS).read_bytes().isascii()
    assert any(e["integrations"].get("ChartMogul") is False for e in events())
    assert any("sentAt" not in e for e in events())
    assert any(e["type"] == "group" and not e.get("userId") for e in events())
    assert any(e["type"] == "identify" and not e.get("userId") and not e.get("anonymousId") for e in events())


def test_message_ids_are_their_own_and_time_passes() -> None:
    ids = [event["messageId"] for event in events()]
    assert len(set(ids)) == len(ids)
    times = [event["receivedAt"] for event in events()]
    assert sorted(times) == times


def test_nothing_points_at_a_real_place() -> None:
    for event in events():
        email = event.get("traits", {}).get("email", "x@y.example")
        assert email == "n/a" or email.endswith(".example")
        ip = event["context"].get("ip", "192.0.2.1")
        assert ip.rpartition(".")[0] in {"192.0.2", "198.51.100", "203.0.113"}


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"type": "group", "groupId": "g", "userId": "u"}, b"g"),
        ({"type": "group", "userId": "u"}, b"u"),
        ({"type": "identify", "groupId": "g", "userId": "u", "anonymousId": "a"}, b"u"),
        ({"type": "page", "userId": None, "anonymousId": "a"}, b"a"),
        ({"type": "page"}, None),
        ({"type": "identify", "userId": 5}, b"5"),
        ([], None),
    ],
)
def test_keys_are_those_that_producers_choose(event: object, key: bytes | None) -> None:
    assert record_key(orjson.dumps(event)) == key
    assert record_key(b"{") is None


def test_undecodable_records_end_by_different_names() -> None:
    outcomes = [Decoder().decode(sample.value) for sample in UNDECODABLE]
    assert all(isinstance(outcome, Skip | Reject) for outcome in outcomes)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Skip | Reject)]
    assert len(set(reasons)) == len(reasons)
    assert DecodeReason.INVALID_UTF8 in reasons


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(b'{"type":"identify","userId":"u"}\n\n  \nnot json\r\n')
    assert [s[:2] for s in load_samples(path)] == [(b"u", b'{"type":"identify","userId":"u"}'), (None, b"not json")]


def test_a_wheel_carries_the_files_within_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_FOLDERS", (tmp_path / "_schemas", tmp_path / "schemas"))
    with pytest.raises(FileNotFoundError, match="install"):
        resource("a.json")
    for folder in ("schemas", "_schemas"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.json").write_text("{}")
        assert resource("a.json") == tmp_path / folder / "a.json"


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def breaches(schema: dict, value: object, root: dict, path: str = "$") -> list[str]:
    """Where ``value`` breaks ``schema``; the part of JSON Schema that the event's schema uses, and nothing else."""
    known = {"$schema", "$id", "title", "description", "examples", "type", "required", "properties", "$defs", "$ref"}
    assert schema.keys() <= known
    if "$ref" in schema:
        return breaches(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root, path)
    names = schema.get("type", list(TYPES))
    allowed = [kind for name in ([names] if isinstance(names, str) else names) for kind in TYPES[name]]
    if type(value) not in allowed:
        return [f"{path} is {type(value).__name__}"]
    if not isinstance(value, dict):
        return []
    missing = [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    parts = schema.get("properties", {})
    return missing + [b for k in parts if k in value for b in breaches(parts[k], value[k], root, f"{path}.{k}")]


def test_samples_keep_to_the_schema_of_the_event() -> None:
    schema = orjson.loads(resource("json/event.schema.json").read_bytes())
    assert [breach for event in events() for breach in breaches(schema, event, schema)] == []
    assert breaches(schema, {"traits": "x"}, schema) == ["$.type is missing", "$.traits is str"]
    assert breaches(schema, {"type": 1, "sentAt": []}, schema) == ["$.type is int", "$.sentAt is list"]
