"""The registry's client: an id that does not exist is known as such, everything else that goes wrong is tried again."""

import asyncio
import base64
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from consumer.errors import RegistryUnavailableError
from consumer.kafka.decode import DecodeLimits, SchemaKind, SchemaNotLoadedError
from consumer.kafka.registry import RegistrySettings, SchemaRegistry

LIMITS = DecodeLimits()
STRING = {"schema": '"string"'}
NOT_FOUND = httpx.Response(404, json={"error_code": 40403, "message": "Schema 7 not found"})
Handler = Callable[[httpx.Request], httpx.Response]


class Server(httpx.AsyncBaseTransport):
    """A registry in memory that keeps what it was asked; answers by path, or by ``host path``."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await asyncio.sleep(0)
        path = request.url.raw_path.decode()
        answer = self.answers.get(f"{request.url.host} {path}", self.answers.get(path, NOT_FOUND))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, stream=httpx.ByteStream(answer.content))
        return httpx.Response(200, stream=httpx.ByteStream(orjson.dumps(answer)))


def registry(server: Server, *, now: Callable[[], float] = lambda: 0.0, **settings: Any) -> SchemaRegistry:
    return SchemaRegistry(
        RegistrySettings(**({"urls": ("http://registry.example:8081",)} | settings)), transport=server, now=now
    )


def load(client: SchemaRegistry, *ids: int | UUID) -> None:
    async def run() -> None:
        for schema_id in ids:
            await client.load(schema_id)

    asyncio.run(run())


def test_a_schema_is_loaded_once() -> None:
    server = Server({"/schemas/ids/7": STRING})
    client = registry(server)
    with pytest.raises(SchemaNotLoadedError):
        client.schema(7)

    async def run() -> None:
        await asyncio.gather(client.load(7), client.load(7), client.load(7))
        await client.aclose()

    asyncio.run(run())
    schema = client.schema(7)
    assert schema is not None
    assert schema.avro is not None
    assert schema.avro.read(b"\x02a", LIMITS) == "a"
    assert len(server.asked) == 1


def test_a_reader_schema_is_what_every_schema_is_read_as() -> None:
    def row(*fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": "record", "name": "R", "fields": list(fields)}

    a = {"name": "a", "type": "string"}
    reader = row({"name": "b", "aliases": ["a"], "type": "string"}, {"name": "c", "type": "string", "default": "C"})
    server = Server({"/schemas/ids/1": {"schema": orjson.dumps(row(a)).decode()}, "/schemas/ids/2": STRING})
    settings = RegistrySettings(urls=("http://registry.example:8081",))
    client = SchemaRegistry(settings, reader=reader, transport=server)
    load(client, 1, 2)
    first, second = client.schema(1), client.schema(2)
    assert first is not None
    assert first.avro is not None
    assert first.avro.read(b"\x02x", LIMITS) == {"b": "x", "c": "C"}
    assert second is not None
    assert second.avro is not None
    assert second.avro.read(b"\x02x", LIMITS) == "x"


def test_kinds_guids_and_paths() -> None:
    guid = UUID(int=5)
    server = Server(
        {
            "/apis/ccompat/v7/schemas/ids/1": {"schema": "{}", "schemaType": "JSON"},
            "/apis/ccompat/v7/schemas/ids/2": {"schema": "syntax", "schemaType": "PROTOBUF"},
            "/apis/ccompat/v7/schemas/ids/3": {"schema": "x", "schemaType": "THRIFT"},
            f"/apis/ccompat/v7/schemas/guids/{guid}": STRING,
        }
    )
    client = registry(server, urls=("http://registry.example/apis/ccompat/v7/",))
    load(client, 1, 2, 3, guid)
    kinds = [schema.kind for schema in map(client.schema, (1, 2, 3, guid)) if schema]
    assert kinds == [SchemaKind.JSON, SchemaKind.PROTOBUF, SchemaKind.OTHER, SchemaKind.AVRO]


def test_an_id_that_does_not_exist_is_asked_for_again_later() -> None:
    time = [0.0]
    server = Server({})
    client = registry(server, now=lambda: time[0])
    load(client, 7)
    assert client.schema(7) is None
    load(client, 7)
    assert len(server.asked) == 1
    assert not client.missing(7)
    time[0] = 61.0
    assert client.missing(7)
    assert client.schema(7) is None, "a record that was let through as unknown stays it"
    server.answers["/schemas/ids/7"] = STRING
    load(client, 7)
    assert not client.missing(7)
    assert client.schema(7) is not None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(500), "status 500"),
        (httpx.Response(401), "credentials"),
        (httpx.Response(404, text="<html>not found</html>"), "path"),
        (httpx.Response(404, json={"error_code": 404}), "path"),
        (httpx.Response(302, headers={"location": "http://elsewhere.example"}), "status 302"),
        (httpx.Response(200, text="<html>log in</html>"), "without a schema"),
        (httpx.Response(200, json={"message": "hello"}), "without a schema"),
        (httpx.Response(200, content=b'{"schema":"' + b"x" * 5_000_000 + b'"}'), "without a schema"),
        (httpx.ConnectError("refused"), "ConnectError"),
        (httpx.ReadTimeout("slow"), "ReadTimeout"),
    ],
)
def test_anything_else_is_tried_again(answer: httpx.Response | Exception, message: str) -> None:
    client = registry(Server({"/schemas/ids/7": answer}), urls=("http://me:hush@registry.example",))
    with pytest.raises(RegistryUnavailableError, match=message) as caught:
        load(client, 7)
    assert "hush" not in str(caught.value)
    with pytest.raises(SchemaNotLoadedError):
        client.schema(7)


def test_a_registry_that_hangs_is_given_up() -> None:
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    settings = RegistrySettings(urls=("http://registry.example",), timeout_seconds=0.01)
    with pytest.raises(RegistryUnavailableError, match="TimeoutError"):
        load(SchemaRegistry(settings, transport=Hanging()), 7)


def test_the_next_url_helps_and_stays_first() -> None:
    server = Server(
        {"a.example /schemas/ids/7": httpx.ConnectError("down"), "/schemas/ids/7": STRING, "/schemas/ids/8": STRING}
    )
    client = registry(server, urls=("http://a.example", "http://b.example"))
    load(client, 7, 8)
    assert [request.url.host for request in server.asked] == ["a.example", "b.example", "b.example"]


def test_references_come_before_what_needs_them() -> None:
    company = {"type": "record", "name": "a.Company", "fields": [{"name": "plan", "type": "a.Plan"}]}
    person = {"type": "record", "name": "Person", "fields": [{"name": "company", "type": ["null", "a.Company"]}]}
    plan = {"type": "enum", "name": "a.Plan", "symbols": ["FREE", "PRO"]}

    def answer(schema: Any, *references: tuple[str, int]) -> dict[str, Any]:
        return {
            "schema": orjson.dumps(schema).decode(),
            "references": [
                {"name": subject, "subject": subject, "version": version} for subject, version in references
            ],
        }

    server = Server(
        {
            "/schemas/ids/7": answer(person, ("companies/v", 2), ("plans", 1)),
            "/subjects/companies%2Fv/versions/2": answer(company, ("plans", 1)),
            "/subjects/plans/versions/1": answer(plan),
        }
    )
    client = registry(server)
    load(client, 7)
    schema = client.schema(7)
    assert schema is not None
    assert schema.avro is not None
    assert schema.avro.read(b"\x02\x02", LIMITS) == {"company": {"plan": "PRO"}}
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "answers",
    [
        {"/schemas/ids/7": {"schema": '{"type":"nothing"}'}},
        {"/schemas/ids/7": {"schema": "not json"}},
        {"/schemas/ids/7": {"schema": '{"type":"array","items":"null"}'}},
        {"/schemas/ids/7": {"schema": '"x.Y"', "references": [{"name": "x.Y", "subject": "gone", "version": 1}]}},
    ],
)
def test_a_schema_that_cannot_be_used_says_why(answers: dict[str, Any]) -> None:
    client = registry(Server(answers))
    load(client, 7)
    schema = client.schema(7)
    assert schema is not None
    assert schema.avro is None
    assert schema.fault


def test_a_reference_that_does_not_exist_is_asked_for_again_later() -> None:
    time = [0.0]
    server = Server(
        {"/schemas/ids/7": {"schema": '"x.Y"', "references": [{"name": "x.Y", "subject": "late", "version": 1}]}}
    )
    client = registry(server, now=lambda: time[0])
    load(client, 7)
    before = client.schema(7)
    assert before is not None
    assert "refers to a schema that does not exist" in before.fault
    assert not client.missing(7)
    time[0] = 61.0
    assert client.missing(7)
    assert client.schema(7) == before, "a record that was let through stays refused"
    server.answers["/subjects/late/versions/1"] = {"schema": '{"type":"enum","name":"x.Y","symbols":["A"]}'}
    load(client, 7)
    after = client.schema(7)
    assert after is not None
    assert after.avro is not None
    time[0] = 1_000.0
    assert not client.missing(7)


def test_an_encoded_answer_is_not_asked_for_and_not_unpacked() -> None:
    class Packed(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            packed = gzip.compress(b'{"schema":"\\"string\\"","padding":"' + b" " * 50_000_000 + b'"}')
            headers = {"content-encoding": "gzip"}
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(packed))

    server = Packed({})
    with pytest.raises(RegistryUnavailableError, match="without a schema"):
        load(registry(server), 7)
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_references_without_end_are_given_up() -> None:
    class Endless(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            reference = {"name": "x", "subject": f"s{len(self.asked)}", "version": 1}
            return httpx.Response(200, stream=httpx.ByteStream(orjson.dumps(STRING | {"references": [reference]})))

    with pytest.raises(RegistryUnavailableError, match="more than"):
        load(registry(Endless({})), 7)


def test_a_circle_of_references_ends() -> None:
    def answer(schema: str, subject: str) -> dict[str, Any]:
        return {"schema": schema, "references": [{"name": subject, "subject": subject, "version": 1}]}

    server = Server(
        {
            "/schemas/ids/7": answer('"A"', "a"),
            "/subjects/a/versions/1": answer('"B"', "b"),
            "/subjects/b/versions/1": answer('"A"', "a"),
        }
    )
    client = registry(server)
    load(client, 7)
    schema = client.schema(7)
    assert schema is not None
    assert "no valid Avro schema" in schema.fault
    assert len(server.asked) == 3


@pytest.mark.parametrize("references", [5, "x", [5], [None], [{"subject": "s"}]])
def test_references_of_another_shape_are_tried_again(references: Any) -> None:
    with pytest.raises(RegistryUnavailableError, match="without subject or version"):
        load(registry(Server({"/schemas/ids/7": STRING | {"references": references}})), 7)


class TestCredentials:
    def asked(self, **settings: Any) -> httpx.Request:
        server = Server({"/schemas/ids/7": STRING})
        load(registry(server, **settings), 7)
        return server.asked[0]

    def test_basic_and_bearer(self) -> None:
        basic = "Basic " + base64.b64encode(b"me:hush").decode()
        assert self.asked(username="me", password="hush").headers["authorization"] == basic
        request = self.asked(urls=("http://me:hush@registry.example",))
        assert request.headers["authorization"] == basic
        assert "hush" not in str(request.url)
        assert self.asked(bearer_token="hush").headers["authorization"] == "Bearer hush"
        assert "authorization" not in self.asked().headers

    def test_settings_show_no_secret(self) -> None:
        shown = repr(
            RegistrySettings(urls=("http://me:hush@x",), username="u", password="hush", client_key_password="hush")
        )
        assert "hush" not in shown
        assert "hush" not in repr(RegistrySettings(urls=("http://x",), bearer_token="hush"))

    def test_settings_that_cannot_be(self) -> None:
        with pytest.raises(ValueError, match="urls"):
            RegistrySettings(urls=())
        with pytest.raises(ValueError, match="not both"):
            RegistrySettings(urls=("http://x",), username="u", bearer_token="t")


class TestDisk:
    def test_a_restart_does_not_need_the_registry(self, tmp_path: Path) -> None:
        load(registry(Server({"/schemas/ids/7": STRING}), cache_directory=tmp_path / "new"), 7)
        client = registry(Server({"/schemas/ids/7": httpx.ConnectError("down")}), cache_directory=tmp_path / "new")
        load(client, 7)
        assert client.schema(7) is not None

    def test_another_registry_has_other_schemas(self, tmp_path: Path) -> None:
        load(registry(Server({"/schemas/ids/7": STRING}), cache_directory=tmp_path), 7)
        client = registry(Server({}), cache_directory=tmp_path, urls=("http://other.example",))
        load(client, 7)
        assert client.schema(7) is None

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"kind":"AVRO"}'])
    def test_a_damaged_file_is_loaded_again(self, tmp_path: Path, damage: bytes) -> None:
        load(registry(Server({"/schemas/ids/7": STRING}), cache_directory=tmp_path), 7)
        (path,) = tmp_path.rglob("7.json")
        path.write_bytes(damage)
        client = registry(Server({"/schemas/ids/7": STRING}), cache_directory=tmp_path)
        load(client, 7)
        assert client.schema(7) is not None
        assert path.read_bytes() != damage

    def test_half_a_character_costs_the_cache_only(self, tmp_path: Path) -> None:
        halved = httpx.Response(200, content=rb'{"schema": "{\"type\":\"string\",\"doc\":\"\ud83d\"}"}')
        client = registry(Server({"/schemas/ids/7": halved}), cache_directory=tmp_path)
        load(client, 7)
        schema = client.schema(7)
        assert schema is not None
        assert schema.avro is not None

    def test_a_folder_that_cannot_be_written_costs_the_cache_only(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        client = registry(Server({"/schemas/ids/7": STRING}), cache_directory=tmp_path / "file")
        load(client, 7)
        assert client.schema(7) is not None
