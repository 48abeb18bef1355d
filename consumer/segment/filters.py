"""Destination filters: read as Segment's Public API has them, compiled to one closure.

Order: Sample, Drop, Drop Properties, Allow Properties over all filters together, as documented, and within one kind in
the order of the filters. A filter's condition is evaluated once, on the event as the actions before its first have left
it. What fails in a filter does not send the event: Segment defaults to that for the sake of filters on personal data.

Source: Segment's documentation of destination filters; Public API ``/destinations/{id}/filters``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from consumer.errors import ConfigurationError, Problem
from consumer.segment.filters_actions import (
    ORDER,
    Action,
    AllowProperties,
    Drop,
    DropProperties,
    Event,
    Sample,
    compile_action,
)
from consumer.segment.fql import FqlError, compile_fql

__all__ = [
    "MAXIMUM_FILTERS",
    "Action",
    "AllowProperties",
    "Drop",
    "DropProperties",
    "Event",
    "Filter",
    "Sample",
    "compile_filters",
    "parse_filter",
]

MAXIMUM_FILTERS: Final = 10
"""Segment's limit per destination, disabled ones included."""

_LONGEST_PATH: Final = 50
"""Segments; deeper than any event that the decoder takes is useful for."""

_IGNORED: Final = frozenset({"id", "sourceId", "destinationId", "description", "createdAt", "updatedAt"})
_KEYS: Final = frozenset({"if", "actions", "enabled", "title"})
_ACTION_KEYS: Final = {
    "SAMPLE": frozenset({"percent", "path"}),
    "DROP": frozenset[str](),
    "DROP_PROPERTIES": frozenset({"fields"}),
    "ALLOW_PROPERTIES": frozenset({"fields"}),
}


class Filter(Struct, frozen=True):
    """One destination filter.

    Attributes:
        condition: FQL; ``all`` is every event.
        actions: what is done to an event that the condition wants.
        enabled: a disabled filter is checked and then left out.
        title: for people.
    """

    condition: str
    actions: tuple[Action, ...]
    enabled: bool = True
    title: str = ""


def compile_filters(specs: Sequence[Filter]) -> Callable[[Event], Event | None]:
    """A closure from an event to what is sent of it; None where nothing is (filtered by rules). It changes no event.

    Raises:
        ConfigurationError: more than `MAXIMUM_FILTERS`, or conditions that cannot be read.
    """
    problems: list[Problem] = []
    if len(specs) > MAXIMUM_FILTERS:
        problems.append(Problem("filters", f"there are {len(specs)} filters, at most {MAXIMUM_FILTERS}; join some"))
    steps: list[_Step] = []
    for index, spec in enumerate(specs):
        try:
            condition = compile_fql(spec.condition)
        except FqlError as error:
            problems.append(Problem(f"filters[{index}].if", str(error)))
            continue
        if spec.enabled:
            steps += [(index, condition, action) for action in spec.actions]
    if problems:
        raise ConfigurationError(problems)
    steps.sort(key=lambda step: ORDER.index(type(step[2])))
    return _runner([(index, condition, compile_action(action)) for index, condition, action in steps])


_Step = tuple[int, Callable[[Event], bool], Action]
_Compiled = tuple[int, Callable[[Event], bool], Callable[[Event], Event | None]]


def _runner(steps: list[_Compiled]) -> Callable[[Event], Event | None]:
    def run(event: Event) -> Event | None:
        decided: dict[int, bool] = {}
        current = event
        try:
            for index, condition, apply in steps:
                applies = decided.get(index)
                if applies is None:
                    applies = decided[index] = condition(current)
                if applies:
                    changed = apply(current)
                    if changed is None:
                        return None
                    current = changed
        except Exception:  # noqa: BLE001 - documented: a filter that fails must not let an event through unfiltered
            return None
        return current

    return run


def parse_filter(spec: Any, path: str = "filters[0]") -> Filter:
    """A filter as the Public API gives it: ``{"if", "actions": [{"type", ...}], "enabled", "title"}``.

    Args:
        spec: the parsed JSON or YAML.
        path: where it stands in the file, for messages.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    reader = _Reader()
    result = reader.filter(spec, path)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return result


class _Reader:
    """Collects every mistake while it goes on reading."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def filter(self, spec: Any, path: str) -> Filter:
        spec = self._object(spec, path, "if, actions, enabled and title")
        self._unknown(spec, _KEYS | _IGNORED, path)
        condition = self._condition(spec.get("if"), f"{path}.if")
        enabled, title = spec.get("enabled", True), spec.get("title") or ""
        if not isinstance(enabled, bool):
            self._problem(f"{path}.enabled", "must be true or false")
        if not isinstance(title, str):
            self._problem(f"{path}.title", "must be text")
        actions = spec.get("actions")
        if not isinstance(actions, list) or not actions:
            self._problem(f"{path}.actions", f"must be a list of at least one action ({', '.join(_ACTION_KEYS)})")
            actions = []
        read = [self._action(action, f"{path}.actions[{index}]") for index, action in enumerate(actions)]
        return Filter(condition, tuple(filter(None, read)), enabled is True, str(title))

    def _condition(self, text: Any, path: str) -> str:
        if not isinstance(text, str):
            self._problem(path, 'must be an FQL statement, such as "all" or \'type = "track"\'')
            return "all"
        try:
            compile_fql(text)
        except FqlError as error:
            self._problem(path, str(error))
        return text

    def _action(self, spec: Any, path: str) -> Action | None:
        spec = self._object(spec, path, "a type and what the type needs")
        kind = spec.get("type")
        if not isinstance(kind, str) or kind not in _ACTION_KEYS:
            self._problem(f"{path}.type", f"must be one of {', '.join(_ACTION_KEYS)}")
            return None
        # The API may fill keys that a type does not use with null, "" or {}.
        given = {key: value for key, value in spec.items() if value not in (None, "", {})}
        self._unknown(given, _ACTION_KEYS[kind] | {"type"}, path)
        match kind:
            case "SAMPLE":
                return self._sample(spec, path)
            case "DROP":
                return Drop()
            case "DROP_PROPERTIES":
                return DropProperties(self._fields(spec.get("fields"), f"{path}.fields"))
            case _:
                fields = self._fields(spec.get("fields"), f"{path}.fields")
                if "type" not in fields.get("", ("type",)):
                    self._problem(f"{path}.fields", 'would remove "type", and then nothing is sent; list it under ""')
                return AllowProperties(fields)

    def _sample(self, spec: Mapping[str, Any], path: str) -> Sample:
        percent, where = spec.get("percent"), spec.get("path") or ""
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 1:
            self._problem(f"{path}.percent", "must be a number from 0 to 1: the share of events that is sent")
            percent = 1
        return Sample(float(percent), self._path(where, f"{path}.path"))

    def _fields(self, spec: Any, path: str) -> dict[str, tuple[str, ...]]:
        if not isinstance(spec, dict) or not spec:
            self._problem(path, 'must be an object from a path to a list of keys, such as {"traits": ["email"]}')
            return {}
        fields: dict[str, tuple[str, ...]] = {}
        for where, keys in spec.items():
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                self._problem(f"{path}.{where}", 'must be a list of keys, such as ["email"]')
                continue
            fields[self._path(where, f"{path}.{where}")] = tuple(keys)
        return fields

    def _path(self, where: Any, path: str) -> str:
        segments = where.split(".") if isinstance(where, str) else []
        if where == "" or (segments and all(segments) and len(segments) <= _LONGEST_PATH):
            return str(where)
        self._problem(path, f'must be a dotted path of at most {_LONGEST_PATH} names, such as traits.address, or ""')
        return ""

    def _object(self, spec: Any, path: str, wanted: str) -> dict[str, Any]:
        if isinstance(spec, dict):
            return spec
        self._problem(path, f"must be an object with {wanted}")
        return {}

    def _unknown(self, spec: Mapping[str, Any], known: frozenset[str], path: str) -> None:
        for key in spec:
            if key not in known:
                self._problem(f"{path}.{key}", f"is not known here; there are: {', '.join(sorted(known - _IGNORED))}")

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))
