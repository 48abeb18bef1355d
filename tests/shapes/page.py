"""Writes docs/reference/source-shapes.md: what `tests/integration/test_shapes.py` proves, and a record of each kind.

python -m tests.shapes.page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from consumer.chartmogul.router import Router
from tests.shapes.envelopes import ENVELOPES, EVENTS
from tests.shapes.formats import FORMATS

FILE: Final = Path(__file__).parents[2] / "docs" / "reference" / "source-shapes.md"

_HEAD: Final = """<!-- Made by tests/shapes/page.py from the cases that the tests run: change them there. -->

# Shapes of records

What can lie in a topic, and what becomes of it. Each ✓ is a test: two events, an `identify` and a `group`, are written in that
format and envelope, read back from an embedded and from a real broker, and give the two bodies below.
How to choose: [your topic's records](../guide/sources.md).
"""


def in_a_batch(bodies: list[Any]) -> list[Any]:
    """The bodies of events whose batch says when they were sent."""
    return [{**body, "sent_at": EVENTS[0]["sentAt"]} for body in bodies]


def text() -> str:
    """The page."""
    lines = [_HEAD]
    lines.append("| Envelope | " + " | ".join(form.name for form in FORMATS) + " |")
    lines.append("|" + " --- |" * (len(FORMATS) + 1))
    lines += [f"| {envelope.name} | " + " | ".join("✓" for _ in FORMATS) + " |" for envelope in ENVELOPES]
    lines.append(
        "\n`format: auto` tells them apart by header and first byte; Avro with its schema in a file takes `format: avro`."
    )
    lines.append(
        "With `json`, `avro` or `json-schema` a record of another format is dead-lettered as `unknown_format`.\n"
    )
    lines.append("## What comes out\n\nThe same for each record below:\n")
    lines += _json(*(orjson.loads(planned.body) for event in EVENTS for planned in Router().route(event)))  # type: ignore[union-attr]  # both are sent
    for envelope in ENVELOPES:
        lines += [f"## {envelope.name}\n", f"{envelope.what}\n"]
        if envelope.settings:
            lines += ["```yaml", yaml.safe_dump({"source": envelope.settings}, sort_keys=False).rstrip(), "```\n"]
        written = envelope.write(EVENTS)
        if headers := written[0].headers:
            lines.append("Headers: " + ", ".join(f"`{name}: {value.decode()}`" for name, value in headers) + "\n")
        lines += _json(*(each.document for each in written))
    return "\n".join(lines).rstrip() + "\n"


def _json(*documents: Any) -> list[str]:
    return ["```json", *(json.dumps(each, ensure_ascii=False) for each in documents), "```\n"]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
