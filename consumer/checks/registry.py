"""Asks the schema registry for the schemas that sampled records name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from consumer.checks.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

    from consumer.checks.finding import Deadline
    from consumer.decoding import Decoding

_NAME: Final = "source.registry"
_PAUSE_SECONDS: Final = 0.05
_SOME_SCHEMA: Final = 1
"""Asked for where no record names a schema: that there is none is an answer as well."""


def registry(decoding: Decoding, messages: Iterable[Message], deadline: Deadline) -> Finding:
    """Whether the registry answers; what it gives is there for decoding afterwards.

    Args:
        decoding: its schemas are started here, and closed by whoever opened it.
        messages: sampled records.
        deadline: of all questions.
    """
    schemas, needs = decoding.schemas, decoding.needs
    if schemas is None or needs is None:
        return Finding(_NAME, Verdict.SKIP, "none is set")
    named = {schema_id for message in messages if (schema_id := needs.of(message)) is not None}
    asked = named or {_SOME_SCHEMA}
    schemas.start()
    while missing := [schema_id for schema_id in asked if schemas.missing(schema_id)]:
        if schemas.loads["failed"] >= len(asked) or deadline.over:
            says = f"{len(missing)} of {len(asked)} schemas are not to be had: {schemas.problem or 'no answer in time'}"
            remedy = "check source.registry: its URLs, credentials and certificates, and the network"
            return Finding(_NAME, Verdict.FAIL, says, (remedy,))
        time.sleep(_PAUSE_SECONDS)
    unknown = sorted(str(schema_id) for schema_id in named if schemas.schema(schema_id) is None)
    if unknown:
        says = f"it does not know {len(unknown)} of {len(named)} schemas that records name: {', '.join(unknown[:5])}"
        return Finding(_NAME, Verdict.FAIL, says, ("is it the registry of whoever writes these records?",))
    says = (
        f"{len(named)} schemas that records name are there" if named else "it answers; no sampled record names a schema"
    )
    return Finding(_NAME, Verdict.PASS, says)
