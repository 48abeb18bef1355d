"""A bounded memory of what was delivered: messageId and mapping, marked on a 2xx and on nothing else.

Producers repeat themselves (Segment's own Kafka destination retries for hours), and a repeat is another record.
Segment drops repeated messageIds over a day (https://segment.com/docs/guides/duplicate-data/); this does what fits in
memory, in this process, since its start. It is no part of the promise and needs no volume.
"""

from __future__ import annotations

from collections import OrderedDict


class Delivered:
    """The last deliveries, oldest forgotten first."""

    __slots__ = ("_entries", "_limit")

    def __init__(self, max_entries: int) -> None:
        """``max_entries`` above 0; an entry costs about 150 bytes."""
        self._limit = max_entries
        self._entries: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __contains__(self, entry: tuple[str, str]) -> bool:
        return entry in self._entries

    def mark(self, mapping: str, message_id: str) -> None:
        """This was delivered. An event without a messageId is never a repeat."""
        if not message_id:
            return
        self._entries[mapping, message_id] = None
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
