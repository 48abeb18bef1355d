"""The request's body: compact UTF-8 JSON whose value is the one that ``JSON.stringify`` would write.

Texts and whole numbers up to 2**53 are the same in Python and JavaScript, and orjson writes them. What differs goes
the long way round through `consumer.segment.js_json`: lone surrogates (kept as escapes), integers past a double's
precision, and a value that was passed through unchecked.
"""

from __future__ import annotations

from typing import Any

import orjson

from consumer.chartmogul.fields import PASSED_THROUGH
from consumer.segment import js_json


def encode(payload: dict[str, Any]) -> bytes:
    """The body for a payload.

    Args:
        payload: what `consumer.chartmogul.fields.shape` gave: its numbers are JavaScript's already, but those inside
            what is passed through unchecked.
    """
    if PASSED_THROUGH not in payload:
        try:
            # A copy: orjson's own bytes keep the four kilobytes they were written in, for as long as an event waits.
            return b"%b" % orjson.dumps(payload)
        except orjson.JSONEncodeError:
            pass  # surrogates, or an integer past 64 bits
    text = js_json.encode(payload)
    assert isinstance(text, str), "an object always has a text"
    return text.encode()
