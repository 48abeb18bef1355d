"""Mappings that change while the service runs: a good file is swapped in between two batches, a bad one refused.

Theory of operation. Every poll reads the file through whatever links lead to it (a Kubernetes ConfigMap is swapped by a
symlink) and compares a digest of its contents: times and inodes say too much or too little. New contents must stand
unchanged for two polls before they are taken, for an editor or ``cp`` may be half way through, and the first half of a
list of mappings is a valid file. What is refused is refused once, with every mistake; the mappings before it go on.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from consumer.chartmogul.router import Router
from consumer.config.mappings import MappingsFile, load_mappings, parse_mappings, read_text
from consumer.errors import ConfigurationError
from consumer.ops.snapshot import MappingsInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from consumer.config.model import Settings
    from consumer.outcomes import RejectReason


def build_router(
    settings: Settings, mappings: MappingsFile, *, skip_reasons: AbstractSet[RejectReason] | None = None
) -> Router:
    """The router for settings and a mappings file.

    Args:
        settings: for ``destination.require_company_id`` and ``dead_letter.skip_reasons``.
        mappings: what the file says.
        skip_reasons: instead of the settings'.

    Raises:
        ConfigurationError: the mappings cannot be used; `consumer.config.mappings` refuses all such files before.
    """
    return Router(
        mappings.specs,
        filters=mappings.filters,
        require_company_id=settings.destination.require_company_id,
        consent_categories=mappings.consent_categories,
        skip_reasons=frozenset(settings.dead_letter.skip_reasons) if skip_reasons is None else skip_reasons,
    )


class MappingsReloader:
    """Holds the mappings in use, and looks for others.

    Building it reads ``settings.mappings_file`` and raises `ConfigurationError` if it cannot be used: nothing starts
    with mappings that are wrong. `poll` never raises; a change takes it milliseconds, and for many mappings more, so
    call it on another thread than the event loop's. Calls must not overlap.

    Attributes:
        router: of the mappings in use; never None.
        info: what metrics and the status page say of them.
    """

    def __init__(self, settings: Settings, log: Any, unix: Callable[[], float]) -> None:
        """Read the file.

        Args:
            settings: fixed for the process.
            log: an `EventLogger`.
            unix: the time, Unix seconds.
        """
        self._settings = settings
        self._path = settings.mappings_file
        self._log = log
        self._unix = unix
        text = "" if self._path is None else read_text(self._path)
        mappings = load_mappings(None) if self._path is None else parse_mappings(text, self._path.name)
        self.router = build_router(settings, mappings)
        self.info = MappingsInfo(mappings.source, _names(mappings), unix())
        self._used = self._seen = self._decided = _digest(text)
        self._tell_quirks(mappings)

    def poll(self) -> Router | None:
        """The router of a file that has changed and is good; else None."""
        if self._path is None:
            return None
        try:
            text = read_text(self._path)
        except ConfigurationError as error:
            return self._consider(f"unreadable: {error}", error)
        return self._consider(_digest(text), text)

    def _consider(self, state: str, found: str | ConfigurationError) -> Router | None:
        """Take, refuse or wait for what stands there now; ``state`` tells it from other contents."""
        settled, self._seen = state == self._seen, state
        if not settled or state == self._decided:
            return None
        self._decided = state
        if state == self._used:
            self.info = replace(self.info, error="")  # put back as it was
            self._log.info("mappings_restored", source=self.info.source)
            return None
        assert self._path is not None
        try:
            if isinstance(found, ConfigurationError):
                raise found
            mappings = parse_mappings(found, self._path.name)
            router = build_router(self._settings, mappings)
        except ConfigurationError as error:
            problems = [str(problem) for problem in error.problems]
            self.info = replace(self.info, reloads_failed=self.info.reloads_failed + 1, error="; ".join(problems))
            self._log.error("mappings_refused", source=self.info.source, problems=problems)
            return None
        self._used = state
        self.router = router
        self.info = replace(
            self.info,
            names=_names(mappings),
            loaded_at=self._unix(),
            reloads_ok=self.info.reloads_ok + 1,
            error="",
        )
        self._log.info("mappings_reloaded", source=self.info.source, names=list(self.info.names))
        self._tell_quirks(mappings)
        return router

    def _tell_quirks(self, mappings: MappingsFile) -> None:
        if mappings.quirks:
            self._log.warning("mappings_with_hosted_quirks", quirks=[str(quirk) for quirk in mappings.quirks])


def _names(mappings: MappingsFile) -> tuple[str, ...]:
    return tuple(spec.name for spec in mappings.specs if spec.enabled)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
