"""The registry's client against Apicurio Registry itself, and the stand-in of the other tests held to its answers."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from consumer.errors import RegistryUnavailableError
from consumer.kafka.decode import Decoder, SchemaKind
from consumer.kafka.registry import RegistrySettings, SchemaRegistry
from tests.integration.harness import identify
from tests.integration.test_schemas import SCHEMA, prefixed
from tests.kafka.apicurio import ApicurioRegistry
from tests.kafka.local_registry import LocalRegistry
from tests.kafka.or_skip import or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRAITS, EVENT = json.loads(json.dumps(SCHEMA["fields"][-1]["type"])), json.loads(json.dumps(SCHEMA))
EVENT["fields"][-1]["type"] = "Traits"
"""The same schema in two parts, the second naming the first."""


@pytest.fixture(scope="module")
def apicurio() -> Iterator[ApicurioRegistry]:
    with or_skip():
        registry = ApicurioRegistry().__enter__()
    yield registry
    registry.__exit__()


@pytest.fixture(params=["apicurio", "local"])
def registry(request) -> Iterator[Any]:
    if request.param == "apicurio":
        yield request.getfixturevalue("apicurio")
    else:
        with LocalRegistry() as running:
            yield running


def loaded(url: str, schema_id: int, cache: Path | None = None) -> SchemaRegistry:
    async def run() -> SchemaRegistry:
        client = SchemaRegistry(RegistrySettings(urls=(url,), cache_directory=cache))
        try:
            await client.load(schema_id)
        finally:
            await client.aclose()
        return client

    return asyncio.run(run())


def test_avro_with_references_is_read(registry, tmp_path):
    registry.register(TRAITS, subject="traits")
    reference = [{"name": "Traits", "subject": "traits", "version": 1}]
    schema_id = registry.register(EVENT, subject="with-reference-value", references=reference)
    event = identify(1, "one")
    client = loaded(registry.url, schema_id, tmp_path)
    assert Decoder("avro", schemas=client).decode(prefixed(schema_id, event)) == [event]
    # And from the disk, with nobody to be asked.
    folder = next(tmp_path.iterdir())
    assert {path.name for path in folder.iterdir()} == {f"{schema_id}.json"}


def test_json_schema_is_known_as_such(registry):
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    schema_id = registry.register(schema, "JSON", "json-value")
    client = loaded(registry.url, schema_id)
    known = client.schema(schema_id)
    assert known is not None
    assert known.kind is SchemaKind.JSON
    event = identify(1, "one")
    value = b"\0" + schema_id.to_bytes(4, "big") + json.dumps(event).encode()
    assert Decoder("auto", schemas=client).decode(value) == [event]


def test_an_id_that_does_not_exist_is_its_own_word(registry):
    client = loaded(registry.url, 4_000_000)
    assert not client.missing(4_000_000)
    assert client.schema(4_000_000) is None


def test_a_wrong_path_is_no_word_at_all(registry):
    with pytest.raises(RegistryUnavailableError, match="is the URL's path right"):
        loaded(f"{registry.url}/elsewhere", 1)


@pytest.mark.parametrize("path", ["schemas/ids/4000000", "subjects/nobody/versions/1"])
def test_the_stand_in_answers_what_is_not_there_as_apicurio_does(apicurio, path):
    with LocalRegistry() as local:
        answers = [_refusal(f"{url}/{path}") for url in (apicurio.url, local.url)]
    assert answers[0] == answers[1]


def _refusal(url: str) -> tuple[int, int]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=10)
    with caught.value as error:
        return error.code, json.load(error)["error_code"]
