"""Generated deliveries, mappings, triggers and fields, run here and by the original: they must agree.

    DIFFERENTIAL_CASES=50000 pytest tests/conformance/test_differential.py

DIFFERENTIAL_CASES sets how many (1,000), DIFFERENTIAL_SEED which; where the original comes from: ``original.py``. A
difference that is meant, or is none of the product's, is a predicate with its reason below; all of them together may
explain two cases in a thousand. Any other difference is made smaller while it lasts, and shown.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from consumer.segment import js_json
from tests.conformance import cases
from tests.conformance.original import Original, OriginalNotToBeHadError, find_original
from tests.conformance.run import DEFAULT_SUBSCRIPTIONS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = int(os.environ.get("DIFFERENTIAL_CASES", "1000"))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))
EXPLAINED_SHARE = 0.002
COMPARED = {
    "map": ("ok", "output", "output_undefined", "error_class"),
    "fql": ("ok", "match", "error_class"),
    "field": ("accepted", "present", "value"),
}


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    try:
        folder = find_original()
    except OriginalNotToBeHadError as error:
        pytest.skip(f"the original implementation cannot be run here: {error}")
    with Original(folder) as running:
        yield running


def comparable(kind: str, result: dict[str, Any]) -> dict[str, Any]:
    """What has to agree of a result; the words of errors and the user agent do not."""
    if kind != "deliver":
        return {key: result.get(key) for key in COMPARED[kind]}
    requests = [
        {key: each[key] for key in ("subscription", "method", "body")} | {"type": each["headers"]["content-type"]}
        for each in result["requests"]
    ]
    keys = ("subscription", "partnerAction", "outcome", "reason", "retryable", "status")
    return {"requests": requests, "results": [{key: each.get(key) for key in keys} for each in result["results"]]}


def same(ours: Any, theirs: Any) -> bool:
    """Equal as JSON text: true is not 1, and every digit of a number counts."""
    return json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)


def _prototype(text: str, ours: Any, theirs: Any) -> bool:
    return '"__proto__"' in text


def _only_the_status_of_an_invalid_mapping(text: str, ours: Any, theirs: Any) -> bool:
    def stripped(view: Any) -> Any:
        view = copy.deepcopy(view)
        for each in view.get("results", ()):
            if each["reason"] == "invalid_mapping":
                del each["status"], each["retryable"]
        return view

    return same(stripped(ours), stripped(theirs))


EXPLAINED: dict[str, Callable[[str, Any, Any], bool]] = {
    "a key named __proto__ is data here; the original assigns it, which sets a prototype and loses the key": _prototype,
    "an invalid mapping ends the same; whether the original's error has a status depends on which of its checks threw it,"
    " and here such a mapping is refused when it is loaded": _only_the_status_of_an_invalid_mapping,
}


class Comparison:
    """Runs cases on both sides and keeps account of what was explained."""

    def __init__(self, original: Original) -> None:
        self._original = original
        self.total = 0
        self.explained: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def differs(self, case: dict[str, Any]) -> tuple[Any, Any, str | None] | None:
        """Both views and the explanation, if there is one; None where they agree."""
        text = cases.line({"id": 0, **case})
        (answer,) = self._original.ask([text])
        assert "oracle_error" not in answer, text
        theirs = comparable(case["kind"], answer)
        given_case = js_json.decode(text)
        result = run(case["kind"], given_case["input"])
        ours = js_json.decode(str(js_json.encode(comparable(case["kind"], result))))
        self.total += 1
        self.ends.update(_ends(case["kind"], theirs))
        if same(ours, theirs):
            return None
        reasons = [reason for reason, holds in EXPLAINED.items() if holds(text, ours, theirs)]
        return ours, theirs, reasons[0] if reasons else None

    def check(self, case: dict[str, Any]) -> None:
        """Raises AssertionError, with the case made as small as it gets, for a difference without a reason."""
        found = self.differs(case)
        if found is None:
            return
        if found[2] is not None:
            self.explained[found[2]] += 1
            return
        small = self._reduce(case)
        last = self.differs(small)
        ours, theirs = (last or found)[:2]
        pytest.fail(f"{cases.line(small)}\nours:   {json.dumps(ours)}\ntheirs: {json.dumps(theirs)}", pytrace=False)

    def _reduce(self, case: dict[str, Any]) -> dict[str, Any]:
        """Leave out every part without which the difference stays."""
        changed = True
        while changed:
            changed = False
            for smaller in _without_one_part(case):
                found = self._still(smaller)
                if found:
                    case, changed = smaller, True
                    break
        return case

    def _still(self, case: dict[str, Any]) -> bool:
        try:
            found = self.differs(case)
        except (AssertionError, KeyError, TypeError):
            return False  # what was left out was needed to run it at all
        return found is not None and found[2] is None


def _ends(kind: str, view: dict[str, Any]) -> list[str]:
    if kind == "deliver":
        return [f"deliver {each['reason']}" for each in view["results"]]
    return [f"{kind} {view.get('error_class') or view.get('match', view.get('accepted', 'ok'))}"]


def _without_one_part(value: Any) -> Iterator[Any]:
    """Copies of a JSON value, each without one key or element somewhere."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys:
            if key not in ("kind", "input"):
                smaller = copy.copy(value)
                del smaller[key]
                yield smaller
        for key in keys:
            for inner in _without_one_part(value[key]):
                smaller = copy.copy(value)
                smaller[key] = inner
                yield smaller


def test_the_default_mappings_are_the_originals(original):
    assert original.defaults() == DEFAULT_SUBSCRIPTIONS


@pytest.mark.timeout(600 + COUNT // 20)
def test_generated_cases_do_what_the_original_does(original):
    comparison = Comparison(original)

    @seed(SEED)
    @settings(
        max_examples=COUNT,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # `Comparison` makes a difference smaller itself
        suppress_health_check=list(HealthCheck),
    )
    @given(cases.CASES)
    def each(case: dict[str, Any]) -> None:
        comparison.check(case)

    each()
    print(f"{comparison.total} cases; explained: {dict(comparison.explained)}; ends: {dict(comparison.ends)}")
    assert comparison.total >= COUNT
    assert sum(comparison.explained.values()) <= max(3, comparison.total * EXPLAINED_SHARE)
    # Cases that all end alike would say nothing.
    assert comparison.ends["deliver delivered"] > COUNT / 50
    assert comparison.ends["map ok"] > COUNT / 50
    assert comparison.ends["fql True"] > COUNT / 100


def test_a_difference_is_found_made_small_and_shown():
    """The harness itself, against an original that takes any value for this address."""

    class Wrong:
        def ask(self, lines: list[str]) -> list[dict[str, Any]]:
            return [{"accepted": True, "present": True, "value": "a@b.co"} for _ in lines]

    comparison = Comparison(Wrong())
    comparison.check({"kind": "field", "input": {"type": "string", "value": "a@b.co"}})
    with pytest.raises(pytest.fail.Exception) as caught:
        comparison.check({"kind": "field", "input": {"type": "string", "format": "email", "value": ["A@B.CO", 1]}})
    assert str(caught.value).startswith('{"kind": "field", "input": {"type": "string"}}\nours: ')
