"""A record's reader, written out field by field when its schema is compiled.

An event is mostly records of optional short strings. A loop over closures spends more on calls than on reading; written
out, a field is one look at a byte and one slice, and an event takes half the time (`benchmarks/decode.py`). Only field
names come from the schema, and only as quoted literals: a name cannot become code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from consumer.kafka.decode.avrowire import Reader, invalid, read_long, read_string, too_deep_here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD = """
def read_record(data, at, depth):
    if depth <= 0:
        raise too_deep_here()
    depth -= 1
    found = FOUND
"""
_OPTIONAL = """
    byte = data[at]
    at += 1
    if byte == SOME:
        READ
    elif byte != NONE:
        raise invalid("has a union's branch that its schema does not have")
"""
_REQUIRED = """
    if True:
        READ
"""
# A length or number of one byte is read here, others by the function that reads them all. A string that would pass the
# end is cut short by the slice; what follows then starts beyond the end, which the next byte's look or `read` names.
_STRING = """byte = data[at]
        if byte & 0x81:
            found[NAME], at = read_string(data, at, depth)
        else:
            end = at + 1 + (byte >> 1)
            found[NAME] = data[at + 1 : end].decode()
            at = end"""
_LONG = """byte = data[at]
        if byte & 0x80:
            found[NAME], at = read_long(data, at, depth)
        else:
            found[NAME] = (byte >> 1) ^ -(byte & 1)
            at += 1"""
_OTHER = """value, at = READER(data, at, depth)
        if value is not None:
            found[NAME] = value"""
_SKIPPED = """_, at = READER(data, at, depth)"""


class Field(Struct, frozen=True):
    """A record's field.

    Attributes:
        read: reads its value; of a union of null and one other, that other's.
        null_branch: 0 or 1, where null stands in such a union; None for any other type.
        skip: it is read past, and left out.
    """

    name: str
    read: Reader
    null_branch: int | None = None
    skip: bool = False


def record_reader(fields: Sequence[Field], fill: Mapping[str, Any] | None = None) -> Reader:
    """Reads an object of ``fields``; those that are null are left out. ``fill`` is in each object from the start."""
    names: dict[str, Any] = {
        "invalid": invalid,
        "too_deep_here": too_deep_here,
        "read_string": read_string,
        "read_long": read_long,
        "fill": fill,
    }
    source = [_HEAD.replace("FOUND", "dict(fill)" if fill else "{}")]
    for index, field in enumerate(fields):
        reader = f"reader_{index}"
        names[reader] = field.read
        read = _STRING if field.read is read_string else _LONG if field.read is read_long else _OTHER
        read = _SKIPPED if field.skip else read
        read = read.replace("READER", reader).replace("NAME", repr(field.name))
        if field.null_branch is None:
            source.append(_REQUIRED.replace("READ", read))
        else:
            none, some = 2 * field.null_branch, 2 - 2 * field.null_branch
            source.append(_OPTIONAL.replace("SOME", str(some)).replace("NONE", str(none)).replace("READ", read))
    source.append("    return found, at\n")
    exec("".join(source), names)  # noqa: S102 - our own templates; what is the schema's is quoted by repr()
    read_record: Reader = names["read_record"]
    return read_record
