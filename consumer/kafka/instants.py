"""Record times as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, where `datetime` ends."""


def instant(unix_ms: int | None) -> str | None:
    """Milliseconds since 1970 as Segment writes times: UTC, milliseconds, Z.

    None for none, and for what lies beyond the year 9999: some producers write microseconds, and brokers take them.
    """
    if unix_ms is None or not 0 < unix_ms <= _LAST_MS:
        return None
    seconds, milliseconds = divmod(unix_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"
