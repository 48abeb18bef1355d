from __future__ import annotations

import pytest

from consumer.kafka.instants import instant


@pytest.mark.parametrize(
    ("unix_ms", "text"),
    [
        (1_709_633_472_345, "2024-03-05T10:11:12.345Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, None),
        (1_700_000_000_000_000, None),
        (2**63 - 1, None),
        (0, None),
        (-1, None),
        (None, None),
    ],
)
def test_a_record_time_is_text_or_none(unix_ms, text):
    assert instant(unix_ms) == text
