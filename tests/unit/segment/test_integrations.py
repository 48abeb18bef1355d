from __future__ import annotations

from typing import Any

import pytest

from consumer.segment.integrations import consent_given, enabled


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "ChartMogul": True}, True),
        ({"All": False, "Chart Mogul": True}, True),
        ({"All": False, "ChartMogul": {}}, True),
        ({"All": False, "ChartMogul": {"option": 1}}, True),
        ({"ChartMogul": False}, False),
        ({"All": True, "Chart Mogul": False}, False),
        ({"Chart Mogul": False, "ChartMogul": True}, False),  # any false wins
        ({"Chart Mogul": {"a": 1}, "ChartMogul": False}, False),
        ({"chartmogul": False}, True),  # names are case-sensitive
        ({"CHARTMOGUL": True, "All": False}, False),
        ({"all": False}, True),
        ({"Amplitude": False}, True),
        ({"All": False, "Amplitude": True}, False),
        ({"All": None}, True),
        ({"All": 0}, True),
        ({"ChartMogul": None, "All": False}, False),
        ({"ChartMogul": "true", "All": False}, False),
        ({"ChartMogul": 0}, True),
        (None, True),
        (False, True),
        ("", True),
        ("none", True),
        ([], True),
        (["ChartMogul"], True),
        (5, True),
    ],
)
def test_the_integrations_object(integrations: Any, expected: bool):
    assert expected is enabled(integrations)


ADS = frozenset({"ads"})
BOTH = frozenset({"ads", "analytics"})


@pytest.mark.parametrize(
    ("context", "categories", "expected"),
    [
        ({"consent": {"categoryPreferences": {"ads": True, "analytics": False}}}, ADS, True),
        ({"consent": {"categoryPreferences": {"ads": True, "analytics": False}}}, BOTH, False),
        ({"consent": {"categoryPreferences": {"ads": True, "analytics": True}}}, BOTH, True),
        ({"consent": {"categoryPreferences": {"ads": False}}}, ADS, False),
        ({"consent": {"categoryPreferences": {"other": True}}}, ADS, False),
        ({"consent": {"categoryPreferences": {"ads": "true"}}}, ADS, False),
        ({"consent": {"categoryPreferences": {"ads": 1}}}, ADS, False),
        ({"consent": {"categoryPreferences": {}}}, ADS, False),
        ({"consent": {"categoryPreferences": None}}, ADS, False),
        ({"consent": {"categoryPreferences": ["ads"]}}, ADS, False),
        ({"consent": {"categoryPreferences": {"ads": False}}}, frozenset(), True),  # mapped to nothing
        ({"consent": {}}, ADS, True),
        ({"consent": None}, ADS, True),
        ({"consent": True}, ADS, False),
        ({"consent": []}, ADS, False),
        ({}, ADS, True),
        (None, ADS, True),
        ("text", ADS, True),
    ],
)
def test_consent(context: Any, categories: frozenset[str], expected: bool):
    assert expected is consent_given({"context": context}, categories)


def test_without_a_context_there_is_nothing_to_ask():
    assert consent_given({}, ADS) is True


def test_an_empty_consent_beside_integrations_is_a_no():
    event = {"context": {"consent": {}}}
    assert consent_given({**event, "integrations": {}}, ADS) is True
    assert consent_given({**event, "integrations": {"ChartMogul": True}}, ADS) is False
