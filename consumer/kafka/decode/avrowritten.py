"""A writer's schema without what its data does not need: somebody else wrote it, and its records are there already.

Defaults are the reader's business, and a logical type whose attributes are wrong is to be ignored, says Avro's
specification; fastavro refuses a schema for either, and all its data with it.
"""

from __future__ import annotations

import math
from typing import Any, Final

_OURS: Final = frozenset({"default", "as", "skip", "fill"})
"""Defaults, and the words that `consumer.kafka.decode.avroresolve` adds to a schema: elsewhere they mean nothing."""


def as_written(schema: Any) -> Any:
    """A copy of ``schema`` (as JSON has it) that says how its data is read and nothing else."""
    if isinstance(schema, list):
        return [as_written(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _OURS}
    for inner in ("type", "items", "values"):
        if inner in kept:
            kept[inner] = as_written(kept[inner])
    if isinstance(kept.get("fields"), list):
        kept["fields"] = [as_written(field) for field in kept["fields"]]
    if kept.get("logicalType") == "decimal" and not _is_decimal(kept):
        del kept["logicalType"]
    return kept


def _is_decimal(schema: dict[str, Any]) -> bool:
    """Whether precision and scale are what the specification allows; some producers leave the precision out."""
    scale, precision, size = schema.get("scale") or 0, schema.get("precision"), schema.get("size")
    if not isinstance(scale, int) or not isinstance(precision, int | None) or scale < 0:
        return False
    if precision is None:
        return True
    most = math.log10(2) * (8 * size - 1) if isinstance(size, int) and size > 0 else math.inf
    return scale <= precision <= most and precision > 0
