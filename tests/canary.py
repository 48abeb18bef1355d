"""What must not be shown is looked for wherever the suite makes the service write something.

Every event of the harness carries `PERSON`, and every webhook URL has `HOOK` before its token. Whoever reads what the
service wrote hands it to `watch`: each log line of a service, whatever its level, and all else on its standard error, each
page and scrape, each dead letter's own headers. Of the tests that run parts of it in their own process, what was
written to standard error and logged is watched too (`tests/conftest.py`).
"""

from __future__ import annotations

from typing import Final

PERSON: Final = "Canary-Person"
"""Personal data in an event."""

HOOK: Final = "/hook/"
"""The path of the stand-in's webhook: the credential begins behind it."""

_WORDS: Final = (PERSON.lower(), HOOK, "canary-token")


def leaks(text: str) -> list[str]:
    """Which of the canaries are in a text."""
    folded = text.lower()
    return [word for word in _WORDS if word in folded]


def watch(where: str, text: str) -> None:
    """Fail the test if a canary is in what was shown."""
    found = leaks(text)
    assert not found, f"{where} shows {', '.join(found)}: {text[:2000]}"
