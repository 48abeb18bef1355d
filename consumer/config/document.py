"""A YAML file as plain data, with the line of every value and every mistake of form at once.

Safe loading only. Times stay text (YAML 1.1 would turn ``2026-01-01`` into a date and drop what was written), and a key
that stands twice is refused: YAML parsers silently let the last one win.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import yaml
from msgspec import Struct, field
from yaml.reader import ReaderError

from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 4 * 1024 * 1024
"""A settings or mappings file is far smaller; a wrong path to something huge is refused before it is parsed."""

_MAX_NODES: Final = 200_000
"""Bounds what aliases can unfold to ("billion laughs")."""

_MAX_PATH: Final = 2_000
"""Bounds the paths within an alias to its own parent, which have no end."""

_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_TOKEN: Final = re.compile(r"<[a-z ]+>|[^\w\s]{1,3}|\\[tnr]|")
"""What the parser may quote: its own names for what it met, and punctuation. All else may be a part of a secret."""

_HINTS: Final = {
    "mapping values are not allowed": 'check the indentation, or put quotes around a text with ": " in it',
    "'\\t' that cannot start": "indent with spaces, not with tabs",
    "that cannot start any token": "put quotes around a text that begins with it",
    "undefined alias": "put quotes around a text that begins with *",
    "undefined tag handle": "put quotes around a text that begins with !",
    "unknown escape": "put single quotes around a text with a backslash in it, or double the backslash",
    "of stream": "close the quotes",
    "<stream end>": "close the bracket",
    "expected ',' or": "put a comma before it, or close the bracket",
    "expected <block end>": "check the indentation, and the quotes before it",
    "sequence entries are not allowed": "check the indentation, or put quotes around a text that begins with -",
    "<document start>": "check the brackets before it",
    "another document": "remove the line ---, and what belongs to the other document",
    "for merging": "put quotes around the key <<, or an alias (*name) after it",
}
"""Remedies, by what the parser says; the first that fits."""

_CORE: Final = "tag:yaml.org,2002:"
_MERGE: Final = _CORE + "merge"
_TAGS: Final = {
    yaml.ScalarNode: {_CORE + name for name in ("str", "int", "float", "bool", "null")},
    yaml.SequenceNode: {_CORE + "seq"},
    yaml.MappingNode: {_CORE + "map"},
}
"""The tags of plain data, by the kind of node that may have them. Others give dates, bytes, sets, or nothing at all."""


class Document(Struct, frozen=True):
    """Data of a YAML document.

    Attributes:
        data: dicts, lists, text, numbers, booleans, None.
        lines: 1-based line by path, as in `Problem.path`: ``kafka.topics[0]``; the whole document is "".
    """

    data: Any
    lines: Mapping[str, int] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """SafeLoader without implicit times, and with ``=`` as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_CORE + "timestamp", _CORE + "value"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def join_path(parent: str, key: str | int) -> str:
    """``parent`` and a key or an index within it, as `Problem.path` writes them."""
    if isinstance(key, int):
        return f"{parent}[{key}]"
    shown = show_key(key)
    return f"{parent}.{shown}" if parent else shown


def show_key(key: str) -> str:
    """A key as it may be repeated to a person: what is no name (a URL, a long text) could be a misplaced secret."""
    if len(key) > 64 or "://" in key or not key.isprintable():
        return "(a key that is no name)"
    return key


def parse_document(text: str) -> Document:
    """Parse one YAML document.

    Raises:
        ConfigurationError: every duplicate key at once, or where the text stops being YAML. Values are never repeated.
    """
    if len(text) > MAX_BYTES:
        raise ConfigurationError([Problem("(file)", f"is larger than {MAX_BYTES} characters; is it the right file?")])
    try:
        loader = _Loader(text)
    except ReaderError as error:
        raise ConfigurationError([_unreadable(text, error.position)]) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(data=None)
        lines, problems = _walk(node, loader)
        if problems:
            raise ConfigurationError(problems)
        return Document(data=loader.construct_document(node), lines=lines)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([_malformed(error)]) from None
    except RecursionError:
        message = "is nested too deeply; close the brackets that are open, or take levels out"
    except ValueError:  # chr() refuses it
        message = "is not valid YAML: an escape (\\U) that stands for no character; put single quotes around the text"
    raise ConfigurationError([Problem("(file)", message, loader.line + 1, loader.column + 1)])


def _unreadable(text: str, position: int) -> Problem:
    """A character that no YAML text may have."""
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    message = f"has a character that YAML does not allow (U+{ord(text[position]):04X}); remove it"
    return Problem("(file)", message, line, column)


def _malformed(error: yaml.MarkedYAMLError) -> Problem:
    """What the parser says, its mark, and where what it was reading began."""
    said = error.problem or "cannot be parsed"
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    hint = next((f"; {hint}" for words, hint in _HINTS.items() if words in said), "")
    message = _QUOTED.sub(lambda found: found[0] if _TOKEN.fullmatch(found[1] or found[2] or "") else "…", said)
    if error.context:
        where = f" (from line {began.line + 1}, column {began.column + 1})" if began else ""
        message = f"{_QUOTED.sub('…', error.context)}{where}: {message}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return Problem("(file)", f"is not valid YAML: {message}{hint}", line, column)


def _walk(root: yaml.Node, loader: _Loader) -> tuple[dict[str, int], list[Problem]]:
    """Lines by path, the duplicate keys, and the values that are not what they say."""
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    todo: list[tuple[str, yaml.Node]] = [("", root)]
    while todo:
        path, node = todo.pop()
        lines[path] = node.start_mark.line + 1
        if len(lines) > _MAX_NODES or len(path) > _MAX_PATH:
            raise ConfigurationError([Problem("(file)", "unfolds to too many values; use fewer aliases (*name)")])
        _try(node, path, loader, problems)
        if isinstance(node, yaml.SequenceNode):
            todo.extend((join_path(path, index), item) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    problems.append(_problem(path, "has a key that is not text; put quotes around it", key))
                    continue
                name, line = str(key.value), key.start_mark.line + 1
                inner = join_path(path, name)
                if name in seen:
                    problems.append(_problem(inner, f"stands twice (first in line {seen[name]}); remove one", key))
                if key.tag != _MERGE:
                    _try(key, inner, loader, problems)
                seen.setdefault(name, line)
                todo.append((inner, value))
    return lines, problems


def _try(node: yaml.Node, path: str, loader: _Loader, problems: list[Problem]) -> None:
    """Whether a node is plain data, and a value what its tag says."""
    if node.tag not in _TAGS[type(node)]:
        name = f" !!{node.tag.removeprefix(_CORE)}" if node.tag in yaml.SafeLoader.yaml_constructors else ""
        message = f"has a tag{name} that does not fit; remove it, and put quotes around what is to be text"
        problems.append(_problem(path, message, node))
    elif isinstance(node, yaml.ScalarNode):
        try:
            loader.construct_object(node)  # it is kept: nothing is constructed twice
        except (ArithmeticError, LookupError, ValueError):
            kind = node.tag.removeprefix(_CORE)
            most = sys.get_int_max_str_digits()
            if kind == "int" and len(node.value) > most:
                message = f"is a number of more than {most} digits; put quotes around it if it is text"
            else:
                message = f"has a tag !!{kind} that does not fit; remove it, or write what it says"
            problems.append(_problem(path, message, node))


def _problem(path: str, message: str, node: yaml.Node) -> Problem:
    mark = node.start_mark
    return Problem(path or "(file)", message, mark.line + 1, mark.column + 1)
