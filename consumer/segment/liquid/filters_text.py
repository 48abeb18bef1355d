"""Filters on text. Every value has a text; null and undefined have the empty one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from consumer.segment.js import UNDEFINED, WHITESPACE, from_units, to_units, utf16_length
from consumer.segment.js import truthy as js_truthy
from consumer.segment.liquid.filters_list import steps
from consumer.segment.liquid.values import Context, LiquidError, number_of, stringify

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACES = re.compile(f"[{WHITESPACE}]+")
_LINE_BREAK = re.compile("\r?\n")
_CJK = "\u4e00-\u9fff\uf900-\ufaff\u3400-\u4dbf\u3040-\u309f\u30a0-\u30ff\uac00-\ud7af"
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_OTHER_WORD = re.compile(f"[^{_CJK}{WHITESPACE}]+")


def _text_filter(function: Callable[[str], str]) -> Callable[..., str]:
    """A filter that is a function of its value's text alone."""

    def apply(_context: Context, value: Any, *_: Any) -> str:
        return function(stringify(value))

    return apply


def _append(context: Context, value: Any, *arguments: Any) -> str:
    if len(arguments) != 1:
        raise LiquidError("append and prepend take one argument")
    context.budget.use(utf16_length(stringify(arguments[0])))
    return from_units(stringify(value) + stringify(arguments[0]))


def _prepend(context: Context, value: Any, *arguments: Any) -> str:
    return _append(context, *arguments, value) if len(arguments) == 1 else _append(context, value, *arguments)


def _capitalize(text: str) -> str:
    """The first code unit in upper case, the rest in lower case; a character of two units has none."""
    units = to_units(text)
    return from_units(units[:1].upper() + units[1:].lower())


def _strip(_context: Context, value: Any, characters: Any = UNDEFINED, *_: Any) -> str:
    return _trimmed(value, characters, str.strip)


def _lstrip(_context: Context, value: Any, characters: Any = UNDEFINED, *_: Any) -> str:
    return _trimmed(value, characters, str.lstrip)


def _rstrip(_context: Context, value: Any, characters: Any = UNDEFINED, *_: Any) -> str:
    return _trimmed(value, characters, str.rstrip)


def _trimmed(value: Any, characters: Any, strip: Callable[[str, str], str]) -> str:
    return strip(stringify(value), stringify(characters) if js_truthy(characters) else WHITESPACE)


def _replace(context: Context, value: Any, pattern: Any = UNDEFINED, replacement: Any = UNDEFINED, *_: Any) -> str:
    """Every occurrence of a plain text; between all characters where that is empty."""
    text, wanted, instead = (to_units(stringify(each)) for each in (value, pattern, replacement))
    parts = text.split(wanted) if wanted else list(text)
    context.budget.use(len(text) + (len(parts) - 1) * (len(instead) - len(wanted)))
    return from_units(instead.join(parts))


def _remove(context: Context, value: Any, pattern: Any = UNDEFINED, *_: Any) -> str:
    return _replace(context, value, pattern, "")


def _replace_first(
    context: Context, value: Any, pattern: Any = UNDEFINED, replacement: Any = UNDEFINED, *_: Any
) -> str:
    text, wanted, instead = (to_units(stringify(each)) for each in (value, pattern, replacement))
    context.budget.use(len(instead))
    return from_units(text.replace(wanted, instead, 1))


def _remove_first(context: Context, value: Any, pattern: Any = UNDEFINED, *_: Any) -> str:
    return _replace_first(context, value, pattern, "")


def _replace_last(context: Context, value: Any, pattern: Any = UNDEFINED, replacement: Any = UNDEFINED, *_: Any) -> str:
    text, wanted, instead = (to_units(stringify(each)) for each in (value, pattern, replacement))
    context.budget.use(len(instead))
    start = text.rfind(wanted)
    return from_units(text if start < 0 else text[:start] + instead + text[start + len(wanted) :])


def _remove_last(context: Context, value: Any, pattern: Any = UNDEFINED, *_: Any) -> str:
    return _replace_last(context, value, pattern, "")


def _truncate(_context: Context, value: Any, most: Any = UNDEFINED, ending: Any = UNDEFINED, *_: Any) -> Any:
    """At most so many characters (50), the ending ("...") among them; the value itself where it is short enough."""
    text = stringify(value)
    limit = 50.0 if most is UNDEFINED else number_of(most)
    end = "..." if ending is UNDEFINED else stringify(ending)
    if utf16_length(text) <= limit or steps(limit, len(text)) >= len(text):
        return value
    return from_units(text[: steps(limit - len(end), len(text))] + end)


def _truncatewords(_context: Context, value: Any, most: Any = UNDEFINED, ending: Any = UNDEFINED, *_: Any) -> str:
    words = _SPACES.split(stringify(value).lstrip(WHITESPACE))
    limit = 15.0 if most is UNDEFINED else number_of(most)
    limit = 1.0 if limit <= 0 else limit
    end = "..." if ending is UNDEFINED else stringify(ending)
    kept = " ".join(words[: int(min(limit, len(words)))] if limit == limit else [])  # noqa: PLR0124 - NaN keeps none
    return from_units(kept + end if len(words) >= limit else kept)


def _number_of_words(_context: Context, value: Any, mode: Any = UNDEFINED, *_: Any) -> int:
    text = stringify(value).strip(WHITESPACE)
    if not text:
        return 0
    if mode == "cjk" or (mode == "auto" and _CJK_CHARACTER.search(text)):
        return len(_CJK_CHARACTER.findall(text)) + len(_OTHER_WORD.findall(text))
    return len(_SPACES.split(text))


def _strip_html(text: str) -> str:
    """Text without tags, comments, scripts and styles; linear, for each unclosed kind is looked for only once."""
    kinds = {"<script": "</script>", "<style": "</style>", "<!--": "-->", "<": ">"}
    pieces: list[str] = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        pieces.append(text[position:start])
        position = start
        for opening, closing in list(kinds.items()):
            if not text.startswith(opening, start):
                continue
            end = text.find(closing, start + len(opening))
            if end >= 0:
                position = end + len(closing)
                break
            del kinds[opening]
        if position == start:
            break
    return "".join([*pieces, text[position:]])


TEXT_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "append": _append,
    "capitalize": _text_filter(_capitalize),
    "downcase": _text_filter(str.lower),
    "lstrip": _lstrip,
    "normalize_whitespace": _text_filter(lambda text: _SPACES.sub(" ", text)),
    "number_of_words": _number_of_words,
    "prepend": _prepend,
    "remove": _remove,
    "remove_first": _remove_first,
    "remove_last": _remove_last,
    "replace": _replace,
    "replace_first": _replace_first,
    "replace_last": _replace_last,
    "rstrip": _rstrip,
    "squish": _text_filter(lambda text: _SPACES.sub(" ", text).strip(WHITESPACE)),
    "strip": _strip,
    "strip_html": _text_filter(_strip_html),
    "strip_newlines": _text_filter(lambda text: _LINE_BREAK.sub("", text)),
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "upcase": _text_filter(str.upper),
}
