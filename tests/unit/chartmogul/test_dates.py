"""What the hosted destination takes for a date: cases recorded from Node 20, and bounds on time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.chartmogul.dates import is_date, plain_instant
from consumer.segment.js_date import is_engine_date

TAKEN = [
    "2024-01-15",
    "2024-01-15T10:00:00Z",
    "2024-01-15T10:00:00.123456789Z",
    "2024-01-15T10:00:00+02:00",
    "2024-01-15T10:00:00-0700",
    "2024-01-15T24:00:00Z",
    "2024-13-01",  # dayjs lets it roll over
    "2024-02-30",
    "2024/01/15",
    "20240115",
    "2024:",
    "2024-01-15 10:00:00",
    "1700000000",
    "1700000000.5",
    "0",
    "8640000000000",
    "+275760-09-13T00:00:00Z",
    "-271821-04-20T00:00:00Z",
    "Jan 15, 2024",
    "JANUARY 15 2024",
    "15 January 2024 3:04 PM",
    "Mon, 15 Jan 2024 10:00:00 GMT",
    "Tue Mar 05 2024 10:11:12 GMT+0100 (Central European Standard Time)",
    "01/15/2024",
    "12",
    "foo 12",
    "-1/2/2024",
    "1/1/2024 10:30 am\u00a0",
    "10:301UtC24:00:00.000",
    "1/2/2024 (nested (comment)) 10:30",
    "1/2/2024 10::",
    "1/2/2024\x00 anything after a NUL",
    "%01",
    "jan0",
]
REFUSED = [
    "2024-01-15+",
    "",
    " ",
    "yesterday",
    "10:30",
    "15/01/2024",
    "8640000000001",
    "-8640000000001",
    "9999999999999",
    "NaN",
    "Infinity",
    "2024-01-15T25:00:00Z",
    "2024-01-15T24:00:01Z",
    "2024-01-15T10:00:00.Z",
    "2024-01-15T10:00:00Z-0700",
    "2024-01-15T10:00:00+24:00",
    "2024-01-15T10Z",
    "-000000-01-01T00:00:00Z",
    "+275760-09-13T00:00:00.001Z",
    "-271821-04-19T23:59:59Z",
    "Jan 15, 2024 foo",
    "1/1/2024 13:00 pm",
    "1/1/2024 10:30:15.5x",
    "1 2 3 4",
    "1/1/2024 ) ",
    "1/1/2024 10:30 +12345",
    "1/1/2024 10:60",
    "\u212aan 15 2024x",
    "1/1/2024 1:2:3:4:5",
    "1/2/2024 10:11::",
    "10:11.x",
]


@pytest.mark.parametrize("text", TAKEN)
def test_takes(text):
    assert is_date(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text):
    assert not is_date(text)


def test_a_long_text_is_no_date():
    """On purpose not as the original, which reads any amount of text for the number at its end."""
    assert is_date("x " * 127 + "12")
    assert not is_date("x " * 128 + "12")
    assert is_date("2024-01-15T10:00:00." + "0" * 1000)


@given(st.datetimes(), st.sampled_from(["Z", "+02:00", "-1130", "+00:00"]))
def test_the_short_way_takes_nothing_that_the_engine_does_not(instant, zone):
    text = f"{instant.year:04}-{instant.strftime('%m-%dT%H:%M:%S')}.{instant.microsecond:06}{zone}"
    assert is_date(text)
    assert is_engine_date(text)


@given(st.text(st.sampled_from("0123456789-+:./TZtz janfebGMTam()\x00\ufeff\u2028é,"), max_size=40))
def test_any_text_gets_an_answer(text):
    assert is_date(text) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "2024" + "0" * 32_000 + "/",
        "2024" + " " * 32_000 + "/",
        "2024" + "T" * 32_000 + "x",
        "(" * 32_000,
        "()" * 16_000,
        "a " * 16_000,
        "9" * 32_000,
        "x" * 32_000 + "1",
    ],
)
def test_no_text_is_slow(text):
    started = time.process_time()
    is_date(text)
    assert time.process_time() - started < 0.2


_AT_THE_EDGES = [(0, 9999), (0, 13), (0, 32), (0, 25), (0, 61), (0, 61), (0, 999)]


@given(st.tuples(*(st.integers(low, high) for low, high in _AT_THE_EDGES)))
def test_what_is_plain_is_taken(numbers):
    text = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z".format(*numbers)
    assert is_date(text) or not plain_instant(text)


def test_the_usual_is_plain():
    assert plain_instant("2024-03-05T10:11:12.345Z")
