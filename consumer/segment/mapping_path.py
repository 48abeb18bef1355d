"""``@path`` look-ups: what a path means, compiled once.

A path is cut at dots, and at brackets that stand next to a quote or a digit; quotes are dropped. Dots cut even inside
quotes, ``[name]`` and ``[-1]`` are no indexes: that is how the original reads them, and people's mappings rely on it.
A value that is falsy to JavaScript ends the look-up and is its result: with ``traits: ""`` every child of traits is "".

Source: actions-core ``get.ts``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from consumer.segment.js import UNDEFINED, truthy
from consumer.segment.js_member import OBJECT_MEMBERS, member

Lookup = Callable[[Any], Any]
"""From an event (or any value) to what stands at a path, `UNDEFINED` where nothing does."""

_CUT: Final = re.compile(r"\[(?=[\"'0-9])|\.|(?<=[\"'0-9])\]+")
_EMPTY_PART: Final = re.compile(r"^\.|\.\.|\.$")
_QUOTES: Final = str.maketrans("", "", "'\"")


def split_path(path: str) -> tuple[str, ...]:
    """The keys that a path looks up, in order; none for "" and ".", which are the whole value."""
    return tuple(part.translate(_QUOTES) for part in _CUT.split(path) if part)


def directive_keys(path: str) -> tuple[str, ...]:
    """The keys of an ``@path`` directive's text: there ``$.`` is removed once, wherever it first stands."""
    return split_path(path.replace("$.", "", 1))


def path_mistake(path: str) -> str:
    """What an ``@path`` directive's text says that the original takes for something else; "" where it reads as it runs.

    The original refuses no path: it drops what it has no use for, and looks for names with brackets in them.
    """
    rest = path.replace("$.", "", 1)
    parts = [part for part in _CUT.split(rest) if part]
    if any("[" in part or "]" in part for part in parts) or rest.count("[") != rest.count("]"):
        return 'has a bracket that is not taken for one; write an index as [0], and a name as .name or ["name"]'
    if any(part.count(quote) % 2 for part in parts for quote in "'\""):
        return (
            "has a quote without its pair, which is dropped; a dot cuts within quotes too: no path has names with dots"
        )
    if rest != "." and _EMPTY_PART.search(rest):
        return "has an empty part, which is dropped; remove the dot too many"
    if any(part != part.strip() for part in parts):
        return "has a space before or after a name, which is taken for a part of it; remove it"
    if parts and parts[0].startswith("$"):
        return "has a $ that is taken for a part of the name; begin with $. and the field, as in $.traits.email"
    return ""


def path_keys(node: Any) -> tuple[str, ...] | None:
    """The keys of a plain ``{"@path": "..."}`` node that may be looked up as ``event[key][key]...`` in dicts.

    While every value on the way is a dict the result is that of ``dict.get``; for any other value, and for a node that
    gives None here, the closure of `compile_path` or `compile_value` is the only right answer.

    Returns:
        None where the node is anything else, or where a key names a member that every JavaScript object has.
    """
    if not isinstance(node, dict) or not node.keys() <= {"@path", "_metadata"}:
        return None
    path = node.get("@path")
    if not isinstance(path, str):
        return None
    keys = directive_keys(path)
    return keys if OBJECT_MEMBERS.isdisjoint(keys) else None


def compile_path(path: str | tuple[str, ...]) -> Lookup:
    """A look-up for a path's text (``$.`` means nothing here) or for its keys. It never raises and changes nothing."""
    keys = split_path(path) if isinstance(path, str) else path
    if not OBJECT_MEMBERS.isdisjoint(keys):
        return _compile_guarded(keys)
    if len(keys) == 1:
        return _compile_single(keys[0])

    def look_up(value: Any) -> Any:
        for key in keys:
            value = value.get(key, UNDEFINED) if type(value) is dict else child(value, key)
        return value

    return look_up


def child(value: Any, key: str) -> Any:
    """``value && value[key]``: one step of a look-up."""
    return member(value, key) if truthy(value) else value


def _compile_single(key: str) -> Lookup:
    def look_up(value: Any) -> Any:
        return value.get(key, UNDEFINED) if type(value) is dict else child(value, key)

    return look_up


def _compile_guarded(keys: tuple[str, ...]) -> Lookup:
    """Some key is one that every object answers to (``constructor``): ``dict.get`` would miss it."""

    def look_up(value: Any) -> Any:
        for key in keys:
            value = child(value, key)
        return value

    return look_up
