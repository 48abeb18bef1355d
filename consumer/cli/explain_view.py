"""``explain`` for people: one block a stage, in the order in which a record passes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from consumer.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator


def lines(document: dict[str, Any]) -> Iterator[str]:
    """The page, line by line."""
    record = document["record"]
    yield f"record   {record['topic']}/{record['partition']}/{record['offset']}  of {record['time'] or 'no time'}"
    yield f"         key {json.dumps(record['key'])}; {_committed(record)}"
    for name, value in record["headers"]:
        yield f"         header {visible(name)}: {visible(str(value))}"
    if record["bytes"] is None:
        yield "bytes    none: a tombstone"
    else:
        yield f"bytes    {record['bytes']}, beginning with {record['begins']}"
    if document["schema_id"] is not None:
        yield f"schema   {document['schema_id']}"
    if document["document"] is not None:
        yield from _block("decoded", document["document"])
    if document["skipped"]:
        yield f"outcome  skipped: {document['skipped']}"
    for number, event in enumerate(document["events"]):
        if len(document["events"]) > 1:
            yield f"--- event {number + 1} of {len(document['events'])}"
        yield from _event(event, document)
    yield from _letters(document["dead_letters"])


def _committed(record: dict[str, Any]) -> str:
    if record["committed_offset"] is None:
        return "the group has committed nothing of this partition"
    done = "this record is done" if record["committed"] else "this record is not below it"
    return f"the group has committed up to offset {record['committed_offset']}: {done}"


def _event(event: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    if event["event"] is None:
        yield f"outcome  rejected: {event['reason']}"
        yield from (f"         {error['field']} {error['message']}" for error in event["errors"])
        return
    if event["event"] == document["document"]:
        yield "event    as decoded"
    else:
        yield from _block("event", event["event"])
    for fallback in document["fallbacks"]:
        yield f"fallback {fallback}"
    for name, says in event["filters"].items():
        yield f"filter   {name}: {says}"
    if event["filters"] and event["filtered"] not in ("unchanged", None):
        yield from _block("filtered", event["filtered"])
    for name, says in event["triggers"].items():
        yield f"trigger  {name}: {says}"
    for delivery in event["deliveries"]:
        verdict = delivery["outcome"].replace("_", " ") + (f": {delivery['reason']}" if delivery["reason"] else "")
        yield f"mapping  {delivery['mapping']} ({delivery['action']}): {verdict}"
        yield from (f"         {error['field']}: {error['message']}" for error in delivery["errors"])
        if delivery["payload"] is not None:
            yield from _block("body", delivery["payload"])
    if not event["deliveries"]:
        yield f"outcome  {event['outcome']}: {event['reason']}"


def _letters(letters: list[dict[str, str]] | str) -> Iterator[str]:
    if isinstance(letters, str):
        yield f"letters  {letters}"
    elif not letters:
        yield "letters  none in the dead-letter topic"
    for letter in letters if isinstance(letters, list) else ():
        said = {name.removeprefix("dlq_"): value for name, value in letter.items()}
        parts = (visible(said[name]) for name in ("at", "stage", "reason") if name in said)
        yield f"letter   {said['at_place']}: {' '.join(parts)}"
        for name in ("mapping", "detail", "status", "response", "attempts"):
            if name in said:
                yield f"         {name} {visible(said[name])}"


def _block(name: str, value: Any) -> Iterator[str]:
    """A JSON value below its name."""
    # Half surrogate pairs stay escaped, as in `preview`: nothing can print them.
    text = json.dumps(value, indent=2, ensure_ascii=False).encode(errors="backslashreplace").decode()
    for number, line in enumerate(text.split("\n")):
        yield f"{name if number == 0 else '':<9}{line}"
