"""The mappings file: which events become which requests, and what is filtered out before.

YAML or JSON. Everything is checked when it is read, and every mistake named with its path, its line and the remedy;
`consumer.chartmogul.router.Router` is made of what comes out. The JSON Schema is `consumer.config.mappings_schema`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS, MappingSpec
from consumer.config.document import MAX_BYTES, Document, join_path, parse_document, show_key
from consumer.config.mappings_presets import DEFAULT, PRESETS, preset_for
from consumer.config.mappings_quirks import (
    directive_quirks,
    field_quirks,
    has_fields,
    one_line,
    trigger_quirks,
    type_literal,
)
from consumer.config.shape import nearest
from consumer.errors import ConfigurationError, Problem
from consumer.outcomes import Action
from consumer.segment.filters import Filter, compile_filters, parse_filter
from consumer.segment.trigger import TriggerSyntaxError, compile_trigger

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

__all__ = ["MAXIMUM_MAPPINGS", "MappingsFile", "decode_text", "load_mappings", "parse_mappings", "read_text"]

MAXIMUM_MAPPINGS: Final = 50
"""Segment's limit per destination, disabled ones included."""

MAXIMUM_NAME: Final = 100
"""Characters of a mapping's name: it is a label of metrics."""

FILE_KEYS: Final = ("preset", "mappings", "filters", "consent_categories")
ENTRY_KEYS: Final = ("name", "enabled", "action", "preset", "trigger", "mapping", "allow_hosted_quirks")
SCHEMA_KEY: Final = "$schema"
"""Editors look for it; it means nothing here."""

_SEGMENTS: Final = frozenset(
    {"data", "subscriptions", "destinationSubscriptions", "actionId", "actionSlug", "terraform_version"}
)
"""Keys of what `consumer.config.importing` reads, and of no mappings file."""

_LAST_PART: Final = re.compile(r"(\.[^.\[\]]*|\[[^\[\]]*\])$")


class MappingsFile(Struct, frozen=True):
    """What a mappings file says.

    Attributes:
        specs: the mappings, in order.
        filters: destination filters, in order.
        consent_categories: categories that the end user must have agreed to; empty asks for none.
        source: the file's name, or "default" without one.
        quirks: what `allow_hosted_quirks` allowed, for a person to see.
    """

    specs: tuple[MappingSpec, ...] = DEFAULT_MAPPINGS
    filters: tuple[Filter, ...] = ()
    consent_categories: frozenset[str] = frozenset()
    source: str = DEFAULT
    quirks: tuple[Problem, ...] = ()


def load_mappings(path: Path | None) -> MappingsFile:
    """Read a mappings file; None gives the hosted default mappings.

    Raises:
        ConfigurationError: every mistake at once, or that the file cannot be read.
    """
    return MappingsFile() if path is None else parse_mappings(read_text(path), path.name)


def read_text(path: Path, most_bytes: int = MAX_BYTES) -> str:
    """The text of a file that a person gave.

    Args:
        path: the file; links are followed.
        most_bytes: a larger file is refused before it is read any further.

    Raises:
        ConfigurationError: it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            return decode_text(file.read(most_bytes + 1), str(path), most_bytes)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check the path, its mode, and the volume if it is mounted"
        raise ConfigurationError([Problem("(file)", message)]) from None


def decode_text(raw: bytes, source: str, most_bytes: int = MAX_BYTES) -> str:
    """Bytes that a person gave as text.

    Raises:
        ConfigurationError: they are too many, or not UTF-8.
    """
    if len(raw) > most_bytes:
        message = f"{source} is larger than {most_bytes} bytes; is it the right file?"
        raise ConfigurationError([Problem("(file)", message)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError([Problem("(file)", f"{source} is not UTF-8 text")]) from None


def parse_mappings(text: str, source: str = "mappings") -> MappingsFile:
    """Read the text of a mappings file, YAML or JSON.

    Args:
        text: the file's text.
        source: what metrics and the status page call it.

    Raises:
        ConfigurationError: every mistake at once.
    """
    document = _parse(text)
    reader = _Reader()
    result = reader.file(document.data, source)
    if reader.problems:
        placed = [_placed(problem, document) for problem in reader.problems]
        raise ConfigurationError(sorted(placed, key=lambda problem: problem.line or 0))
    return MappingsFile(
        result.specs,
        result.filters,
        result.consent_categories,
        source,
        tuple(_placed(problem, document) for problem in result.quirks),
    )


def _parse(text: str) -> Document:
    """Data and lines. JSON is read as JSON: YAML takes neither its tabs nor its surrogate pairs."""
    if not text.lstrip().startswith("{"):
        return parse_document(text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return parse_document(text)  # YAML's own braces, or broken JSON: the same message
    # No JSON text has a tab within a string; the lines and the duplicate keys are YAML's to find.
    return Document(data, parse_document(text.replace("\t", " ")).lines)


def _placed(problem: Problem, document: Document) -> Problem:
    """The problem with its line, or the line of the nearest thing around it that stands in the file."""
    path: str = problem.path
    while path and path not in document.lines:
        path, cut = _LAST_PART.subn("", path)
        if not cut:
            break
    line = document.lines.get(path, document.lines.get("")) if path else None
    return Problem(one_line(problem.path) or "(file)", one_line(problem.message), line)


def _is_segments(data: Any) -> bool:
    first = data[0] if isinstance(data, list) and data else data
    if not isinstance(first, dict) or not {"mappings", "preset"}.isdisjoint(first):
        return False
    return not _SEGMENTS.isdisjoint(first)


class _Reader:
    """Collects every mistake while it goes on reading."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._quirks: list[Problem] = []

    def file(self, data: Any, source: str) -> MappingsFile:
        if _is_segments(data):
            message = "is JSON of Segment's or Terraform's; make a mappings file of it: chartmogul-consumer import FILE"
            self._problem("", f"{message} -o mappings.yaml")
            return MappingsFile()
        if not isinstance(data, dict):
            self._problem("", 'must be an object; the shortest is "preset: default"')
            return MappingsFile()
        self._unknown(data, "", (*FILE_KEYS, SCHEMA_KEY))
        specs = self._specs(data)
        filters = self._filters(data.get("filters"))
        return MappingsFile(specs, filters, self._consent(data), source, tuple(self._quirks))

    def _specs(self, data: dict[Any, Any]) -> tuple[MappingSpec, ...]:
        entries = data.get("mappings")
        if data.get("preset") is not None:
            if entries is not None:
                message = "stands beside mappings; remove one, or give single mappings a preset of their own"
                self._problem("preset", message)
            return PRESETS[self._choice(data["preset"], PRESETS, "preset") or DEFAULT]
        if entries is None:
            names = " or ".join(f'"preset: {name}"' for name in PRESETS)
            self._problem("", f"says no mappings; list them under mappings, or write {names}")
            return ()
        if not isinstance(entries, list) or not entries:
            self._problem("mappings", "must be a list of at least one mapping")
            return ()
        if len(entries) > MAXIMUM_MAPPINGS:
            message = (
                f"there are {len(entries)} mappings, at most {MAXIMUM_MAPPINGS}; join some, or run a second release"
            )
            self._problem("mappings", message)
        specs = [self._entry(entry, f"mappings[{index}]") for index, entry in enumerate(entries)]
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name:
                continue
            if name in seen:
                message = f"is also the name of mappings[{seen[name]}]; every mapping needs a name of its own"
                self._problem(f"mappings[{index}].name", message)
            seen.setdefault(name, index)
        return tuple(spec for spec in specs if spec is not None)

    def _entry(self, entry: Any, path: str) -> MappingSpec | None:
        if not isinstance(entry, dict):
            self._problem(path, f"must be an object with {', '.join(ENTRY_KEYS)}")
            return None
        self._unknown(entry, path, ENTRY_KEYS)
        name = self._name(entry, path)
        enabled = self._flag(entry, "enabled", path, default=True)
        allowed = self._flag(entry, "allow_hosted_quirks", path, default=False)
        action_name = self._choice(entry.get("action"), [action.value for action in Action], f"{path}.action")
        action = Action(action_name) if action_name else None
        preset_name = ""
        if entry.get("preset") is not None:
            preset_name = self._choice(entry["preset"], PRESETS, f"{path}.preset") or DEFAULT
        preset = preset_for(preset_name, action or Action.SEND_CONTACT) if preset_name else None
        quirks: list[Problem] = []
        trigger = self._trigger(entry, path, preset, quirks)
        mapping = self._mapping(entry, path, preset, action, quirks)
        for quirk in quirks:
            found = Problem(f"{path}.{quirk.path}", quirk.message)
            if allowed:
                self._quirks.append(found)
            else:
                end = "" if found.message.endswith((".", "?")) else "."
                self._problem(found.path, f"{found.message}{end} allow_hosted_quirks: true lets it pass.")
        if action is None or trigger is None or mapping is None:
            return None
        return MappingSpec(name, action, trigger, mapping, enabled, allowed)

    def _name(self, entry: dict[Any, Any], path: str) -> str:
        name = entry.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= MAXIMUM_NAME or not name.isprintable():
            self._problem(
                f"{path}.name", f"must be text of 1 to {MAXIMUM_NAME} characters in one line: metrics show it"
            )
            return ""
        return name

    def _trigger(
        self, entry: dict[Any, Any], path: str, preset: MappingSpec | None, quirks: list[Problem]
    ) -> str | None:
        text = entry.get("trigger")
        if text is None and preset:
            return preset.trigger
        if not isinstance(text, str):
            self._problem(f"{path}.trigger", "must be text, such as 'type = \"identify\"'")
            return None
        try:
            compile_trigger(text)
        except TriggerSyntaxError as error:
            self._problem(f"{path}.trigger", f"never fires: {error}")
            return None
        quirks += trigger_quirks(text)
        return text

    def _mapping(
        self,
        entry: dict[Any, Any],
        path: str,
        preset: MappingSpec | None,
        action: Action | None,
        quirks: list[Problem],
    ) -> dict[str, Any] | None:
        mapping = entry.get("mapping")
        if mapping is None and preset:
            mapping = {}
        if not isinstance(mapping, dict):
            self._problem(f"{path}.mapping", 'must be an object of fields, such as email: {"@path": "$.traits.email"}')
            return None
        if preset:
            # A null takes the preset's field away: nothing is sent of a field that is null.
            mapping = {key: node for key, node in {**preset.mapping, **mapping}.items() if node is not None}
        if action and has_fields(mapping) and "type" not in mapping:
            mapping = {"type": type_literal(action), **mapping}
        if action:
            quirks += field_quirks(action, mapping)
        try:
            quirks += directive_quirks(mapping)
        except ConfigurationError as error:
            for problem in error.problems:
                self._problem(f"{path}.mapping{problem.path and '.'}{problem.path}", problem.message)
            return None
        return mapping

    def _filters(self, specs: Any) -> tuple[Filter, ...]:
        if specs is None:
            return ()
        if not isinstance(specs, list):
            self._problem("filters", "must be a list of filters, as Segment's Public API gives them")
            return ()
        filters = []
        for index, spec in enumerate(specs):
            try:
                filters.append(parse_filter(spec, f"filters[{index}]"))
            except ConfigurationError as error:
                self.problems += error.problems
                filters.append(Filter("all", (), enabled=False))  # holds its place, so that they are counted
        try:
            compile_filters(filters)
        except ConfigurationError as error:
            self.problems += error.problems
        return tuple(filters)

    def _consent(self, data: dict[Any, Any]) -> frozenset[str]:
        categories = data.get("consent_categories")
        if categories is None:
            return frozenset()
        if not isinstance(categories, list) or not all(isinstance(each, str) and each for each in categories):
            self._problem("consent_categories", "must be a list of category ids (text), as in categoryPreferences")
            return frozenset()
        return frozenset(categories)

    def _flag(self, entry: dict[Any, Any], key: str, path: str, *, default: bool) -> bool:
        value = entry.get(key, default)
        if not isinstance(value, bool):
            self._problem(f"{path}.{key}", "must be true or false")
            return default
        return value

    def _choice(self, value: Any, names: Collection[str], path: str) -> str:
        """One of ``names``, or "" after a problem."""
        if isinstance(value, str) and value in names:
            return value
        near = nearest(value, names) if isinstance(value, str) else ""
        self._problem(path, f"must be one of {', '.join(names)}{near}")
        return ""

    def _unknown(self, data: dict[Any, Any], path: str, known: Sequence[str]) -> None:
        for key in data:
            name = show_key(key) if isinstance(key, str) else str(type(key).__name__)
            if key not in known:
                listed = ", ".join(each for each in known if each != SCHEMA_KEY)
                where = join_path(path, name)
                self._problem(where, f"is not known here{nearest(name, known) or f'; there are {listed}'}")

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))
