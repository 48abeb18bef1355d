"""Why delivery can stand still on purpose."""

from __future__ import annotations

from enum import StrEnum


class HaltReason(StrEnum):
    """What a person has to put right; the label of ``halted`` and the text of ``/readyz``.

    WEBHOOK_REFUSED: halt-class answers in a row (401, 403, 404, 410, redirect, certificate): wrong or revoked URL.
    DEAD_LETTER_RATIO: too large a part of what ended was undecodable or finally refused.
    DEAD_LETTER_UNAVAILABLE: the dead-letter topic cannot be written.
    OFFSET_OUT_OF_RANGE: committed offsets lie outside the topic, and the settings say halt.
    """

    WEBHOOK_REFUSED = "webhook_refused"
    DEAD_LETTER_RATIO = "dead_letter_ratio"
    DEAD_LETTER_UNAVAILABLE = "dead_letter_unavailable"
    OFFSET_OUT_OF_RANGE = "offset_out_of_range"
