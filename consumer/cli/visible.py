"""Somebody else's text on a terminal: contents of events, headers and files, which anybody may have written."""

from __future__ import annotations


def visible(text: str) -> str:
    """``text`` on one line, with what no terminal shows (control characters, half characters) written as escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
