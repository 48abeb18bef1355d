"""E-mail addresses, URIs and URI references, as the hosted destination's validator (ajv-formats, full mode) reads them.

The accepted languages are those of its regular expressions: ASCII only, letters in either case, the whole text. They
are written anew so that no text can make them slow: a run of characters is possessive, and what a group repeats is
decided by the next character, so that giving back what was taken fails at once and a match costs time linear in the
text (the originals backtrack). Groups are not possessive themselves: Python before 3.11.5 matches those wrongly
(https://github.com/python/cpython/issues/106052).

Source: ajv-formats 2.1 ``formats.ts`` (``fullFormats``); RFC 3986 for the names of the parts.
"""

from __future__ import annotations

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LABEL = r"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")

_CHARS = r"A-Za-z0-9\-._~!$&'()*+,;="
_HEX = "%[0-9A-Fa-f]{2}"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*+:"


def _run(extra: str) -> str:
    """Any number of URI characters, of those in ``extra`` and of percent escapes."""
    return f"(?:[{_CHARS}{extra}]++|{_HEX})*"


def _tail(extra: str) -> str:
    """A query and a fragment, each optional."""
    return rf"(?:\?{_run(':@/?' + extra)})?(?:#{_run(':@/?' + extra)})?"


def _with_literal(scheme: str, extra: str) -> re.Pattern[str]:
    """An authority whose host is an address in brackets, with what may stand around it."""
    host = rf"{scheme}//?+(?:{_run(':')}@)?\[(?P<address>[^\[\]]{{2,512}}+)\]"
    return re.compile(rf"{host}(?::[0-9]*+)?(?:/{_run(':@/' + extra)})?{_tail(extra)}")


# One or two slashes, an authority and a path are, without an address in brackets, nothing but path characters: one
# class does for all of them. In references, not in URIs, ajv-formats takes the double quote as well, which is no URI
# character.
_URI = re.compile(rf"{_SCHEME}(?!\?|#|\Z){_run(':@/')}{_tail('')}")
_REFERENCE = re.compile(_run(":@/" + '"') + _tail('"'))
_URI_WITH_LITERAL = _with_literal(_SCHEME, "")
_REFERENCE_WITH_LITERAL = _with_literal(f"(?:{_SCHEME})?", '"')

_PLAIN_ATOM = "[A-Za-z0-9_+-]++"
_PLAIN_LABEL = "[A-Za-z0-9]++"

plain_email = re.compile(
    rf"{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*@{_PLAIN_LABEL}(?:[.-]{_PLAIN_LABEL})*\.{_PLAIN_LABEL}"
).fullmatch
plain_uri = re.compile(rf"{_SCHEME}[{_CHARS}:@/]++").fullmatch
plain_reference = re.compile(rf"[{_CHARS}:@/]++").fullmatch
"""Most of what `is_email`, `is_uri` and `is_uri_reference` take, and nothing that they do not, in half their time."""

_FUTURE = re.compile(rf"[Vv][0-9A-Fa-f]++\.[{_CHARS}:]++")
_GROUP = re.compile("[0-9A-Fa-f]{1,4}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)(?:\.|\Z)){4}")


def is_email(text: str) -> bool:
    """Whether ``text`` is an e-mail address of the plain form ``name@host.tld``: no quotes, comments or Unicode."""
    return _EMAIL.fullmatch(text) is not None


def is_uri(text: str) -> bool:
    """Whether ``text`` is a URI with a scheme; ``linkedin.com/in/ada`` is none."""
    return _URI.fullmatch(text) is not None or _has_address(_URI_WITH_LITERAL, text)


def is_uri_reference(text: str) -> bool:
    """Whether ``text`` is a URI or a relative reference; ``acme.com`` is one, a text with a space is none."""
    return _REFERENCE.fullmatch(text) is not None or _has_address(_REFERENCE_WITH_LITERAL, text)


def _has_address(pattern: re.Pattern[str], text: str) -> bool:
    found = pattern.fullmatch(text) if "[" in text else None
    if found is None:
        return False
    address = found["address"]
    return _FUTURE.fullmatch(address) is not None or _is_ipv6(address)


def _is_ipv6(text: str) -> bool:
    """An IPv6 address by RFC 3986: eight groups, or ``::`` for at least one; the last two may be an IPv4 address."""
    head, double, tail = text.partition("::")
    if not double:
        return _groups(head, ipv4=True) == 8
    before, after = _groups(head, ipv4=False), _groups(tail, ipv4=True)
    return before is not None and after is not None and before + after <= 7


def _groups(text: str, *, ipv4: bool) -> int | None:
    """How many 16-bit groups ``text`` spells (0 for the empty text), or None where it spells something else."""
    if not text:
        return 0
    *head, last = text.split(":")
    if not all(map(_GROUP.fullmatch, head)):
        return None
    if _GROUP.fullmatch(last):
        return len(head) + 1
    # The IPv4 pattern lets its last dot stand for the end: an address that ends with a dot is none.
    if ipv4 and _IPV4.fullmatch(last) and last[-1] != ".":
        return len(head) + 2
    return None
