"""JSON read in part: only what the mappings look at becomes objects, the rest is checked and passed over.

Of a 1.5 KB event the mappings read a third, of an event that no trigger wants they read its type and integrations; what
is left out would be most of the cost of reading it. msgspec checks what it passes over as strictly as orjson, but for
UTF-8, which is checked here.

Nothing is refused here: for a record that is anything but an ordinary event (broken, no object, too deep, a value
beyond msgspec's bounds) the answer is None, and the whole of it is decoded, which alone says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Union

import msgspec

from consumer.kafka.decode.jsontext import may_be_deep

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.reads import Reads, Tree

Event = dict[str, Any]


def partial_reader(reads: Reads, max_depth: int) -> Callable[[bytes], Event | None]:
    """A function that reads events by what is asked of them.

    It reads as much as the last event deserved and again where it has read too little: on most topics events that are
    wanted are rare, or all of them are. What it gives depends on the event alone, but for what it costs.

    Returns:
        From a record's text to the event, perhaps without what nobody reads; None where it takes a closer look.
    """
    read_other = _reader(reads.of_others)
    read_wanted = _reader(reads.of_wanted) if reads.of_wanted is not None else None
    types = reads.types
    expects_wanted = False

    def read(text: bytes) -> Event | None:
        nonlocal expects_wanted
        try:
            if expects_wanted and read_wanted is not None:
                event = read_wanted(text)
                if event["type"] not in types:
                    expects_wanted = False
            else:
                event = read_other(text)
                if event["type"] in types:
                    if read_wanted is None:
                        return None
                    expects_wanted = True
                    event = read_wanted(text)
            if not text.isascii():
                text.decode()  # raises ValueError for what is not UTF-8
        except (msgspec.MsgspecError, ValueError, LookupError, RecursionError):
            return None
        return None if may_be_deep(text, max_depth) else event

    return read


def _reader(tree: Tree) -> Callable[[bytes], Event]:
    read: Callable[[bytes], Event] = msgspec.json.Decoder(_typed(tree, {"type": str})).decode
    return read


def _typed(tree: Tree, known: dict[str, Any]) -> Any:
    """A type for msgspec: an object of which these keys are kept; whatever is no object is kept as it is."""
    fields = {key: Any if below is None else _typed_or_other(below) for key, below in tree.items()}
    return TypedDict("_Read", fields | known, total=False)  # type: ignore[operator] # made at run time


def _typed_or_other(tree: Tree) -> Any:
    return Union[_typed(tree, {}), None, bool, int, float, str, list[Any]]  # noqa: UP007 - made at run time
