"""What stands in for a field that the actions require and the source does not send. Off by default, each use counted.

Both actions require sentAt, which Segment's specification calls optional; Send Customer requires userId, which group
calls of account-level audiences do not have. The hosted destination rejects such events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct

from consumer.kafka.instants import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    Count = Callable[[str, str], None]

SentAtSource = Literal["receivedAt", "timestamp", "originalTimestamp", "record_time"]
GroupUserIdSource = Literal["anonymousId", "groupId"]
"""The end of the year 9999: a record's timestamp beyond it is no time."""


class Fallbacks(Struct, frozen=True):
    """The setting ``source.fallbacks``: for each field, what is asked in turn where it is absent, null or "".

    Attributes:
        sent_at: of any event; ``record_time`` is the Kafka record's timestamp.
        group_user_id: of a group call; ``groupId`` makes the company its own user.
    """

    sent_at: tuple[SentAtSource, ...] = ()
    group_user_id: tuple[GroupUserIdSource, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in (("sent_at", SentAtSource), ("group_user_id", GroupUserIdSource)):
            if not set(getattr(self, name)) <= set(get_args(allowed)):
                raise ValueError(f"{name} takes {', '.join(get_args(allowed))}")

    def __bool__(self) -> bool:
        return bool(self.sent_at or self.group_user_id)


def filled(event: dict[str, Any], fallbacks: Fallbacks, timestamp_ms: int | None, count: Count) -> dict[str, Any]:
    """``event`` with its required fields filled where a source has them; ``count(field, source)`` for each use."""
    added = {}
    if _absent(event.get("sentAt")):
        for source in fallbacks.sent_at:
            value = instant(timestamp_ms) if source == "record_time" else event.get(source)
            if not _absent(value):
                added["sentAt"] = value
                count("sentAt", source)
                break
    if event.get("type") == "group" and _absent(event.get("userId")):
        for origin in fallbacks.group_user_id:
            value = event.get(origin)
            if not _absent(value):
                added["userId"] = value
                count("userId", origin)
                break
    return {**event, **added} if added else event


def _absent(value: Any) -> bool:
    return value is None or value == ""
