"""A YAML file as plain data, with the line of every value and every mistake of form at once.

Safe loading only. Times stay text (YAML 1.1 would turn ``2026-01-01`` into a date and drop what was written), and a key
that stands twice is refused: YAML parsers silently let the last one win.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 4 * 1024 * 1024
"""A settings or mappings file is far smaller; a wrong path to something huge is refused before it is parsed."""

_MAX_NODES: Final = 200_000
"""Bounds what aliases can unfold to ("billion laughs")."""

_MAX_PATH: Final = 2_000
"""Bounds the paths within an alias to its own parent, which have no end."""

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Document:
    """Data of a YAML document.

    Attributes:
        data: dicts, lists, text, numbers, booleans, None.
        lines: 1-based line by path, as in `Problem.path`: ``kafka.topics[0]``; the whole document is "".
    """

    data: Any
    lines: Mapping[str, int] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """SafeLoader without implicit times."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
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
        node = loader.get_single_node()
        if node is None:
            return Document(data=None)
        lines, problems = _walk(node)
        if problems:
            raise ConfigurationError(problems)
        return Document(data=loader.construct_document(node), lines=lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What the parser quotes may be a part of a secret.
        what = _QUOTED.sub("…", error.problem or error.context or "cannot be parsed")
        line = mark.line + 1 if mark else None
        raise ConfigurationError([Problem("(file)", f"is not valid YAML: {what}", line)]) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        message = "is not valid YAML; it must be UTF-8 text without control characters"
        raise ConfigurationError([Problem("(file)", message)]) from None


def _walk(root: yaml.Node) -> tuple[dict[str, int], list[Problem]]:
    """Lines by path, and the duplicate keys."""
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    todo: list[tuple[str, yaml.Node]] = [("", root)]
    while todo:
        path, node = todo.pop()
        lines[path] = node.start_mark.line + 1
        if len(lines) > _MAX_NODES or len(path) > _MAX_PATH:
            raise ConfigurationError([Problem("(file)", "unfolds to too many values; use fewer aliases (*name)")])
        if isinstance(node, yaml.SequenceNode):
            todo.extend((join_path(path, index), item) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    problems.append(Problem(path or "(file)", "has a key that is not text", key.start_mark.line + 1))
                    continue
                name, line = str(key.value), key.start_mark.line + 1
                inner = join_path(path, name)
                if name in seen:
                    message = f"stands twice (first in line {seen[name]}); remove one"
                    problems.append(Problem(inner, message, line))
                seen.setdefault(name, line)
                todo.append((inner, value))
    return lines, problems
