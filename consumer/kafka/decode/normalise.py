"""Makes a Segment event of a row: opens JSON strings, renames, sets constants; before filters and triggers see it.

Paths are dotted (``traits.company.id``); a key with a dot in it cannot be named. Nothing is changed in place beyond
the objects along a path, which are copied: events of one batch share what their batch says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from consumer.errors import DecodeError
from consumer.kafka.decode.jsontext import parse_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.kafka.decode.limits import DecodeLimits

SNAKE_CASE = {
    "message_id": "messageId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "group_id": "groupId",
    "previous_id": "previousId",
    "sent_at": "sentAt",
    "received_at": "receivedAt",
    "original_timestamp": "originalTimestamp",
}
"""An event's own fields as databases and Avro name them. Traits keep their names: mappings read those."""

Path = tuple[str, ...]


class Normalise(Struct, frozen=True):
    """The setting ``source.normalise``; each step in this order, and nothing by default.

    Attributes:
        json_fields: strings that hold JSON, to be opened: ``traits``, ``context``. One that is null or no string stays.
        snake_case: rename the event's own fields from snake_case (`SNAKE_CASE`).
        rename: path to path; the value is moved. What is absent is passed by; a target that has a value keeps it.
        constants: path to value, whatever the event says: ``type: identify`` for a topic of identify calls.
    """

    json_fields: tuple[str, ...] = ()
    snake_case: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (*self.json_fields, *self.rename, *self.rename.values(), *self.constants):
            if not all(path.split(".")):
                raise ValueError("a path must be names joined by dots, such as traits.company.id")

    def __bool__(self) -> bool:
        return bool(self.json_fields or self.snake_case or self.rename or self.constants)


class Normaliser:
    """`Normalise` with its paths taken apart once."""

    def __init__(self, settings: Normalise, limits: DecodeLimits) -> None:
        renames = {**(SNAKE_CASE if settings.snake_case else {}), **settings.rename}
        self._limits = limits
        self._json_fields = [(name, _path(name)) for name in settings.json_fields]
        self._renames = [(_path(source), _path(target)) for source, target in renames.items()]
        self._constants = [(_path(target), value) for target, value in settings.constants.items()]

    def __call__(self, document: Any) -> Any:
        """The document, normalised; one that is no object stays, for `as_event` to refuse.

        Raises:
            DecodeError: a field to be opened holds no JSON, or breaks a limit.
        """
        if not isinstance(document, dict):
            return document
        result = dict(document)
        for name, path in self._json_fields:
            text = result.get(name) if len(path) == 1 else _get(result, path)
            if isinstance(text, str):
                try:
                    value = parse_text(text, self._limits)
                except DecodeError as error:
                    raise DecodeError(error.reason, f"{name} {error.detail} (source.normalise.json_fields)") from None
                if len(path) == 1:
                    result[name] = value
                else:
                    _set(result, path, value)
        for source, target in self._renames:
            value = _get(result, source)
            if value is not None and _get(result, target) is None and not _blocked(result, target):
                _drop(result, source)
                _set(result, target, value)
        for target, value in self._constants:
            _set(result, target, value)
        return result


def _path(dotted: str) -> Path:
    return tuple(dotted.split("."))


def _get(event: Any, path: Path) -> Any:
    """What is at ``path``; None where it, or something on the way, is absent."""
    for name in path:
        if not isinstance(event, dict):
            return None
        event = event.get(name)
    return event


def _blocked(event: Any, path: Path) -> bool:
    """Whether a value that is no object stands on the way to ``path``: a rename must not destroy it."""
    return any(not isinstance(_get(event, path[:n]), dict | None) for n in range(1, len(path)))


def _parent(event: dict[str, Any], path: Path) -> dict[str, Any]:
    """The object that holds the end of ``path``, made where it is absent, with every object on the way copied."""
    for name in path[:-1]:
        below = event.get(name)
        event[name] = dict(below) if isinstance(below, dict) else {}
        event = event[name]
    return event


def _set(event: dict[str, Any], path: Path, value: Any) -> None:
    _parent(event, path)[path[-1]] = value


def _drop(event: dict[str, Any], path: Path) -> None:
    del _parent(event, path)[path[-1]]
