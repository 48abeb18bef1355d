"""A writer's schema as a reader's schema wants it read: fields left out, renamed by alias, filled by default.

Avro's schema resolution, as far as it shows in JSON: numbers need no promotion there. The result is a schema again,
in which a record's field may say ``"as"`` (its name in the result) or ``"skip"``, and a record ``"fill"`` (values of
fields that were not written). Records are matched where they stand, whatever they are called, but for several in one
union, which are told apart by name; what the two schemas hold differently (a string here, a record there) stays as it
was written.
"""

from __future__ import annotations

from typing import Any, Final

_RECORDS: Final = frozenset({"record", "error"})


class ResolutionError(ValueError):
    """The reader's schema requires what was not written; the message says what."""


class Resolver:
    """Resolves one pair of schemas.

    Args:
        written, read: named types of the writer and of the reader, parsed.

    Attributes:
        named: the types of the result, by names of their own: one writer's type may be read in two ways.
    """

    def __init__(self, written: dict[str, Any], read: dict[str, Any]) -> None:
        self._written = written
        self._read = read
        self._pairs: dict[tuple[str, str], str] = {}
        self.named: dict[str, Any] = dict(written)

    def schema(self, writer: Any, reader: Any) -> Any:
        """``writer``, to be read as ``reader``.

        Raises:
            ResolutionError: a field is required, and was not written.
        """
        if isinstance(writer, list):
            return [self.schema(branch, reader) for branch in writer]
        whole, kind = self._looked_up(writer, self._written), self._kind(writer, self._written)
        if isinstance(reader, list):
            fitting = [each for each in reader if self._kind(each, self._read) == kind]
            if kind in _RECORDS and len(fitting) > 1:
                fitting = self._of_that_name(whole, fitting)
            return self.schema(writer, fitting[0]) if fitting else writer
        if self._kind(reader, self._read) != kind:
            return writer
        wanted = self._looked_up(reader, self._read)
        if kind in _RECORDS:
            return self._record(whole, wanted)
        for inner in ("items", "values"):
            if isinstance(whole, dict) and inner in whole:
                return {**whole, inner: self.schema(whole[inner], wanted[inner])}
        return writer

    def _of_that_name(self, writer: dict[str, Any], branches: list[Any]) -> list[Any]:
        """Of a union's records those that are the writer's: by its whole name, by that without namespace, by alias."""
        whole = writer["name"]
        last = _last(whole)
        by_whole, by_last, by_alias = [], [], []
        for branch in branches:
            record = self._looked_up(branch, self._read)
            by_whole += [branch] if record["name"] == whole else []
            by_last += [branch] if _last(record["name"]) == last else []
            by_alias += [branch] if last in map(_last, record.get("aliases", ())) else []
        return by_whole or by_last or by_alias

    def _record(self, writer: dict[str, Any], reader: dict[str, Any]) -> str:
        pair = writer["name"], reader["name"]
        if pair in self._pairs:
            return self._pairs[pair]
        name = self._pairs[pair] = f"{writer['name']} as {reader['name']} {len(self._pairs)}"
        by_name = {alias: each for each in reader["fields"] for alias in (*each.get("aliases", ()), each["name"])}
        fields, there = [], set()
        for field in writer["fields"]:
            wanted = by_name.get(field["name"])
            if wanted is None:
                fields.append({**field, "skip": True})
            else:
                there.add(wanted["name"])
                fields.append({**field, "as": wanted["name"], "type": self.schema(field["type"], wanted["type"])})
        absent = [each for each in reader["fields"] if each["name"] not in there]
        if missing := [each["name"] for each in absent if "default" not in each]:
            raise ResolutionError(f"lacks {', '.join(missing)}, which the reader's schema requires without a default")
        fill = {each["name"]: each["default"] for each in absent if each["default"] is not None}
        self.named[name] = {**writer, "name": name, "fields": fields, "fill": fill}
        return name

    @staticmethod
    def _looked_up(schema: Any, named: dict[str, Any]) -> Any:
        return named.get(schema, schema) if isinstance(schema, str) else schema

    def _kind(self, schema: Any, named: dict[str, Any]) -> str:
        """``record``, ``array``, … or ``plain`` for all that needs no resolution; "" for a union."""
        whole = self._looked_up(schema, named)
        if isinstance(whole, list):
            return ""
        kind = whole["type"] if isinstance(whole, dict) else whole
        return kind if kind in {*_RECORDS, "array", "map", "null"} else "plain"


def _last(name: str) -> str:
    return name.rpartition(".")[2]
