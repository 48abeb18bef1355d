"""Which texts the hosted destination takes for a date: its validator asks dayjs, and dayjs asks the engine's ``Date``.

A text is read in this order (actions-core ``schema-validation.ts``, format ``date-like``):

1. a number in JavaScript's own spelling is Unix *seconds*, and must lie within the years that ``Date`` can hold;
2. what dayjs' own pattern matches is taken whatever its values are: "2024-13-01" rolls over into the next year;
3. anything else is left to V8's ``Date`` (`consumer.segment.js_date`), which reads ISO 8601 and a good deal more.

A text that is taken is sent as it is: nothing here converts.
"""

from __future__ import annotations

import re

from consumer.segment.js import number_text
from consumer.segment.js_date import MAX_MILLISECONDS, is_engine_date

# The usual case first: a full ISO 8601 instant. A subset of what rule 3 takes, and its commonest member by far.
_INSTANT = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]++)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
)
plain_instant = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
).fullmatch
"""Instants as Segment's libraries write them: most of what `is_date` takes, and nothing that it does not."""
_NUMBER = re.compile(r"-?[0-9]++(?:\.[0-9]++)?(?:e[+-][0-9]++)?")
_LONGEST_TEXT = 256
"""Longer texts are no dates here. V8 has no bound: it looks for a number behind any amount of other text."""
_LONGEST_NUMBER = 32
"""JavaScript writes a number in at most 25 characters."""

_SPACE = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
# The two open-ended runs are possessive: what follows each cannot begin with what it took, so nothing is lost.
_DAYJS = re.compile(
    rf"[0-9]{{4}}[-/]?(?:[0-9]{{1,2}})?[-/]?[0-9]{{0,2}}[Tt{_SPACE}]*+"
    r"(?:[0-9]{1,2})?:?(?:[0-9]{1,2})?:?(?:[0-9]{1,2})?[.:]?[0-9]*+",
)


def is_date(text: str) -> bool:
    """Whether the hosted destination accepts ``text`` in a datetime field."""
    if _INSTANT.fullmatch(text):
        return True
    if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
        seconds = float(text)
        if number_text(seconds) == text:
            return abs(seconds * 1000) <= MAX_MILLISECONDS
    if not text.endswith(("Z", "z")) and _DAYJS.fullmatch(text):
        return True
    return len(text) <= _LONGEST_TEXT and is_engine_date(text)
