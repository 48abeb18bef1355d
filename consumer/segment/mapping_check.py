"""A mapping's mistakes, all at once, before any event comes.

The rules are the original's, so a mapping that Segment takes is taken here. What it does not look into is not looked
into here either: the elements of arrays and the contents of ``@literal`` and ``@excludeWhenNull`` objects. Beyond the
original, a mapping must be JSON (a YAML date is not) and nested at most `MAX_DEPTH` levels deep.

Source: actions-core ``mapping-kit/validate.ts``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from consumer.errors import Problem
from consumer.segment.js import UNDEFINED, type_name, utf16_length

MAX_DEPTH: Final = 100
"""Levels of a mapping; people's have fewer than ten."""

MAX_PATTERN_LENGTH: Final = 10
MAX_REPLACEMENT_LENGTH: Final = 10
"""UTF-16 units of ``@replace``'s texts."""

_METADATA: Final = "_metadata"
"""A key that Segment's app writes beside a directive; it means nothing here."""


def check_mapping(node: Any) -> tuple[Problem, ...]:
    """Every mistake in a mapping, in order; paths are dotted, ``company.id.@if.exists``, "" is the mapping itself."""
    problems: list[Problem] = []
    _check_json(node, "", 0, problems)
    if not problems:
        _Checker(problems).value(node, "")
    return tuple(problems)


def is_directive(node: Any) -> bool:
    """Whether a node is resolved as a directive: an object with a key that starts with @, and no others."""
    if not isinstance(node, dict) or not any(key.startswith("@") for key in node):
        return False
    return all(key.startswith("@") or key == _METADATA for key in node)


def below(path: str, key: str | int) -> str:
    """The path of a child: ``f.@merge.objects`` and 0 give ``f.@merge.objects[0]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _check_json(node: Any, path: str, depth: int, problems: list[Problem]) -> None:
    if depth > MAX_DEPTH:
        problems.append(Problem(path, f"is nested more than {MAX_DEPTH} levels deep; flatten the mapping"))
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, str):
                _check_json(value, below(path, key), depth + 1, problems)
            else:
                problems.append(Problem(path, f"has the key {key!r}, which is no text; put it in quotes"))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _check_json(value, below(path, index), depth + 1, problems)
    elif not isinstance(node, str | int | float | None):
        problems.append(Problem(path, f"is a {type(node).__name__}, which JSON has not; put it in quotes"))


Check = Callable[[Any, str], None]


class _Checker:
    """Walks a mapping and collects what is wrong. Each method takes a node and its path."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._directives: dict[str, Check] = {
            "@if": self._if,
            "@case": self._case,
            "@replace": self._replace,
            "@arrayPath": self._array_path,
            "@path": self.text_or_directive,
            "@json": self._json,
            "@flatten": self._flatten,
            "@merge": self._merge,
            "@template": self.text_or_directive,
            "@literal": self.anything_or_directive,
            "@transform": self._transform,
            "@excludeWhenNull": self.anything_or_directive,
            "@liquid": self.text,
        }

    def value(self, node: Any, path: str) -> None:
        """A node in a place where the original looks: a directive, an object of nodes, or anything else."""
        kind = _kind(node)
        if kind == "directive":
            self.directive(node, path)
        elif kind == "object":
            for key, inner in node.items():
                self.value(inner, below(path, key))

    def directive(self, node: dict[str, Any], path: str) -> None:
        names = [key for key in node if key.startswith("@")]
        if len(names) > 1 or any(key not in names and key != _METADATA for key in node):
            self._add(path, f"has {len(node)} keys ({', '.join(node)}); a directive stands alone in its object")
            return
        check = self._directives.get(names[0])
        if check is None:
            known = ", ".join(sorted(self._directives))
            self._add(path, f"has an unknown directive, {names[0]}; there are {known}")
            return
        check(node[names[0]], below(path, names[0]))

    # What a directive's own value may be; a directive there is followed.

    def text_or_directive(self, node: Any, path: str) -> None:
        self._any_text(node, path)
        self.anything_or_directive(node, path)

    def anything_or_directive(self, node: Any, path: str) -> None:
        if _kind(node) == "directive":
            self.directive(node, path)

    def _if(self, node: Any, path: str) -> None:
        self._fields(node, path)

    def _case(self, node: Any, path: str) -> None:
        self._fields(node, path, operator=self.text, value=self._any_text)

    def _replace(self, node: Any, path: str) -> None:
        self._fields(
            node,
            path,
            "pattern",
            "value",
            pattern=self._length(1, MAX_PATTERN_LENGTH),
            replacement=self._length(0, MAX_REPLACEMENT_LENGTH),
            value=self._any_text,
            ignorecase=self._flag,
            **{"global": self._flag},
        )

    def _json(self, node: Any, path: str) -> None:
        self._fields(node, path, "value", "mode", mode=self._one_of("encode", "decode"))

    def _flatten(self, node: Any, path: str) -> None:
        self._fields(node, path, "value", separator=self.text)

    def _transform(self, node: Any, path: str) -> None:
        self._fields(node, path, "apply", "mapping", apply=self._any_object, mapping=self._any_object)

    def _merge(self, node: Any, path: str) -> None:
        forms = {"objects": self._array, "direction": self._one_of("left", "right")}
        if self._fields(node, path, "objects", **forms) and isinstance(node.get("objects"), list):
            for index, each in enumerate(node["objects"]):
                place = below(below(path, "objects"), index)
                self._any_object(each, place)
                self.value(each, place)

    def _array_path(self, node: Any, path: str) -> None:
        if _kind(node) != "array":
            self._array(node, path)
            return
        self.text_or_directive(node[0] if node else UNDEFINED, below(path, 0))
        if len(node) > 1:
            self.value(node[1], below(path, 1))

    def _fields(self, node: Any, path: str, *required: str, **forms: Check) -> bool:
        """An object of nodes, some required, some with a form of their own; False where it is no object."""
        if _kind(node) != "object":
            self._add(path, f"should be an object but is {_named(node)}")
            return False
        for key in required:
            if key not in node:
                self._add(path, f'needs a field "{key}"')
        for key, form in forms.items():
            if key in node:
                form(node[key], below(path, key))
        self.value(node, path)
        return True

    # Forms: they look at the kind of a node alone. What is inside is followed once, by `value`.

    def text(self, node: Any, path: str) -> None:
        if _kind(node) != "string":
            self._add(path, f"should be a text but is {_named(node)}")

    def _any_text(self, node: Any, path: str) -> None:
        if _kind(node) not in ("directive", "string"):
            self._add(path, f"should be a text or a directive but is {_named(node)}")

    def _any_object(self, node: Any, path: str) -> None:
        if _kind(node) not in ("directive", "object"):
            self._add(path, f"should be an object or a directive but is {_named(node)}")

    def _array(self, node: Any, path: str) -> None:
        if _kind(node) != "array":
            self._add(path, f"should be an array but is {_named(node)}")

    def _flag(self, node: Any, path: str) -> None:
        if _kind(node) != "boolean":
            self._add(path, f"should be true or false but is {_named(node)}")

    def _one_of(self, *allowed: str) -> Check:
        def check(node: Any, path: str) -> None:
            if _kind(node) != "string":
                self.text(node, path)
            elif node.lower() not in allowed:
                self._add(path, f"should be one of {', '.join(allowed)} but is another text")

        return check

    def _length(self, least: int, most: int) -> Check:
        def check(node: Any, path: str) -> None:
            if _kind(node) != "string":
                self.text(node, path)
            elif not least <= utf16_length(node) <= most:
                self._add(path, f"should have {least} to {most} characters but has {utf16_length(node)}")

        return check

    def _add(self, path: str, message: str) -> None:
        self._problems.append(Problem(path, message))


def _kind(node: Any) -> str:
    if isinstance(node, dict) and any(key.startswith("@") for key in node):
        return "directive"
    return type_name(node)


def _named(node: Any) -> str:
    kind = _kind(node)
    return "missing" if kind == "undefined" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
