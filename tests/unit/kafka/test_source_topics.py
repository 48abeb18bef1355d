from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from consumer.errors import ConfigurationError
from consumer.kafka.topics import Subscription, TopicPattern


def metadata(**topics: int) -> SimpleNamespace:
    return SimpleNamespace(
        topics={
            name.replace("_", "-"): SimpleNamespace(partitions=dict.fromkeys(range(count)))
            for name, count in topics.items()
        }
    )


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("^segment-.*", "segment-events", True),
        ("^segment-.*", "the-segment-events", False),
        ("^segment", "segments", True),
        ("^segment$", "segments", False),
        ("^(a|b)[[:digit:]]+$", "b42", True),
        ("^(a|b)[[:digit:]]+$", "b", False),
    ],
)
def test_patterns_are_posix_extended(pattern, topic, expected):
    assert expected == TopicPattern(pattern).matches(topic)


def test_what_is_no_pattern_is_refused():
    with pytest.raises(ConfigurationError, match=r"kafka\.topics"):
        Subscription(["^(", "events"])


def test_names_and_patterns_are_counted_each_topic_once():
    subscription = Subscription(["events", "^ev.*", "missing"])
    found = subscription.partitions(metadata(events=4, evening=2, other=3, evempty=0))
    assert found == {"events": 4, "evening": 2}
    assert (subscription.by_pattern("events"), subscription.by_pattern("evening")) == (False, True)


def test_a_pattern_that_backtracks_elsewhere_is_matched_at_once():
    began = time.monotonic()
    assert not TopicPattern("^(a+)+$").matches("a" * 248 + "b")
    assert time.monotonic() - began < 1
