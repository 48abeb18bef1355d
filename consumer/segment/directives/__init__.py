"""Segment's mapping directives, each compiled once to a closure from an event to a value.

`consumer.segment.mapping` walks a mapping and calls these; they call it back through their `Site`. A directive that
would fail for every event is compiled to a closure that does, as the original does, and leaves a note for the person.

Source: actions-core ``mapping-kit/index.ts``, one function for each directive there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumer.segment.directives import choice, look_up, objects, text
from consumer.segment.directives.liquid import compile_liquid_directive

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from consumer.segment.directives.site import Resolver, Site

DIRECTIVES: Final[dict[str, Callable[[Any, Site], Resolver]]] = {
    "@if": choice.compile_if,
    "@case": text.compile_case,
    "@replace": text.compile_replace,
    "@arrayPath": look_up.compile_array_path,
    "@path": look_up.compile_path_directive,
    "@template": text.compile_template_directive,
    "@literal": choice.compile_literal,
    "@flatten": objects.compile_flatten,
    "@json": text.compile_json,
    "@merge": objects.compile_merge,
    "@transform": objects.compile_transform,
    "@excludeWhenNull": objects.compile_exclude_when_null,
    "@liquid": compile_liquid_directive,
}
"""By name, what compiles the directive: from its value and where that stands."""
