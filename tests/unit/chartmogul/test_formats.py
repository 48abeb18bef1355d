"""E-mail addresses, URIs and references: known cases, a naive model by RFC 3986, and time linear in the text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.chartmogul.formats import (
    is_email,
    is_uri,
    is_uri_reference,
    plain_email,
    plain_reference,
    plain_uri,
)
from tests.conformance.cases import EMAIL_PIECES


@pytest.mark.parametrize(
    "text",
    ["ada@example.com", "A@B.CO", "o'neil+x@sub.example.co.uk", "a@123.12", "a@1.2", "!#$%&'*+/=?^_`{|}~-@a-b.c"],
)
def test_takes_plain_addresses(text):
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a@b",
        "a b@example.com",
        "a@example.com ",
        "a@example.com\n",
        "a..b@example.com",
        ".a@example.com",
        "a@-example.com",
        "a@example-.com",
        "a@example..com",
        "a@b.co,c@d.co",
        '"quoted"@example.com',
        "Ada <ada@example.com>",
        "ünï@example.com",
        "a@exämple.com",
        "\u212a@example.com",  # a Kelvin sign is no K
    ],
)
def test_refuses_other_addresses(text):
    assert not is_email(text)


@pytest.mark.parametrize(
    ("text", "uri", "reference"),
    [
        ("https://linkedin.com/in/ada", True, True),
        ("HTTPS://user:pw@host:8080/p?q=1/?#f", True, True),
        ("urn:isbn:123", True, True),
        ("mailto:a@b.co", True, True),
        ("https://", True, True),
        ("http:/x", True, True),
        ("https://[2001:db8::1]:80/x", True, True),
        ("https://[::ffff:1.2.3.4]", True, True),
        ("https://u@[v1.a:b]/", True, True),
        ("linkedin.com/in/ada", False, True),
        ("//example.com/x", False, True),
        ("//[::1]/x", False, True),
        ("/in/ada", False, True),
        ("?q=1", False, True),
        ("#frag", False, True),
        ("", False, True),
        ("http:", False, True),
        ("http:?q", False, True),
        ('https://a/"', False, True),  # no URI character, but the original takes it in references
        ("https://example.com/a b", False, False),
        ("https://example.com\n", False, False),
        ("https://example.com/ünï", False, False),
        ("https://example.com/%zz", False, False),
        ("https://example.com/{id}", False, False),
        ("https://[1:2:3]/", False, False),
        ("https://[1::2::3]/", False, False),
        ("https://[::1.2.3.]/", False, False),
        ("https://[::1]x", False, False),
        ("[::1]", False, False),
        ("a#b#c", False, False),
    ],
)
def test_uris_and_references(text, uri, reference):
    assert (is_uri(text), is_uri_reference(text)) == (uri, reference)


def _grammar(quote: str, *, reference: bool) -> re.Pattern[str]:
    """RFC 3986 as it stands there, one rule a line, in the one engine that backtracks: slow, and plainly right."""
    h16 = "[0-9a-f]{1,4}"
    octet = r"(?:25[0-5]|2[0-4]\d|[01]?\d\d?)"
    ls32 = rf"(?:{h16}:{h16}|(?:{octet}\.){{3}}{octet})"
    left = [f"(?:(?:{h16}:){{0,{count}}}{h16})?::" for count in range(7)]
    ipv6 = "|".join(
        [f"(?:{h16}:){{6}}{ls32}", f"::(?:{h16}:){{5}}{ls32}"]
        + [f"{left[4 - rest]}(?:{h16}:){{{rest}}}{ls32}" for rest in (4, 3, 2, 1, 0)]
        + [f"{left[5]}{h16}", left[6]]
    )
    plain = r"a-z0-9\-._~!$&'()*+,;="
    pchar = rf"(?:[{plain}{quote}:@]|%[0-9a-f]{{2}})"
    address = rf"\[(?:{ipv6}|v[0-9a-f]+\.[{plain}:]+)\]"
    host = rf"(?:{address}|(?:[{plain}{quote}]|%[0-9a-f]{{2}})*)"
    authority = rf"(?:(?:[{plain}:]|%[0-9a-f]{{2}})*@)?{host}(?::\d*)?"
    rootless = rf"{pchar}+(?:/{pchar}*)*"
    hier = rf"(?://?{authority}(?:/{pchar}*)*|/(?:{rootless})?|{rootless})"
    tail = rf"(?:\?(?:{pchar}|[/?])*)?(?:#(?:{pchar}|[/?])*)?"
    scheme = r"[a-z][a-z0-9+\-.]*:"
    optional = "?" if reference else ""
    return re.compile(f"(?:{scheme}){optional}{hier}{optional}{tail}", re.ASCII | re.IGNORECASE)


_URI, _REFERENCE = _grammar("", reference=False), _grammar('"', reference=True)
_PIECES = [
    *("http", ":", "/", "//", "[", "]", "::", "1.2.3.4", "256.1.1.1", "a", "b:", "1:2", "@", "%20", "%", "?", "#"),
    *('"', "é", " ", "v1.x", ":80", "-", "[::1]", "[1:2:3:4:5:6:7:8]", "[1::2:3]", "ffff:", "[::1.2.3.4]", "x.y"),
]
_ADDRESSES = st.builds(
    "http://[{}]{}".format,
    st.lists(st.sampled_from(["1", "ab", "", "12345", "1.2.3.4", "g"]), min_size=1, max_size=9).map(":".join),
    st.sampled_from(["", "/", ":1", "x"]),
)


@given(st.one_of(st.lists(st.sampled_from(_PIECES), max_size=7).map("".join), _ADDRESSES))
def test_agrees_with_the_grammar(text):
    assert is_uri(text) == bool(_URI.fullmatch(text))
    assert is_uri_reference(text) == bool(_REFERENCE.fullmatch(text))


@given(st.lists(st.sampled_from((*_PIECES, *EMAIL_PIECES)), max_size=9).map("".join) | st.emails())
def test_what_is_plain_is_taken(text):
    for plain, check in ((plain_email, is_email), (plain_uri, is_uri), (plain_reference, is_uri_reference)):
        assert check(text) or not plain(text)


def test_the_usual_is_plain():
    assert plain_email("ada.lovelace+x@mail.analytical-engines.co.uk")
    assert plain_uri("https://linkedin.com/in/ada")
    assert plain_reference("www.example.com/a,b")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 32_000 + "@",
        "a@" + "a-" * 16_000,
        "a@" + "a." * 16_000,
        "a." * 16_000,
        "http://" + "%20" * 10_000 + "%",
        "http://" + "a@" * 16_000 + "[",
        "//" + ":" * 32_000 + "[::1] ",
        "//[" + "1:" * 16_000 + "]",
        "//[" + ":" * 500 + "]",
        "a:" * 16_000 + " ",
        "/" * 32_000 + "\n",
    ],
)
def test_no_text_is_slow(text):
    started = time.process_time()
    for check in (is_email, is_uri, is_uri_reference, plain_email, plain_uri, plain_reference):
        check(text)
    assert time.process_time() - started < 0.2
