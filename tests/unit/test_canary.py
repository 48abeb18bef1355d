"""The watch over the whole suite finds what it is there for."""

from __future__ import annotations

import pytest

from tests.canary import HOOK, PERSON, leaks, watch
from tests.integration.harness import identify


@pytest.mark.parametrize("text", [f"posting to http://host{HOOK}token", f"name={PERSON.upper()}", "CANARY-token"])
def test_a_canary_is_found(text):
    assert leaks(text)
    with pytest.raises(AssertionError, match="the log shows"):
        watch("the log", text)


def test_ordinary_lines_pass():
    watch("the log", '{"event": "joined", "url": "[redacted]"}')


def test_every_event_of_the_harness_carries_one():
    assert leaks(str(identify(1, "user")))
