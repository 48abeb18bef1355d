"""One generated function for a mapping: from an event to its request in one go, for events that need nothing special.

Most of a mapping is ``{"@path": "$.traits.email"}`` and most values are text. The function generated here reads such
values straight out of the event, takes the ones that stay as they are, and encodes them. Whatever else it meets (a
number that needs JavaScript's spelling, a list, a value that fails its format, a required field without one) makes it
return None: then the caller goes step by step (`consumer.chartmogul.compiled`), which alone decides what is coerced and
what is refused. So the fast way can only ever agree, and a test compares the two over generated mappings and events.

Nodes that are no plain path or literal (``@if``, ``@template``, ...) are called as the closures that Segment's side
compiles.

The source holds no text from a mapping but as ``repr`` of a string; values and functions are bound by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from consumer.chartmogul.dates import is_date, plain_instant
from consumer.chartmogul.fields import (
    FORMATS,
    MAX_SAFE,
    PASSED_THROUGH,
    Field,
    FieldType,
    Format,
    Refused,
    coerce,
    shape_object,
)
from consumer.chartmogul.formats import plain_email, plain_reference, plain_uri
from consumer.chartmogul.unguarded import unguarded_access
from consumer.errors import MappingError
from consumer.outcomes import FieldError, Post, RejectReason
from consumer.segment.js import UNDEFINED
from consumer.segment.mapping import compile_value, path_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.outcomes import Action

Check = Callable[[dict[str, Any]], str | tuple[RejectReason, FieldError]]
"""Whose customer or contact a payload is about, or why it is refused; may take out of the payload what is not sent."""

Fused = Callable[[dict[str, Any], str], Post | None]
"""From an event and its type as metrics call it to its request, or to None where the event needs more care."""

_LITERALS: Final = (str, int, float, bool, type(None))
_PLAIN: Final = {Format.EMAIL: plain_email, Format.URI: plain_uri, Format.URI_REFERENCE: plain_reference}
_RESERVED_PREFIXES: Final = ("@", "__segment_internal_", "__proto__")


def fuse(
    mapping: Mapping[str, Any], fields: tuple[Field, ...], check: Check, name: str, action: Action
) -> Fused | None:
    """Generate the function for a mapping, or None where the mapping as a whole is not of that kind.

    Args:
        mapping: a valid mapping (`consumer.segment.mapping.compile_mapping` has accepted it).
        fields: the action's fields.
        check: the action's own checks.
        name: the mapping's.
        action: what it sends.

    Returns:
        The function; it never changes an event. A directive that fails makes it return None as well, for only step by
        step its error gets its field's name.
    """
    if not isinstance(mapping, dict) or PASSED_THROUGH in mapping:
        return None
    if any(key.startswith(_RESERVED_PREFIXES) for key in mapping):
        return None
    generator = _Generator()
    by_name = {field.name: field for field in fields}
    written = [field.name for field in fields if field.required and field.name not in mapping]
    if written or not all(generator.field(by_name.get(key), node) for key, node in mapping.items()):
        return None
    return generator.build(check, name, action)


class _Generator:
    """Collects the lines and the bound values of one function."""

    def __init__(self) -> None:
        self._lines = ["payload = {}"]
        self._bound: dict[str, Any] = {
            "EMPTY": {},
            "UNDEFINED": UNDEFINED,
            "MappingError": MappingError,
            "JSONEncodeError": orjson.JSONEncodeError,
        }
        self._objects: dict[tuple[str, ...], str] = {(): "event"}

    def build(self, check: Check, name: str, action: Action) -> Fused:
        lane, bound = f"{action.value}:", self._bind
        self._add(
            "context = event.get('context')",
            "if context.__class__ is not dict or 'personas' in context:",
            f"    if {bound(unguarded_access)}(event) is not None:",
            "        return None",
            f"whose = {bound(check)}(payload)",
            "if whose.__class__ is not str:",
            "    return None",
            "message_id = event.get('messageId')",
            "if message_id.__class__ is not str:",
            "    message_id = ''",
            # As `body.encode`, which has to look for more.
            f"body = b'%b' % {bound(orjson.dumps)}(payload)",
            f"return {bound(Post)}({bound(name)}, {bound(action)}, {lane!r} + whose, body, message_id, event_type)",
        )
        # JSONEncodeError: a lone surrogate.
        endings = ["    except (MappingError, JSONEncodeError):", "        return None"]
        body = [f"        {each}" for each in self._lines]
        source = "\n".join(["def fused(event, event_type):", "    try:", *body, *endings])
        # The source is made here, of field names from our own tables, of reprs of texts and of bound names.
        exec(compile(source, "<fused mapping>", "exec"), self._bound)  # noqa: S102 - see above
        fused: Fused = self._bound["fused"]
        return fused

    def field(self, field: Field | None, node: Any) -> bool:
        """Add the code for one key of the mapping; False where this mapping cannot be fused."""
        if field is None:
            # The key is dropped in the end; what it maps to still has to be resolved where resolving can fail.
            if not _is_plain(node):
                self._add(f"{self._bind(compile_value(node))}(event)")
            return True
        if field.type is FieldType.OBJECT:
            return self._object(field, node)
        return self._value(field, node, "payload", keep_empty=False)

    def _object(self, field: Field, node: Any) -> bool:
        if not isinstance(node, dict) or any(key.startswith(_RESERVED_PREFIXES) for key in node):
            self._fetch(node)
            self._add(
                "if value is not None and value is not UNDEFINED and value != '':",
                f"    value = {self._bind(shape_object)}(value, {self._bind(field)})",
                "    if value is None:",
                "        return None",
                f"    payload[{field.name!r}] = value",
                *(["else:", "    return None"] if field.required else []),
            )
            return True
        children = {child.name: child for child in field.children}
        if any(child.required and child.name not in node for child in field.children):
            return False
        target = f"_{field.name}"
        self._add(f"{target} = {{}}")
        for key, inner in node.items():
            child = children.get(key)
            if child is None:
                if not _is_plain(inner):
                    self._add(f"{self._bind(compile_value(inner))}(event)")
            elif not self._value(child, inner, target, keep_empty=True):
                return False
        self._add(f"payload[{field.name!r}] = {target}")
        return True

    def _value(self, field: Field, node: Any, target: str, *, keep_empty: bool) -> bool:
        """``target[name] = value`` where the value is text (or a number where that is plain), else give up."""
        if isinstance(node, _LITERALS):
            return self._literal(field, node, target, keep_empty=keep_empty)
        self._fetch(node)
        store = f"{target}[{field.name!r}] = value"
        matches = self._matcher(field)
        lines = [f"if not ({matches}):", "    return None", store] if matches else [store]
        give_up = ["    return None"]
        self._add("if value.__class__ is str:")
        if keep_empty:
            self._add(*(f"    {line}" for line in lines))
        else:
            self._add("    if value:", *(f"        {line}" for line in lines))
            if field.required:
                self._add("    else:", *(f"    {line}" for line in give_up))
        if field.format is None:
            number = "value" if field.type is FieldType.DATETIME else "str(value)"
            self._add(
                f"elif value.__class__ is int and {-MAX_SAFE} <= value <= {MAX_SAFE}:",
                f"    {target}[{field.name!r}] = {number}",
            )
        if field.required:
            self._add("else:", *give_up)
        else:
            self._add("elif value is not None and value is not UNDEFINED:", *give_up)
        return True

    def _literal(self, field: Field, value: Any, target: str, *, keep_empty: bool) -> bool:
        if value is None or (value == "" and not keep_empty):
            return not field.required
        result = coerce(value, field)
        if isinstance(result, Refused):
            return False
        self._add(f"{target}[{field.name!r}] = {self._bind(result)}")
        return True

    def _matcher(self, field: Field) -> str | None:
        """Whether a text is what the field takes: the usual kind by one regular expression, else by all the rules."""
        tests: tuple[Callable[[str], object], ...]
        if field.type is FieldType.DATETIME:
            tests = (plain_instant, is_date)
        elif field.format is not None:
            tests = (_PLAIN[field.format], FORMATS[field.format][0])
        else:
            return None
        return " or ".join(f"{self._bind(test)}(value)" for test in tests)

    def _fetch(self, node: Any) -> None:
        """``value = ...`` for a node that is no literal."""
        keys = path_keys(node)
        if not keys:
            self._add(f"value = {self._bind(compile_value(node))}(event)")
            return
        self._add(f"value = {self._parent(keys[:-1])}.get({keys[-1]!r})")

    def _parent(self, keys: tuple[str, ...]) -> str:
        """The local variable that holds the object at ``keys``; objects on the way are looked up once."""
        if keys not in self._objects:
            above = self._parent(keys[:-1])
            name = f"o{len(self._objects)}"
            self._add(
                f"{name} = {above}.get({keys[-1]!r})",
                f"if {name}.__class__ is not dict:",
                f"    if {name} is not None:",
                "        return None",
                f"    {name} = EMPTY",
            )
            self._objects[keys] = name
        return self._objects[keys]

    def _bind(self, value: Any) -> str:
        name = f"c{len(self._bound)}"
        self._bound[name] = value
        return name

    def _add(self, *lines: str) -> None:
        self._lines += lines


def _is_plain(node: Any) -> bool:
    """Whether resolving a node can neither fail nor be seen."""
    return isinstance(node, _LITERALS) or bool(path_keys(node))
