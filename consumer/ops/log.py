"""Logging, set up once: structlog and the standard library write through one handler to standard error.

A line is an event of note with names and numbers: topic, partition, offset, message_id, mapping, reason. Never the
contents of an event, never a delivery at info. Two guards stand behind that: registered secrets are masked in the
finished line, and of an exception that is not ours only the type and the places are written, for its message may repeat
what it choked on.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from consumer.errors import ConsumerError
from consumer.ops.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from structlog.typing import EventDict, WrappedLogger

redactor: Final = Redactor()
"""The process's known secrets."""

register_secret = redactor.register_secret

_CHATTY: Final = ("httpx", "httpcore", "aiohttp", "asyncio", "urllib3")
"""Libraries whose info lines say what we do not: httpx writes every URL."""

_LIBRDKAFKA: Final = "consumer.kafka.librdkafka"
"""librdkafka's own lines: a broker that is down is one for each attempt to connect."""

_NUMBERS: Final = re.compile(r"[0-9]+")

_MAX_KEYS: Final = 1_024


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders, then masks."""

    def format(self, record: logging.LogRecord) -> str:
        return redactor(super().format(record))


def configure_logging(level: str = "info", fmt: str = "json", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's root logger; a second call replaces the first.

    Args:
        level: debug | info | warning | error.
        fmt: json (one object a line) | console (for people; coloured on a terminal).
        stream: where lines go; standard error where None.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(()),
        _exception,
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=_shown)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=28
        )
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    librdkafka = logging.getLogger(_LIBRDKAFKA)
    librdkafka.filters[:] = [_OncePerKind()]
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # tests and the demo set it up more than once
    )


def get_logger(name: str) -> Any:
    """A logger: ``log.info("joined", partitions=4)``; the event's name first, values as keywords."""
    return structlog.stdlib.get_logger(name)


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
        record.held_back = held_back
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


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by what of it may be shown."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()[1]
    elif isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        event["exception"] = describe_exception(info)
    return event


def _shown(value: object) -> str:
    """What JSON has no form for: an exception by its headline, else the type alone, for a repr may say too much."""
    return _headline(value) if isinstance(value, BaseException) else f"<{type(value).__qualname__}>"
