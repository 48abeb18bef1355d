"""Filters that encode text for HTML, URLs and signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from consumer.segment.js import UNDEFINED, WHITESPACE, from_units
from consumer.segment.js import truthy as js_truthy
from consumer.segment.liquid.values import Context, LiquidError, property_key, stringify

if TYPE_CHECKING:
    from collections.abc import Callable

_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_ESCAPING = str.maketrans(_ESCAPES)
_UNESCAPES: Final = {escaped: character for character, escaped in _ESCAPES.items()}
_ESCAPED = re.compile("&(?:amp|lt|gt|#34|#39);")

_COMPONENT: Final = "!'()*-._~"
_WHOLE_URI: Final = _COMPONENT + ";/?:@&=+$,#"
_PERCENTS = re.compile("(?:%[0-9a-fA-F]{2})+|%")

_BASE64_SPACE = str.maketrans("", "", "\t\n\f\r ")
_BASE64 = re.compile("[A-Za-z0-9+/]*")
_SURROGATE = re.compile("[\ud800-\udfff]")

_NOT_ASCII = re.compile("[^A-Za-z0-9]+")
_SPACES = re.compile(f"[{WHITESPACE}]+")
_SLUG_WORK: Final = 4
"""What looking a character's kind up costs beside touching it."""

_PRETTY: Final = frozenset("._~!$&'()+,;=@")
_ACCENTS: Final = {
    **dict.fromkeys("àáâãäå", "a"),
    "æ": "ae",
    "ç": "c",
    **dict.fromkeys("èéêë", "e"),
    **dict.fromkeys("ìíîï", "i"),
    "ð": "d",
    "ñ": "n",
    **dict.fromkeys("òóôõöø", "o"),
    **dict.fromkeys("ùúûü", "u"),
    **dict.fromkeys("ýÿ", "y"),
    "ß": "ss",
    "œ": "oe",
    "þ": "th",
    "ẞ": "SS",
    "Œ": "OE",
    "Þ": "TH",
}
_UNACCENTING = str.maketrans(_ACCENTS)


def _escape(_context: Context, value: Any, *_: Any) -> str:
    return stringify(value).translate(_ESCAPING)


def _escape_once(_context: Context, value: Any, *_: Any) -> str:
    return _ESCAPED.sub(lambda found: _UNESCAPES[found[0]], stringify(value)).translate(_ESCAPING)


def _percent(text: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise LiquidError("half of a surrogate pair cannot stand in a URL") from None


def _url_encode(_context: Context, value: Any, *_: Any) -> str:
    return _percent(stringify(value), _COMPONENT).replace("%20", "+")


def _cgi_escape(_context: Context, value: Any, *_: Any) -> str:
    return _percent(stringify(value), "-._~").replace("%20", "+")


def _uri_escape(_context: Context, value: Any, *_: Any) -> str:
    return _percent(stringify(value), _WHOLE_URI).replace("%5B", "[").replace("%5D", "]")


def _url_decode(_context: Context, value: Any, *_: Any) -> str:
    return _PERCENTS.sub(_decoded, stringify(value).replace("+", " "))


def _decoded(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("%", "") or "-").decode()
    except ValueError:
        raise LiquidError("url_decode: a percent sign is not followed by UTF-8") from None


def _slugify(context: Context, value: Any, mode: Any = UNDEFINED, cased: Any = UNDEFINED, *_: Any) -> str:
    text, kind = stringify(value), "default" if mode is UNDEFINED else property_key(mode)
    context.budget.use(len(text) * _SLUG_WORK)
    if kind in _SLUGS:
        text = _SLUGS[kind](text)
        text = text.removeprefix("-").removesuffix("-")
    return text if js_truthy(cased) else text.lower()


def _dashed(text: str, also: frozenset[str] = frozenset()) -> str:
    """Text with a dash for each row of characters that are no letters, marks, decimal digits, nor among the others."""
    pieces: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category[0] in "LM" or category == "Nd" or character in also:
            pieces.append(character)
        elif not pieces or pieces[-1] != "\0":
            pieces.append("\0")
    return "".join(pieces).replace("\0", "-")


_SLUGS: Final[dict[str, Callable[[str], str]]] = {
    "ascii": lambda text: _NOT_ASCII.sub("-", text),
    "default": _dashed,
    "latin": lambda text: _dashed(text.translate(_UNACCENTING)),
    "pretty": lambda text: _dashed(text, _PRETTY),
    "raw": lambda text: _SPACES.sub("-", text),
}


def _bytes(text: str) -> bytes:
    """UTF-8, with a replacement character for each half of a surrogate pair."""
    return _SURROGATE.sub("\ufffd", from_units(text)).encode()


def _base64_encode(_context: Context, value: Any, *_: Any) -> str:
    return base64.b64encode(_bytes(stringify(value))).decode()


def _base64_decode(_context: Context, value: Any, *_: Any) -> str:
    text = stringify(value).translate(_BASE64_SPACE)
    if len(text) % 4 == 0:
        text = text.removesuffix("=").removesuffix("=")
    if len(text) % 4 == 1 or not _BASE64.fullmatch(text):
        raise LiquidError("base64_decode: the text is not base64")
    return base64.b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace")


def _sha256(_context: Context, value: Any, *_: Any) -> str:
    return hashlib.sha256(_bytes(stringify(value))).hexdigest()


def _hmac_sha256(_context: Context, value: Any, key: Any = UNDEFINED, *_: Any) -> str:
    return hmac.new(_bytes(stringify(key)), _bytes(stringify(value)), "sha256").hexdigest()


WEB_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "base64_decode": _base64_decode,
    "base64_encode": _base64_encode,
    "cgi_escape": _cgi_escape,
    "escape": _escape,
    "escape_once": _escape_once,
    "hmac_sha256": _hmac_sha256,
    "sha256": _sha256,
    "slugify": _slugify,
    "uri_escape": _uri_escape,
    "url_decode": _url_decode,
    "url_encode": _url_encode,
    "xml_escape": _escape,
}
