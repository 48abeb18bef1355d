"""Rules over the settings ``source``: what types alone cannot say, and the files that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from consumer.config.secret_file import read_secret
from consumer.config.source import SourceFormat
from consumer.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.config.source import Registry, Source

_SECRETS: Final = ("password", "bearer_token", "client_key_password")
_NO_FILE: Final = "is no file that can be found; check the path, and the volume if it is mounted"


def check_source(source: Source) -> Iterator[Problem]:
    """Everything that is wrong with ``source`` whose types are right."""
    registry = source.registry
    yield from _registry(registry)
    for name in ("ca_file", "client_certificate_file", "client_key_file"):
        file = getattr(registry, name)
        if file is not None and not file.is_file():
            yield Problem(f"source.registry.{name}", _NO_FILE)
    if source.avro_reader_schema_file is not None and not source.avro_reader_schema_file.is_file():
        yield Problem("source.avro_reader_schema_file", _NO_FILE)
    if source.avro_schema_file is not None:
        if source.format is not SourceFormat.AVRO:
            yield Problem("source.avro_schema_file", "is for source.format: avro; set that, or remove the file")
        elif not source.avro_schema_file.is_file():
            yield Problem("source.avro_schema_file", _NO_FILE)
        if registry.urls:
            yield Problem("source.avro_schema_file", "and source.registry.urls are both set; keep one")
    elif source.format is SourceFormat.AVRO and not registry.urls:
        yield Problem(
            "source.format", "avro takes source.registry.urls, or source.avro_schema_file for Avro without id"
        )


def _registry(registry: Registry) -> Iterator[Problem]:
    for index, url in enumerate(registry.urls):
        if message := _url_fault(url):
            yield Problem(f"source.registry.urls[{index}]", message)
    if registry.username is not None and registry.bearer_token is not None:
        yield Problem("source.registry.bearer_token", "and username are both set; keep one")
    if registry.password is not None and registry.username is None:
        yield Problem("source.registry.username", "is required with a password")
    if (registry.client_certificate_file is None) is not (registry.client_key_file is None):
        yield Problem("source.registry.client_key_file", "and client_certificate_file belong together; set both")


def _url_fault(url: str) -> str:
    """What is wrong with a registry's URL, "" if nothing; without repeating it, for it may hold a password."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return "cannot be read as a URL"
    if not fine:
        return "must be an absolute URL: https://registry.example:8081"
    if parts.username is not None or parts.password is not None:
        return "holds a user or password; set source.registry.username and password_file instead"
    return "must end with its path: no ? and no #" if parts.query or parts.fragment else ""


def read_registry_files(registry: Registry) -> tuple[Registry, list[Problem]]:
    """The settings with each secret's file replaced by its text."""
    update, problems = {}, []
    for name in _SECRETS:
        path = getattr(registry, f"{name}_file")
        if path is None:
            continue
        text, message = read_secret(path)
        if getattr(registry, name) is not None:
            message = f"and {name} are both set; keep one"
        if message:
            problems.append(Problem(f"source.registry.{name}_file", message))
        else:
            update[name] = SecretStr(text)
    return registry.model_copy(update=update), problems
