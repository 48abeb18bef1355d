"""Logging, set up once: everything goes through one handler to standard error, as JSON lines or for people.

A line is an event of note with names and numbers: topic, partition, offset, message_id, mapping, reason. Never the
contents of an event, never a delivery at info. Two guards stand behind that: registered secrets are masked in the
finished line, and of an exception that is not ours only the type and the places are written, for its message may repeat
what it choked on.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

from consumer.errors import ConsumerError
from consumer.ops.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

redactor: Final = Redactor()
"""The process's known secrets."""

register_secret = redactor.register_secret

_CHATTY: Final = ("httpx", "httpcore", "aiohttp", "asyncio", "urllib3")
"""Libraries whose info lines say what we do not: httpx writes every URL."""

_LIBRDKAFKA: Final = "consumer.kafka.librdkafka"
"""librdkafka's own lines: a broker that is down is one for each attempt to connect."""

_NUMBERS: Final = re.compile(r"[0-9]+")

_COLOURS: Final = {"debug": "34", "info": "32", "warning": "33", "error": "31", "critical": "31"}

_MAX_KEYS: Final = 1_024


class EventLogger:
    """Logs events of note: ``log.info("joined", partitions=4)``, the event's name first, values as keywords.

    ``exc_info`` is the standard library's; a value that the line has no form for shows its type alone.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **fields: Any) -> None:
        """For who looks for a fault."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """Something of note."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Something that a person may want to look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Something that a person has to see to."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """An error, with the exception that is being handled."""
        self._write(logging.ERROR, event, {"exc_info": True, **fields})

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, exc_info=fields.pop("exc_info", None), extra={"fields": fields})


class _Formatter(logging.Formatter):
    """Renders, then masks; of lines that are not ours the text alone."""

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = {"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1]:
            line["exception"] = describe_exception(record.exc_info[1])
        return redactor(self._render(line))


def _as_json(value: object) -> str:
    return json.dumps(value, default=_shown)


class _ForPeople:
    """Time, level, event, then ``name=value``; an exception on lines of its own."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, line: dict[str, Any]) -> str:
        at, level, event = line.pop("timestamp"), line.pop("level"), line.pop("event")
        exception = line.pop("exception", None)
        coloured = self._in(_COLOURS.get(level, "0"), f"{level:<8}")
        shown = [self._in("2", at), f"[{coloured}]", self._in("1", f"{event:<28}")]
        shown += [f"{self._in('36', name)}={_plain(value)}" for name, value in line.items()]
        return " ".join(shown).rstrip() + (f"\n{exception}" if exception else "")

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text


def _plain(value: object) -> str:
    if not isinstance(value, str):
        return _as_json(value)
    return value if value.isprintable() and value and " " not in value else repr(value)


def configure_logging(level: str = "info", fmt: str = "json", stream: TextIO | None = None) -> None:
    """Set up the standard library's root logger, which all lines go through; a second call replaces the first.

    Args:
        level: debug | info | warning | error.
        fmt: json (one object a line) | console (for people; coloured on a terminal).
        stream: where lines go; standard error where None.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(_as_json if fmt == "json" else _ForPeople(colours=stream.isatty())))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    librdkafka = logging.getLogger(_LIBRDKAFKA)
    librdkafka.filters[:] = [_OncePerKind()]
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


class Repeats:
    """Lets the first of a kind through, then one in each interval that says how many it stands for.

    Args:
        interval_seconds: the least time between two lines of a kind.
        clock: monotonic seconds.
    """

    def __init__(self, interval_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval_seconds
        self._clock = clock
        self._seen: OrderedDict[object, tuple[float, int]] = OrderedDict()

    def admit(self, key: object) -> int | None:
        """How many of this kind were held back since the last that was let through; None: hold this one back."""
        now = self._clock()
        last, held = self._seen.get(key, (None, 0))
        if last is not None and now - last < self._interval:
            self._seen[key] = (last, held + 1)
            return None
        self._seen[key] = (now, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > _MAX_KEYS:
            self._seen.popitem(last=False)
        return held


class RareWarnings:
    """Warnings of which only the first of a kind, and then one a minute, becomes a line.

    Args:
        log: where they go.
        repeats: decides which.
    """

    def __init__(self, log: Any, repeats: Repeats | None = None) -> None:
        self._log = log
        self._repeats = repeats or Repeats()

    def __call__(self, event: str, key: str, **fields: object) -> None:
        """Warn, or count it for the next line (``held_back``).

        Args:
            event: the line's name.
            key: repeats are those of the same event and key: what a person would call the same trouble.
            fields: the line's; a callable is called only if there is a line.
        """
        held_back = self._repeats.admit((event, key))
        if held_back is not None:
            shown = {name: value() if callable(value) else value for name, value in fields.items()}
            self._log.warning(event, **shown, held_back=held_back)


class _OncePerKind(logging.Filter):
    """Holds back a library's repeats: lines that differ in numbers only."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        held_back = self._repeats.admit(_NUMBERS.sub("#", record.getMessage()))
        record.fields = {"held_back": held_back}
        return held_back is not None


def describe_exception(error: BaseException) -> str:
    """Type, places, and the message only where its class promises that it holds no contents: ours, and the system's."""
    lines = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(_headline(current))
        lines += _places(current.__traceback__)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(lines)


def _headline(error: BaseException) -> str:
    kind = type(error).__qualname__
    if isinstance(error, ConsumerError):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {error.strerror}"
    return kind


def _places(trace: TracebackType | None) -> list[str]:
    return [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(trace)]


def _shown(value: object) -> str:
    """What JSON has no form for: an exception by its headline, else the type alone, for a repr may say too much."""
    return _headline(value) if isinstance(value, BaseException) else f"<{type(value).__qualname__}>"
