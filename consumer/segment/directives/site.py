"""Where a directive stands in its mapping, and how it reaches the rest of the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from consumer.errors import MappingError, Problem
from consumer.segment.js import UNDEFINED
from consumer.segment.mapping_check import below

Resolver = Callable[[Any], Any]
"""From an event (or what stands for one inside ``@arrayPath`` and ``@transform``) to a value, perhaps `UNDEFINED`."""

MAX_TEXT: Final = 131_072
"""Characters that one directive may make of one event: four times the largest event that Segment takes.

The original has no such limit but its memory; without one, an event of 32 KB could be made into gigabytes.
"""


class Site(Struct, frozen=True):
    """Where a node stands.

    Attributes:
        path: dotted, as in the mapping: ``company.id.@if``.
        compile_node: compiles any node of a mapping.
        compile_transform: compiles a whole mapping (``@transform``'s apply), root directive and all.
        notes: collects what a person should know about the mapping before it runs.
        compile_result: where what is made here goes into the result as it is, compiles a node without undefined keys;
            None where a directive around this one may still look at them.
    """

    path: str
    compile_node: Callable[[Any, Site], Resolver]
    compile_transform: Callable[[Any, Site], Resolver]
    notes: list[Problem]
    compile_result: Callable[[Any, Site], Resolver] | None = None

    def at(self, key: str | int) -> Site:
        """The place of a child."""
        return replace(self, path=below(self.path, key), compile_result=None)

    def child(self, node: dict[str, Any], key: str) -> Resolver:
        """The compiled child at ``key``; `UNDEFINED` for every event where there is none."""
        return self.compile_node(node.get(key, UNDEFINED), self.at(key))

    def note(self, message: str) -> None:
        """Tell a person something about this place."""
        self.notes.append(Problem(self.path, message))

    def fails(self, message: str) -> Resolver:
        """A resolver that fails for every event, as the original does; noted."""
        self.note(f"fails for every event: {message}")

        def fail(_payload: Any) -> NoReturn:
            raise MappingError(message)

        return fail


def constant(value: Any) -> Resolver:
    """A resolver that gives the same value for every event."""

    def resolve(_payload: Any) -> Any:
        return value

    return resolve


def too_long(directive: str) -> MappingError:
    """The error for more than `MAX_TEXT` characters."""
    return MappingError(f"{directive}: makes more than {MAX_TEXT} characters of this event")
