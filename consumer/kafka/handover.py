"""How much may be on its way to the driver: bytes handed over that it has not taken yet.

Above the bound the driver is behind, until it has come down to half of it. At first the thread just waits: a pause
discards what librdkafka has fetched, and a busy event loop is soon back. Later it must poll again, or the group would
expel it: then everything is paused.
"""

from __future__ import annotations

from typing import Final

PATIENCE_SECONDS: Final = 1.0


class HandOver:
    """Counts what is on its way.

    Args:
        bound: bytes; a batch may exceed it once.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._on_its_way = 0
        self._behind_since: float | None = None

    def handed(self, size: int) -> None:
        """A batch of this size goes to the driver."""
        self._on_its_way += size

    def took(self, size: int) -> None:
        """The driver has taken one of this size."""
        self._on_its_way -= size

    def behind(self, now: float) -> bool:
        """Whether the driver is behind."""
        if self._on_its_way <= (self._bound if self._behind_since is None else self._bound // 2):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        return self._behind_since is not None

    def patience(self, now: float) -> float:
        """Seconds that are left for waiting without a poll."""
        return 0.0 if self._behind_since is None else max(0.0, self._behind_since + PATIENCE_SECONDS - now)
