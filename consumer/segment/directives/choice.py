"""``@if`` and ``@literal``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.segment.directives.site import constant
from consumer.segment.js import UNDEFINED, loosely_empty, truthy

if TYPE_CHECKING:
    from consumer.segment.directives.site import Resolver, Site


def compile_literal(value: Any, site: Site) -> Resolver:
    """``@literal``: its value, in which directives are resolved nevertheless."""
    return site.compile_node(value, site)


def compile_if(options: Any, site: Site) -> Resolver:
    """``@if``: ``then`` where ``exists`` is neither undefined nor null, otherwise ``else``.

    ``blank`` asks for more: not empty either, and 0, false and [] are empty to it. ``exists`` goes before ``blank``
    wherever it is given, even as null. ``else`` counts only where it is truthy.
    """
    if not isinstance(options, dict):
        return site.fails('@if needs an object with an "exists" or a "blank" key')
    exists, blank = options.get("exists", UNDEFINED), options.get("blank", UNDEFINED)
    if not truthy(exists) and not truthy(blank):
        return site.fails(
            '@if needs an "exists" or a "blank" key, and a value there that is not empty, 0, false or null'
        )
    by_blank = exists is UNDEFINED
    condition = site.child(options, "blank" if by_blank else "exists")
    then = site.child(options, "then")
    otherwise = site.child(options, "else") if truthy(options.get("else")) else constant(UNDEFINED)

    def resolve(payload: Any) -> Any:
        value = condition(payload)
        if value is UNDEFINED or value is None or (by_blank and loosely_empty(value)):
            return otherwise(payload)
        return then(payload)

    return resolve
