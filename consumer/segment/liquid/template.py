"""A template as a function from an event to text: its tags, parsed to closures.

The original disables case, for, include, layout, render and tablerow, wherever they stand. What is left has no loops,
so a template's work is bounded by its thousand characters times what its values hold, which `values.Budget` counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from consumer.segment.js import UNDEFINED, double, from_units
from consumer.segment.js import truthy as js_truthy
from consumer.segment.liquid.expressions import parse_filtered, parse_value
from consumer.segment.liquid.tokens import Token, tokenize, tokenize_lines
from consumer.segment.liquid.values import (
    BLOCK,
    Context,
    Evaluate,
    LiquidError,
    is_number,
    plain,
    stringify,
    text_of,
    truthy,
    weight,
)

Render = Callable[[Context, list[str]], None]
"""A piece of a template, compiled: writes what it makes to the list."""

DISABLED_TAGS: Final = ("case", "for", "include", "layout", "render", "tablerow")
_BAD_COMMENT = re.compile(r"\n\s*[^#\s]")


def compile_template(template: str) -> Callable[[Any], str]:
    """A template as a function from an event to text.

    The function raises LiquidError where a filter fails on the event or the work is too much, JsTypeError where a value
    has no text, RecursionError where one is nested too deeply.

    Raises:
        LiquidError: the template is not well formed, or has a disabled tag.
    """
    tokens = tokenize(template)
    tokens.reverse()
    render = _Parser(tokens).until_end()

    def run(event: Any) -> str:
        output: list[str] = []
        render(Context(event), output)
        return from_units("".join(output))

    return run


class _Parser:
    """Consumes tokens, last first."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._tags: dict[str, Callable[[Token], Render]] = {
            "#": self._inline_comment,
            "assign": self._assign,
            "block": self._block,
            "break": self._stop,
            "capture": self._capture,
            "comment": self._comment,
            "continue": self._stop,
            "cycle": self._cycle,
            "decrement": self._decrement,
            "echo": self._echo,
            "if": self._if,
            "increment": self._increment,
            "liquid": self._liquid,
            "raw": self._raw,
            "unless": self._unless,
        }

    def until_end(self) -> Render:
        """Everything that is left."""
        pieces: list[Render] = []
        while self._tokens:
            pieces.append(self._piece(self._tokens.pop()))
        return _sequence(pieces)

    def _piece(self, token: Token) -> Render:
        if token.name is None:
            return _write_text(token.text)
        if not token.name:
            return _write(parse_filtered(token.cursor))
        if token.name in DISABLED_TAGS:
            raise LiquidError(f'the tag "{token.name}" is disabled in Segment')
        parse = self._tags.get(token.name)
        if parse is None:
            raise LiquidError(f'there is no tag "{token.name}"')
        return parse(token)

    def _next(self, opening: Token) -> Token:
        if not self._tokens:
            raise LiquidError(f'the tag "{opening.name}" is not closed')
        return self._tokens.pop()

    def _until(self, opening: Token, *names: str) -> tuple[Token, Render]:
        """The pieces up to a tag of one of the names, which is given too."""
        pieces: list[Render] = []
        while True:
            token = self._next(opening)
            if token.name in names:
                return token, _sequence(pieces)
            pieces.append(self._piece(token))

    def _if(self, opening: Token) -> Render:
        branches: list[tuple[Evaluate, Render]] = []
        otherwise: Render | None = None
        condition: Evaluate | None = parse_filtered(opening.cursor)
        while True:
            end, body = self._until(opening, "elsif", "else", "endif")
            if condition is None:
                otherwise = body
            else:
                branches.append((condition, body))
            if end.name == "elsif":
                if otherwise is not None or condition is None:
                    raise LiquidError("an elsif comes after else")
                condition = parse_filtered(end.cursor)
                continue
            if end.arguments:
                raise LiquidError(f'the tag "{end.name}" takes nothing behind its name')
            if end.name == "endif":
                return _choose(branches, otherwise or _sequence([]))
            if condition is None:
                raise LiquidError("there are two else tags")
            condition = None

    def _unless(self, opening: Token) -> Render:
        """As if, with the first condition turned round; what follows a second else is parsed and dropped."""
        branches: list[tuple[Evaluate, Render]] = []
        otherwise: Render | None = None
        current: Evaluate | None = _negated(parse_filtered(opening.cursor))
        ignored = False
        while True:
            end, body = self._until(opening, "elsif", "else", "endunless")
            if current is not None:
                branches.append((current, body))
            elif not ignored:
                otherwise = body
            if end.name == "endunless":
                return _choose(branches, otherwise or _sequence([]))
            ignored = current is None
            current = parse_filtered(end.cursor) if end.name == "elsif" and not ignored else None

    def _assign(self, token: Token) -> Render:
        cursor = token.cursor
        name = cursor.name()
        if not name:
            raise cursor.error("assign needs a name")
        cursor.skip_blanks()
        cursor.expect("=", "assign needs an equals sign")
        value = parse_filtered(cursor)

        def render(context: Context, _output: list[str]) -> None:
            context.scopes[0][name] = value(context)

        return render

    def _capture(self, token: Token) -> Render:
        name = token.cursor.name() or token.cursor.quoted()
        if name is None:
            raise token.cursor.error("capture needs a name")
        _, body = self._until(token, "endcapture")

        def render(context: Context, _output: list[str]) -> None:
            captured: list[str] = []
            body(context, captured)
            context.scopes[0][name] = from_units("".join(captured))

        return render

    def _block(self, token: Token) -> Render:
        _, body = self._until(token, "endblock")

        def render(context: Context, output: list[str]) -> None:
            context.scopes.append({"block": BLOCK})
            body(context, output)
            context.scopes.pop()

        return render

    def _comment(self, token: Token) -> Render:
        while self._next(token).name != "endcomment":
            pass
        return _sequence([])

    def _raw(self, token: Token) -> Render:
        pieces: list[str] = []
        while (inner := self._next(token)).name != "endraw":
            pieces.append(inner.source)
        return _write_text("".join(pieces))

    def _inline_comment(self, token: Token) -> Render:
        if _BAD_COMMENT.search(token.arguments):
            raise LiquidError("every line of an inline comment must start with a #")
        return _sequence([])

    def _stop(self, _token: Token) -> Render:
        def render(context: Context, _output: list[str]) -> None:
            context.stopped = True

        return render

    def _echo(self, token: Token) -> Render:
        token.cursor.skip_blanks()
        return _sequence([]) if token.cursor.at_end() else _write(parse_filtered(token.cursor))

    def _liquid(self, token: Token) -> Render:
        lines = tokenize_lines(token.cursor)
        lines.reverse()
        return _Parser(lines).until_end()

    def _increment(self, token: Token) -> Render:
        return _count(token.cursor.name(), before=0, after=1)

    def _decrement(self, token: Token) -> Render:
        return _count(token.cursor.name(), before=-1, after=-1)

    def _cycle(self, token: Token) -> Render:
        cursor = token.cursor
        start = cursor.position
        group = parse_value(cursor)
        cursor.skip_blanks()
        if group is not None and cursor.peek() == ":":
            cursor.position += 1
        else:
            group, cursor.position = None, start
        values: list[Evaluate] = []
        texts: list[str] = []
        while not cursor.at_end():
            start = cursor.position
            values.append(parse_filtered(cursor))
            texts.append(cursor.text[start : cursor.position])
            cursor.skip_past(",")
        if not values:
            raise cursor.error("cycle has nothing to choose from")

        def render(context: Context, output: list[str]) -> None:
            named = group(context) if group is not None else UNDEFINED
            key = f"{text_of(named)}:{','.join(texts)}"
            index = context.cycles.get(key, 0)
            context.cycles[key] = (index + 1) % len(values)
            value = values[index](context)
            # A value that JavaScript finds falsy is not written here, unlike in an output.
            if js_truthy(plain(value)):
                _emit(context, output, value)

        return render


def _sequence(pieces: list[Render]) -> Render:
    def render(context: Context, output: list[str]) -> None:
        for piece in pieces:
            piece(context, output)
            if context.stopped:
                return

    return render


def _negated(condition: Evaluate) -> Evaluate:
    return lambda context: not truthy(condition(context))


def _choose(branches: list[tuple[Evaluate, Render]], otherwise: Render) -> Render:
    def render(context: Context, output: list[str]) -> None:
        for condition, body in branches:
            if truthy(condition(context)):
                body(context, output)
                return
        otherwise(context, output)

    return render


def _count(name: str, *, before: int, after: int) -> Render:
    def render(context: Context, output: list[str]) -> None:
        environment = context.environment
        current = environment.get(name) if isinstance(environment, dict) else None
        number = double(current) if current is not None and is_number(current) else 0.0
        _emit(context, output, number + before)
        context.set_counter(name, number + after)

    return render


def _write_text(text: str) -> Render:
    def render(context: Context, output: list[str]) -> None:
        _emit(context, output, text)

    return render


def _write(value: Evaluate) -> Render:
    def render(context: Context, output: list[str]) -> None:
        _emit(context, output, value(context))

    return render


def _emit(context: Context, output: list[str], value: Any) -> None:
    context.budget.use(weight(value))
    text = stringify(value)
    context.budget.use(len(text))
    output.append(text)
