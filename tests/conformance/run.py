"""Run recorded cases of the hosted destination through this package, and print what it does with each.

    python tests/conformance/run.py VECTORS.jsonl [--company-optional]

A line of VECTORS is ``{"id", "kind", "input": {...}}`` (or the input's keys beside ``id`` and ``kind``); a line of the output
is ``{"id", "kind", ...result}`` in the words of the recorder. Kinds:

- deliver: an event, subscriptions (default: the two hosted defaults), the fake server's reply -> requests, results.
  Each subscription is delivered on its own, with ``require_company_id`` unless ``--company-optional`` is given.
- field: one field's type, format and value -> accepted, present, value.
- map: mapping, payload -> ok, output (or output_undefined), error_class.
- fql: trigger, event -> match, ok, error_class.

Numbers are read and written as JavaScript does, so the text of every number is the one that the original would give.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS, CompiledMapping, MappingSpec
from consumer.chartmogul.fields import Field, FieldType, Format, shape
from consumer.delivery.retry import RetryPolicy, Verdict
from consumer.errors import ConfigurationError, MappingError
from consumer.outcomes import Action, FailureKind, Post, Reject, RejectReason
from consumer.segment import js_json
from consumer.segment.js import UNDEFINED
from consumer.segment.mapping import ROOT_DIRECTIVE, compile_mapping
from consumer.segment.mapping_check import check_mapping
from consumer.segment.trigger import TriggerError, TriggerSyntaxError, compile_trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SUBSCRIPTIONS = [
    {"subscribe": spec.trigger, "partnerAction": spec.action.value, "mapping": spec.mapping}
    for spec in DEFAULT_MAPPINGS
]
TIMEOUT_MS = 10_000
COLLECTING = ("@if", "@case", "@replace", "@json", "@flatten", "@merge", "@transform")
# What the recorder calls a refusal, and the status the original's error has: retryable only where there is one.
REFUSALS = {
    RejectReason.TRIGGER_ERROR: ("fql_eval_error", None),
    RejectReason.MAPPING_ERROR: ("mapping_error", None),
    RejectReason.INTERNAL_ERROR: ("internal_error", None),
    RejectReason.INVALID_PAYLOAD: ("invalid_payload", 400),
    RejectReason.MISSING_IDENTITY: ("missing_identity", 400),
    RejectReason.NO_INFORMATION: ("no_information", 400),
}


def run(kind: str, case: dict[str, Any], *, require_company_id: bool = True) -> dict[str, Any]:
    """The result of one case.

    Args:
        kind: deliver, field, map or fql.
        case: the recorder's input.
        require_company_id: for deliver; True is the hosted behaviour.
    """
    if kind == "deliver":
        return deliver(case, require_company_id=require_company_id)
    return {"field": field, "map": resolve, "fql": trigger}[kind](case)


def deliver(case: dict[str, Any], *, require_company_id: bool) -> dict[str, Any]:
    """Every subscription's requests and result, in order."""
    subscriptions, http = case.get("subscriptions"), case.get("http")
    # The recorder hands the original a copy made through JSON: there an infinity is null already.
    event = js_json.json_value(case["event"])
    requests, results = [], []
    for index, each in enumerate(DEFAULT_SUBSCRIPTIONS if subscriptions is None else subscriptions):
        subscription = js_json.json_value(each)
        body, result = _deliver_one(subscription, event, http, require_company_id=require_company_id)
        if body is not UNDEFINED:
            headers = {"content-type": "application/json"}
            requests.append({"subscription": index, "method": "POST", "body": body, "headers": headers})
        results.append({"subscription": index, "partnerAction": subscription.get("partnerAction"), **result})
    return {"requests": requests, "results": results}


def _deliver_one(
    subscription: dict[str, Any], event: dict[str, Any], http: dict[str, Any] | None, *, require_company_id: bool
) -> tuple[Any, dict[str, Any]]:
    text, slug = subscription.get("subscribe"), subscription.get("partnerAction")
    try:
        wanted = compile_trigger(text).matches(event)
    except TriggerSyntaxError:
        return UNDEFINED, _skipped("invalid_subscription")
    except TriggerError:
        return UNDEFINED, _refused(RejectReason.TRIGGER_ERROR)
    if not wanted:
        return UNDEFINED, _skipped("not_subscribed")
    if slug not in list(Action):
        return UNDEFINED, _skipped("no_such_action")
    spec = MappingSpec("case", Action(slug), text, subscription.get("mapping") or {})
    try:
        compiled = CompiledMapping(spec, require_company_id=require_company_id)
    except ConfigurationError:
        return UNDEFINED, {
            "outcome": "rejected",
            "reason": "invalid_mapping",
            **_status(_invalid_mapping(spec.mapping)),
        }
    planned = compiled.deliver(event, "case")
    if isinstance(planned, Reject):
        assert isinstance(planned.reason, RejectReason)
        return UNDEFINED, _refused(planned.reason)
    assert isinstance(planned, Post), "the trigger has matched"
    return js_json.decode(planned.body.decode()), _answered(http or {})


def _skipped(reason: str) -> dict[str, Any]:
    return {"outcome": "skipped", "reason": reason, "retryable": False}


def _refused(reason: RejectReason) -> dict[str, Any]:
    name, status = REFUSALS[reason]
    return {"outcome": "rejected", "reason": name, **_status(status)}


def _status(status: int | None) -> dict[str, Any]:
    return {"status": status, "retryable": None if status is None else False}


def _invalid_mapping(mapping: Any) -> int | None:
    """The status of the original's error for a mapping: a mistake thrown on its own has one, a collection has none."""
    root = mapping.get(ROOT_DIRECTIVE, mapping) if isinstance(mapping, dict) else mapping
    return 400 if _is_directive(root) and _throws_one(root) else None


def _throws_one(node: dict[str, Any]) -> bool:
    """Whether the original's check of an invalid directive throws one mistake: it collects those inside of objects only."""
    names = [key for key in node if key.startswith("@")]
    if len(names) > 1 or len(node) - ("_metadata" in node) > 1:
        return True
    name, value = names[0], node[names[0]]
    inner: list[Any] = [value] if _is_directive(value) else []
    if name in COLLECTING:
        if not isinstance(value, dict) or _is_directive(value):
            return True
        if (
            name != "@merge"
            or check_mapping({name: {**value, "objects": []}})
            or not isinstance(value.get("objects"), list)
        ):
            return False
        inner = value["objects"]
    elif name == "@arrayPath" and isinstance(value, list):
        if not value or not (isinstance(value[0], str) or _is_directive(value[0])):
            return True
        inner = [each for each in value[:2] if isinstance(each, dict)]
    for each in inner:
        if not isinstance(each, dict):
            return True
        if check_mapping(each):
            return _is_directive(each) and _throws_one(each)
    return True


def _is_directive(node: Any) -> bool:
    return isinstance(node, dict) and any(key.startswith("@") for key in node)


def _answered(http: dict[str, Any]) -> dict[str, Any]:
    """What the service's retry policy makes of the fake server's reply."""
    status, failure, reason = http.get("status", 200), None, "http_error"
    if http.get("destroy"):
        status, failure, reason = 0, FailureKind.RESET, "network_error"
    elif http.get("hang") or http.get("delay_ms", 0) > TIMEOUT_MS:
        status, failure, reason = 0, FailureKind.TIMEOUT, "timeout"
    verdict = RetryPolicy().verdict(status, failure, 1)
    if verdict is Verdict.DELIVERED:
        return {"outcome": "delivered", "reason": "delivered", "retryable": False}
    return {"outcome": "failed", "reason": reason, "status": status or None, "retryable": verdict is Verdict.RETRY}


def field(case: dict[str, Any]) -> dict[str, Any]:
    """One field called ``v``, through removal, coercion and validation."""
    text_format = case.get("format")
    kind = FieldType.DATETIME if case["type"] == "datetime" else FieldType.TEXT
    payload, errors = shape(
        {"v": case.get("value", UNDEFINED)}, (Field("v", kind, Format(text_format) if text_format else None),)
    )
    if errors:
        return {"accepted": False}
    return (
        {"accepted": True, "present": True, "value": payload["v"]} if payload else {"accepted": True, "present": False}
    )


def resolve(case: dict[str, Any]) -> dict[str, Any]:
    """A mapping's output for a payload."""
    try:
        output = js_json.json_value(compile_mapping(case["mapping"])(case.get("payload", {})))
    except ConfigurationError:
        return {"ok": False, "error_class": "invalid_mapping"}
    except MappingError:
        return {"ok": False, "error_class": "mapping_error"}
    return {"ok": True, "output_undefined": True} if output is UNDEFINED else {"ok": True, "output": output}


def trigger(case: dict[str, Any]) -> dict[str, Any]:
    """Whether a trigger matches an event."""
    try:
        return {"ok": True, "match": compile_trigger(case["fql"]).matches(case["event"])}
    except TriggerSyntaxError:
        return {"ok": False, "match": False, "error_class": "parse"}
    except TriggerError:
        return {"ok": False, "match": None, "error_class": "eval"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, metavar="VECTORS.jsonl")
    parser.add_argument("--company-optional", action="store_true", help="as the shipped default has it")
    asked = parser.parse_args(arguments)
    with asked.vectors.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                vector = js_json.decode(line)
                case = vector.get("input", vector)
                result = run(vector["kind"], case, require_company_id=not asked.company_optional)
                print(js_json.encode({"id": vector["id"], "kind": vector["kind"], **result}))


if __name__ == "__main__":
    main()
