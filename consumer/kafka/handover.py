"""How much may be on its way to the driver: bytes handed over that it has not taken yet.

Above the bound the driver is behind, until it has come down to half of it.
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
        self._behind = False

    def handed(self, size: int) -> None:
        """A batch of this size goes to the driver."""
        self._on_its_way += size

    def took(self, size: int) -> None:
        """The driver has taken one of this size."""
        self._on_its_way -= size

    def behind(self) -> bool:
        """Whether the driver is behind."""
        self._behind = self._on_its_way > (self._bound // 2 if self._behind else self._bound)
        return self._behind


class Patience:
    """How long to just wait while nothing more may come in.

    A pause discards what librdkafka has fetched, and there is mostly room again soon. Later the thread must poll, or
    the group would expel it: then everything is paused.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def left(self, now: float, *, still: bool) -> float:
        """Seconds that are left for waiting without a poll; ``still``: whether nothing may come in."""
        if not still:
            self._since = None
            return 0.0
        if self._since is None:
            self._since = now
        return max(0.0, self._since + PATIENCE_SECONDS - now)
