"""What has to be known of an event to route it: the router says it, the decoder may leave out the rest."""

from __future__ import annotations

from msgspec import Struct

Tree = dict[str, "Tree | None"]
"""Keys of an object that are read, each with what is read of its value if that is an object; None is all of it."""


class Reads(Struct, frozen=True):
    """What is read of events.

    Attributes:
        types: the event types that some mapping may want.
        of_wanted: what is read of an event of these types; None is all of it.
        of_others: what is read of all other events, which only have to be counted as skipped.
    """

    types: frozenset[str]
    of_wanted: Tree | None
    of_others: Tree
