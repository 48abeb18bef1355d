"""The request's body is JSON of JavaScript's making, whatever the payload holds."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from consumer.chartmogul.body import encode


def test_usual_payloads_are_compact_utf8():
    assert (
        encode({"name": "Söhne", "created_at": 1.5, "address": {}})
        == '{"name":"Söhne","created_at":1.5,"address":{}}'.encode()
    )


def test_lone_surrogates_stay_escapes_and_pairs_become_one_character():
    assert encode({"v": "a\ud83d"}) == b'{"v":"a\\ud83d"}'
    assert json.loads(encode({"v": "\ud83d" + "\ude00", "w": "\ud83d"}))["v"] == "\U0001f600"


def test_long_integers_are_written_out():
    assert encode({"created_at": 123456789012345680000}) == b'{"created_at":123456789012345680000}'


def test_what_is_passed_through_is_written_as_javascript_would():
    passed = {"a": [1.0, math.inf, 2**60, "\ud83d", True], "b": None}
    assert encode({"dynamicAuthSettings": passed}) == (
        b'{"dynamicAuthSettings":{"a":[1,null,1152921504606847000,"\\ud83d",true],"b":null}}'
    )


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=8)))
def test_both_ways_have_the_same_value(payload):
    assert json.loads(encode(payload)) == payload
