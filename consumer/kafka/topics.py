"""Which topics are subscribed to, and how many partitions they have.

Patterns are matched by the C library's ``regexec``, which is what librdkafka itself calls: the same topics match here
as there, and no pattern reaches Python's backtracking engine. (A KIP-848 group is matched by the broker, with RE2.)
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final, Protocol

from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EXTENDED: Final = 1  # REG_EXTENDED, the same on Linux and macOS
_REGEX_BYTES: Final = 1024  # sizeof(regex_t) is 64 with glibc, 32 on macOS


class _Topic(Protocol):
    @property
    def partitions(self) -> Mapping[int, object]: ...


class _Metadata(Protocol):
    @property
    def topics(self) -> Mapping[str, _Topic]: ...


class TopicPattern:
    """A topic pattern as librdkafka takes it: ``^`` and a POSIX extended regular expression.

    Raises:
        ConfigurationError: it is none.
    """

    def __init__(self, pattern: str) -> None:
        self._library = ctypes.CDLL(None)
        self._compiled = ctypes.create_string_buffer(_REGEX_BYTES)
        if self._library.regcomp(self._compiled, pattern.encode(), _EXTENDED):
            raise ConfigurationError([Problem("kafka.topics", "a pattern is no POSIX extended regular expression")])

    def matches(self, topic: str) -> bool:
        """Whether a topic of this name is subscribed to."""
        result: int = self._library.regexec(self._compiled, topic.encode(), 0, None, 0)
        return result == 0

    def __del__(self) -> None:
        if hasattr(self, "_compiled"):
            self._library.regfree(self._compiled)


class Subscription:
    """Topics by name and by pattern.

    Raises:
        ConfigurationError: a pattern is no regular expression.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = tuple(topics)
        self._names = {topic for topic in self.topics if not topic.startswith("^")}
        self._patterns = [TopicPattern(topic) for topic in self.topics if topic.startswith("^")]

    def by_pattern(self, topic: str) -> bool:
        """Whether only a pattern brought it here: such topics are found while running."""
        return topic not in self._names

    def partitions(self, metadata: _Metadata) -> dict[str, int]:
        """The number of partitions of each subscribed topic that exists."""
        return {
            name: len(topic.partitions)
            for name, topic in metadata.topics.items()
            if topic.partitions and (name in self._names or any(p.matches(name) for p in self._patterns))
        }
