"""What of an event triggers and mappings can look at, so that a decoder may leave out the rest.

Told from the mapping alone, before any event: a path that is written there is read, and everything below it. Whatever
may look elsewhere (a template, Liquid, a path that is itself computed) reads the whole event. Saying too much costs
time only; saying too little would change results, so what is not known to be harmless counts as the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumer.segment.mapping_check import is_directive
from consumer.segment.mapping_path import path_keys
from consumer.segment.trigger_ast import Condition, Group
from consumer.segment.trigger_match import condition_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.reads import Tree
    from consumer.segment.trigger_ast import Node

Path = tuple[str, ...]
WHOLE: Final[Path] = ()

_TRANSPARENT: Final = ("@if", "@case", "@replace", "@literal", "@json", "@excludeWhenNull")
"""Directives that look at nothing of the event but through the nodes that are written in them."""


def trigger_paths(node: Node) -> list[Path]:
    """The paths that a trigger looks up."""
    match node:
        case Group(_, children):
            return [path for child in children for path in trigger_paths(child)]
        case Condition():
            return [condition_keys(node)]
        case _:
            return []


def mapping_paths(node: Any) -> list[Path]:
    """The paths that a mapping, or a node of one, looks up; `WHOLE` among them where it may be any."""
    if isinstance(node, list):
        return [path for inner in node for path in mapping_paths(inner)]
    if not isinstance(node, dict):
        return []
    keys = path_keys(node)
    if keys is not None:
        return [keys]
    names = [name for name in node if name.startswith(("@", "__"))]
    if names and not (is_directive(node) and all(name in _TRANSPARENT for name in names)):
        return [WHOLE]
    return [path for inner in node.values() for path in mapping_paths(inner)]


def tree_of(paths: Iterable[Path], present: Iterable[str] = ()) -> Tree | None:
    """The paths as a tree, what is at each read as a whole; None where the whole event is.

    Keys stand in the order of the paths: msgspec finds them fastest in the order in which events have them.

    Args:
        paths: what is read.
        present: keys of the event of which it matters whether they are there, and not null.
    """
    tree: Tree = {}
    for path in paths:
        if path == WHOLE or not all(map(_encodable, path)):
            return None
        here: Tree | None = tree
        for key in path[:-1]:
            here = here.setdefault(key, {}) if here is not None else None
        if here is not None:
            here[path[-1]] = None
    for key in present:
        tree.setdefault(key, {})
    return tree


def _encodable(key: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in key)
