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


class PartialReader:
    """Reads events by what is asked of them.

    It reads as much as the last event deserved and again where it has read too little: on most topics events that are
    wanted are rare, or all of them are. What it gives depends on the event alone, but for what it costs.
    """

    def __init__(self, reads: Reads, max_depth: int) -> None:
        self._others = _reader(reads.of_others)
        self._wanted = _reader(reads.of_wanted) if reads.of_wanted is not None else None
        self._types = reads.types
        self._max_depth = max_depth
        self._expects_wanted = False

    def __call__(self, text: bytes) -> Event | None:
        """The event, perhaps without what nobody reads; None where it takes a closer look."""
        wanted = self._wanted
        try:
            if wanted is not None and self._expects_wanted:
                event = wanted(text)
                if event["type"] not in self._types:
                    self._expects_wanted = False
            else:
                event = self._others(text)
                if event["type"] in self._types:
                    if wanted is None:
                        return None
                    self._expects_wanted = True
                    event = wanted(text)
            if not text.isascii():
                text.decode()  # raises ValueError for what is not UTF-8
        except (msgspec.MsgspecError, ValueError, LookupError, RecursionError):
            return None
        return None if may_be_deep(text, self._max_depth) else event


def _reader(tree: Tree) -> Callable[[bytes], Event]:
    read: Callable[[bytes], Event] = msgspec.json.Decoder(_typed(tree, {"type": str})).decode
    return read


def _typed(tree: Tree, known: dict[str, Any]) -> Any:
    """A type for msgspec: an object of which these keys are kept; whatever is no object is kept as it is."""
    fields = {key: Any if below is None else _typed_or_other(below) for key, below in tree.items()}
    return TypedDict("_Read", fields | known, total=False)  # type: ignore[operator] # made at run time


def _typed_or_other(tree: Tree) -> Any:
    return Union[_typed(tree, {}), None, bool, int, float, str, list[Any]]  # noqa: UP007 - made at run time
