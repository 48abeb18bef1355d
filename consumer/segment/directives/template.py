"""``@template``: ``{{path}}`` and ``{{{path}}}`` in a text replaced by what stands at the path, in JavaScript's words.

There are two passes, three braces and then two, so what three braces insert is expanded once more. A path is taken as
it is (``$.`` means nothing here), without the white space around it; undefined and null give "". It cannot hold ``}``.

A template is cut once, when it is compiled. Only where three braces occur is the second pass made for each event.

Source: actions-core ``mapping-kit/placeholders.ts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.segment.directives.site import MAX_TEXT, too_long
from consumer.segment.js import UNDEFINED, WHITESPACE, from_units, to_text
from consumer.segment.mapping_path import compile_path

if TYPE_CHECKING:
    from consumer.segment.directives.site import Resolver
    from consumer.segment.mapping_path import Lookup


def compile_template(template: str) -> Resolver:
    """The template as a function from an event to text."""
    triple = _cut(template, 3)
    if len(triple) > 1:

        def resolve_twice(payload: Any) -> str:
            data = {} if payload is UNDEFINED else payload
            return _fill(_cut(_fill(triple, data), 2), data)

        return resolve_twice
    double = _cut(template, 2)

    def resolve(payload: Any) -> str:
        return _fill(double, {} if payload is UNDEFINED else payload)

    return resolve


def render(template: str, payload: Any) -> str:
    """A template that is known only with the event."""
    text = compile_template(template)(payload)
    assert isinstance(text, str)
    return text


def _cut(template: str, braces: int) -> list[str | Lookup]:
    """Literal text and look-ups in turn: an odd number of pieces that begins and ends with text.

    Linear in the template, which may come from an event.
    """
    opening, closing = "{" * braces, "}" * braces
    pieces: list[str | Lookup] = []
    taken = position = 0
    while True:
        start = template.find(opening, position)
        end = template.find("}", start + braces) if start >= 0 else -1
        if end < 0:
            pieces.append(template[taken:])
            return pieces
        if end > start + braces and template.startswith(closing, end):
            path = template[start + braces : end].strip(WHITESPACE)
            pieces += [template[taken:start], compile_path(path)]
            taken = position = end + braces
        else:
            # No opening before this brace can match: they would all have to end here.
            position = end + 1


def _fill(pieces: list[str | Lookup], data: Any) -> str:
    texts: list[str] = []
    budget = MAX_TEXT
    for piece in pieces:
        if isinstance(piece, str):
            text = piece
        else:
            value = piece(data)
            text = "" if value is UNDEFINED or value is None else to_text(value)
        budget -= len(text)
        if budget < 0:
            raise too_long("@template")
        texts.append(text)
    return from_units("".join(texts))
