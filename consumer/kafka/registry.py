"""Schemas by id from a schema registry: a small client of the part of Confluent's API that reading needs.

``GET /schemas/ids/{id}``, ``/schemas/guids/{guid}`` and, for references, ``/subjects/{subject}/versions/{version}``;
Karapace and Apicurio (``/apis/ccompat/v7``) serve the same. Decoding asks `SchemaRegistry.schema`, which answers from
memory; `load` is what talks, and is called again for as long as it raises (`consumer.kafka.schema_loader`). Only the
registry's own word that an id does not exist (error code 40403) makes an unknown schema: a proxy's 404 or a wrong path
does not.

What an id stands for never changes, so that what is known stays known, and on disk outlives a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson
from msgspec import Struct

from consumer.errors import DecodeError, RegistryUnavailableError
from consumer.kafka.decode.avro import AvroSchema, SchemaError
from consumer.kafka.decode.jsontext import parse_json, parse_text
from consumer.kafka.decode.limits import MAX_DEPTH_ALLOWED, DecodeLimits
from consumer.kafka.decode.schemas import Schema, SchemaId, SchemaKind, SchemaNotLoadedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MAX_ANSWER_BYTES = 4 * 1_048_576
_MAX_REFERENCES = 200
_ANSWER_LIMITS = DecodeLimits(
    max_record_bytes=_MAX_ANSWER_BYTES,
    max_depth=MAX_DEPTH_ALLOWED,
    max_keys=_MAX_ANSWER_BYTES,
    max_string_chars=_MAX_ANSWER_BYTES,
)
_NOT_FOUND = frozenset({40401, 40402, 40403})
"""Confluent's error codes: no such subject, version, schema."""
_UNKNOWN_SECONDS = 60.0
"""How long what does not exist is not asked for again: a registry's replica may be behind its leader."""


class RegistrySettings(Struct, frozen=True):
    """Where the registry is and how it is asked; secrets do not show in its repr.

    Attributes:
        urls: tried in turn, beginning with the one that answered last.
        username: with ``password``: HTTP basic authentication.
        bearer_token: instead of those.
        ca_file: certificates to trust; None for the system's.
        client_certificate_file: with ``client_key_file``, and ``client_key_password`` if that is encrypted: mutual TLS.
        timeout_seconds: of one request, from connecting to its last byte.
        cache_directory: where schemas are kept over restarts; None for nowhere.
    """

    urls: tuple[str, ...]
    username: str | None = None
    password: str | None = None
    bearer_token: str | None = None
    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    client_key_password: str | None = None
    timeout_seconds: float = 10.0
    cache_directory: Path | None = None

    __repr__ = object.__repr__  # fields may be secrets

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("source.registry.urls needs a URL")
        if self.username is not None and self.bearer_token is not None:
            raise ValueError("source.registry takes username and password, or bearer_token, not both")


class _NotFoundError(Exception):
    """The registry says that there is no such schema, subject or version."""


class SchemaRegistry:
    """A `SchemaSource` which loads from a registry. Of one event loop; `schema` may be asked from any thread.

    Args:
        settings: where and how.
        reader: the schema that Avro is to be read as; None reads what was written.
        transport: stands in for the network, in tests.
        now: monotonic seconds.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        *,
        reader: Any = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._reader = reader
        self._timeout_seconds = settings.timeout_seconds
        self._known: dict[SchemaId, Schema] = {}
        self._ask_again_at: dict[SchemaId, float] = {}
        self._lock = asyncio.Lock()
        # A URL's user and password become a header: httpx logs URLs.
        urls = [httpx.URL(url) for url in settings.urls]
        self._urls = [url.copy_with(username=None, password=None) for url in urls]
        self._cache = _cache_folder(settings.cache_directory, self._urls)
        self._client = httpx.AsyncClient(
            headers=_headers(settings),
            auth=_basic(settings, urls[0]),
            verify=_tls(settings),
            timeout=settings.timeout_seconds,
            transport=transport,
        )

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """The schema; None if the registry has said that there is none, however long ago.

        Raises:
            SchemaNotLoadedError: `load` it first.
        """
        known = self._known.get(schema_id)
        if known is None and schema_id not in self._ask_again_at:
            raise SchemaNotLoadedError(schema_id)
        return known

    def missing(self, schema_id: SchemaId) -> bool:
        """Whether `load` should be called before a record is decoded by this schema.

        Once it says no, `schema` has an answer for good: what was unknown, or refers to what was, is asked for again
        only by records to come.
        """
        if schema_id in self._ask_again_at:
            return self._now() >= self._ask_again_at[schema_id]
        return schema_id not in self._known

    async def load(self, schema_id: SchemaId) -> None:
        """Asks for a schema, once however many ask at the same time; afterwards `schema` has an answer.

        Raises:
            RegistryUnavailableError: no registry gave an answer; try again.
        """
        async with self._lock:
            if not self.missing(schema_id):
                return
            bundle = self._from_disk(schema_id)
            if bundle is None:
                try:
                    bundle = await self._fetch(schema_id)
                except _NotFoundError:
                    self._ask_again_at[schema_id] = self._now() + _UNKNOWN_SECONDS
                    return
                self._to_disk(schema_id, bundle)
            self._known[schema_id] = _compiled(bundle, self._reader)
            if bundle["fault"]:
                self._ask_again_at[schema_id] = self._now() + _UNKNOWN_SECONDS
            else:
                self._ask_again_at.pop(schema_id, None)

    async def aclose(self) -> None:
        """Closes connections."""
        await self._client.aclose()

    async def _fetch(self, schema_id: SchemaId) -> dict[str, Any]:
        """``{"kind", "schema", "references", "fault"}``: a schema's text and those it needs, needed ones first."""
        path = f"/schemas/guids/{schema_id}" if isinstance(schema_id, UUID) else f"/schemas/ids/{schema_id}"
        answer = await self._get(path)
        texts: dict[tuple[str, str], str] = {}
        try:
            await self._add_references(answer, texts, set(), depth=0)
        except _NotFoundError:
            return {"kind": "AVRO", "schema": "", "references": [], "fault": "refers to a schema that does not exist"}
        kind = answer.get("schemaType") or "AVRO"
        return {"kind": kind, "schema": answer["schema"], "references": list(texts.values()), "fault": ""}

    async def _add_references(
        self, answer: dict[str, Any], texts: dict[tuple[str, str], str], asked: set[tuple[str, str]], depth: int
    ) -> None:
        for reference in _references(answer):
            if reference in asked:  # had already, or a circle, which the compiler refuses
                continue
            asked.add(reference)
            if len(asked) > _MAX_REFERENCES or depth >= _MAX_REFERENCES:
                raise RegistryUnavailableError(f"a schema needs more than {_MAX_REFERENCES} others")
            subject, version = (quote(part, safe="") for part in reference)
            found = await self._get(f"/subjects/{subject}/versions/{version}")
            await self._add_references(found, texts, asked, depth + 1)
            texts[reference] = found["schema"]

    async def _get(self, path: str) -> dict[str, Any]:
        """An answer that holds a schema, of the first registry that gives one.

        Raises:
            _NotFoundError: a registry says that there is none.
            RegistryUnavailableError: none answered.
        """
        faults = []
        for url in list(self._urls):
            base = str(url).rstrip("/")
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    status, body = await self._request(base + path)
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, TimeoutError) as error:
                faults.append(f"{url.host}: {type(error).__name__}")
                continue
            answer = _object(body)
            if status == 200 and answer is not None and isinstance(answer.get("schema"), str):
                self._urls.remove(url)
                self._urls.insert(0, url)
                return answer
            if status == 404 and answer is not None and answer.get("error_code") in _NOT_FOUND:
                raise _NotFoundError
            faults.append(f"{url.host}: {_fault(status)}")
        raise RegistryUnavailableError(f"no schema registry answered ({'; '.join(faults)}); check source.registry")

    async def _request(self, url: str) -> tuple[int, bytes]:
        """Status and body as it came (encoded is not asked for), and no more of it than a schema may be long."""
        async with self._client.stream("GET", url) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    break
            return response.status_code, bytes(body)

    def _from_disk(self, schema_id: SchemaId) -> dict[str, Any] | None:
        if self._cache is None:
            return None
        try:
            bundle = _object((self._cache / f"{schema_id}.json").read_bytes())
        except OSError:
            return None
        return bundle if bundle and bundle.keys() == {"kind", "schema", "references", "fault"} else None

    def _to_disk(self, schema_id: SchemaId, bundle: dict[str, Any]) -> None:
        """Keeps a schema, whole or not at all; a folder that cannot be written costs the cache, not the service."""
        if self._cache is None or bundle["fault"]:
            return
        path = self._cache / f"{schema_id}.json"
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            part.write_bytes(orjson.dumps(bundle))
            part.replace(path)
        except (OSError, orjson.JSONEncodeError):  # the second: half a character in a schema's text
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _compiled(bundle: dict[str, Any], reader: Any) -> Schema:
    """What the registry gave, ready to read with."""
    try:
        kind = SchemaKind(bundle["kind"])
    except ValueError:
        return Schema(SchemaKind.OTHER)
    if kind is not SchemaKind.AVRO:
        return Schema(kind)
    try:
        references = [parse_text(text, _ANSWER_LIMITS) for text in bundle["references"]]
        return Schema(kind, AvroSchema(parse_text(bundle["schema"], _ANSWER_LIMITS), references, reader))
    except SchemaError as error:
        return Schema(kind, fault=bundle["fault"] or str(error))
    except DecodeError as error:
        return Schema(kind, fault=bundle["fault"] or error.detail)


def _references(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Subject and version of each schema that the answer's refers to."""
    try:
        return [(str(each["subject"]), str(each["version"])) for each in answer.get("references") or ()]
    except (KeyError, TypeError):
        raise RegistryUnavailableError("the schema registry gave a reference without subject or version") from None


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that ``body`` is, or None."""
    try:
        answer = parse_json(body, _ANSWER_LIMITS)
    except DecodeError:
        return None
    return answer if isinstance(answer, dict) else None


def _fault(status: int) -> str:
    """What an answer without a schema means, for people."""
    if status == 200:
        return "an answer without a schema"
    if status == 404:
        return "404 without the registry's error code; is the URL's path right?"
    return f"status {status}" + ("; check credentials" if status in {401, 403} else "")


def _cache_folder(directory: Path | None, urls: list[httpx.URL]) -> Path | None:
    """A folder of this registry's own: ids of two registries mean different schemas."""
    if directory is None:
        return None
    return directory / hashlib.sha256("\n".join(sorted(map(str, urls))).encode()).hexdigest()[:16]


def _headers(settings: RegistrySettings) -> dict[str, str]:
    # Not compressed: a few bytes could become any number.
    accept = {"accept": "application/vnd.schemaregistry.v1+json, application/json", "accept-encoding": "identity"}
    return accept | ({"authorization": f"Bearer {settings.bearer_token}"} if settings.bearer_token else {})


def _basic(settings: RegistrySettings, url: httpx.URL) -> httpx.BasicAuth | None:
    """Basic authentication as the settings or else the first URL say."""
    if settings.username is not None:
        return httpx.BasicAuth(settings.username, settings.password or "")
    return httpx.BasicAuth(url.username, url.password) if url.username and not settings.bearer_token else None


def _tls(settings: RegistrySettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.client_certificate_file:
        context.load_cert_chain(
            settings.client_certificate_file, settings.client_key_file, settings.client_key_password
        )
    return context
