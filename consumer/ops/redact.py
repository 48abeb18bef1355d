"""What must not be shown: known secrets in any text, and what an answer repeats of the event it answers.

A last line of defence: nobody is to pass such text on in the first place.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "[redacted]"
MAX_EXCERPT_CHARS: Final = 200

_SHORTEST: Final = 6
"""A secret that is shorter would mask ordinary words."""

_PERSONAL: Final = re.compile(r"[^\s\"'<>,;:]+@[^\s\"'<>,;:]+|https?://[^\s\"'<>]+|\+?\d(?:[ .()-]{0,2}\d){5,}")
"""Addresses of mail, URLs, and long numbers: telephones, cards, ids. Each alternative advances with every character."""


class Redactor:
    """Masks registered secrets. Registering is done at start; masking from any thread."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def register_secret(self, secret: str) -> None:
        """Never show this text, nor the parts of it that are secret in themselves: a URL's path, query and password."""
        parts = {secret, secret.strip()}
        if "://" in secret:
            parts |= _url_parts(secret)
        parts |= {unquote(part) for part in parts}
        # As JSON and repr write them.
        parts |= {json.dumps(part)[1:-1] for part in parts} | {repr(part)[1:-1] for part in parts}
        self._secrets |= {part for part in parts if len(part) >= _SHORTEST}
        longest_first = sorted(self._secrets, key=lambda part: (-len(part), part))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """``text`` without them."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _url_parts(text: str) -> set[str]:
    try:
        url = urlsplit(text)
    except ValueError:  # no URL after all
        return set()
    return {url.path, url.query, url.password or "", *url.path.split("/")}


def redact_excerpt(excerpt: str, bodies: Iterable[bytes]) -> str:
    """What of an answer may be shown: its first characters, without anything that was in the request.

    Args:
        excerpt: the answer's first bytes as text.
        bodies: the JSON that was sent. Every text and number of it is masked where the answer repeats it.
    """
    known = {value for body in bodies for value in _values(body)}
    shown = " ".join(excerpt[: 4 * MAX_EXCERPT_CHARS].split())
    folded = shown.casefold()
    for value in sorted((value for value in known if value.casefold() in folded), key=len, reverse=True):
        shown = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, shown, flags=re.IGNORECASE)
    shown = _PERSONAL.sub(MASK, shown)
    return shown if len(shown) <= MAX_EXCERPT_CHARS else shown[: MAX_EXCERPT_CHARS - 1] + "…"


def _values(body: bytes) -> Iterable[str]:
    """Every scalar of a JSON body as an answer could repeat it; names of fields are no secret."""
    try:
        todo: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, str):
            text = " ".join(value.split())
            yield from (form for form in {text, json.dumps(text)[1:-1]} if form)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield str(value)
