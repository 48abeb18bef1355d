"""Directives that make objects of objects: ``@flatten``, ``@merge``, ``@transform``, ``@excludeWhenNull``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumer.errors import MappingError
from consumer.segment.js import UNDEFINED, own_keys, to_units, truthy, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.segment.directives.site import Resolver, Site

MAX_KEY_TEXT: Final = 1_048_576
"""Characters of all keys that ``@flatten`` may make of one event: deep nesting times a long separator grows fast."""


def without_undefined(value: Any) -> Any:
    """A value with the undefined keys of its objects removed, at every depth; undefined elements of arrays stay."""
    if isinstance(value, dict):
        return {key: without_undefined(inner) for key, inner in value.items() if inner is not UNDEFINED}
    if isinstance(value, list):
        return [without_undefined(inner) for inner in value]
    return value


def compile_flatten(options: Any, site: Site) -> Resolver:
    """``@flatten``: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Empty objects and arrays vanish; a value that is neither gets the key "".
    """
    if not isinstance(options, dict):
        return site.fails('@flatten needs an object with a "separator" key')
    if not truthy(options.get("separator")):
        return site.fails('@flatten needs a "separator" that is not empty')
    resolve_separator = site.child(options, "separator")
    resolve_value = site.child(options, "value")
    omit_arrays = truthy(options.get("omitArrays"))

    def resolve(payload: Any) -> Any:
        separator = resolve_separator(payload)
        if not isinstance(separator, str):
            raise MappingError(f"@flatten: expected a string separator, got {type_name(separator)}")
        return flatten(resolve_value(payload), separator, omit_arrays=omit_arrays)

    return resolve


def flatten(value: Any, separator: str, prefix: str = "", *, omit_arrays: bool = False) -> dict[str, Any]:
    """The leaves of a value by the joined keys that lead to them.

    Raises:
        MappingError: the keys have more than `MAX_KEY_TEXT` characters together.
    """
    leaves: dict[str, Any] = {}
    budget = MAX_KEY_TEXT
    pending: list[Iterator[tuple[str, Any]]] = [iter([(prefix, value)])]
    prefixes = [""]
    while pending:
        step = next(pending[-1], None)
        if step is None:
            pending.pop()
            prefixes.pop()
            continue
        key, inner = step
        name = f"{prefixes[-1]}{separator}{key}" if prefixes[-1] else key
        budget -= len(name)
        if budget < 0:
            raise MappingError(f"@flatten: makes more than {MAX_KEY_TEXT} characters of keys")
        if isinstance(inner, dict):
            pending.append(iter([(key, inner[key]) for key in own_keys(inner)]))
            prefixes.append(name)
        elif isinstance(inner, list) and not omit_arrays:
            pending.append((str(index), item) for index, item in enumerate(inner))
            prefixes.append(name)
        else:
            leaves[name] = inner
    return leaves


def compile_merge(options: Any, site: Site) -> Resolver:
    """``@merge``: objects on top of each other, the last one's keys win; with direction left, the first one's."""
    if not isinstance(options, dict):
        return site.fails('@merge needs an object with an "objects" and a "direction" key')
    if not truthy(options.get("direction")):
        return site.fails('@merge needs a "direction", left or right')
    resolve_direction = site.child(options, "direction")
    objects = options.get("objects")
    if not isinstance(objects, list):
        return site.fails('@merge needs an array of "objects"')
    place = site.at("objects")
    resolvers = [place.compile_node(node, place.at(index)) for index, node in enumerate(objects)]
    if isinstance(options["direction"], str) and options["direction"] not in ("left", "right"):
        site.note('a "direction" that is not exactly left is taken for right')

    def resolve(payload: Any) -> Any:
        leftwards = resolve_direction(payload) == "left"
        values = [resolver(payload) for resolver in resolvers]
        merged: dict[str, Any] = {}
        for value in reversed(values) if leftwards else values:
            if isinstance(value, dict):
                merged.update(value)
            elif isinstance(value, list | str):
                # Arrays and texts are spread by index, as Object.assign does.
                items = to_units(value) if isinstance(value, str) else value
                merged.update(zip(map(str, range(len(items))), items, strict=True))
        return merged

    return resolve


def compile_transform(options: Any, site: Site) -> Resolver:
    """``@transform``: ``mapping``, resolved against what ``apply`` makes of the event."""
    if not isinstance(options, dict):
        return site.fails('@transform needs an object with an "apply" and a "mapping" key')
    for key in ("mapping", "apply"):
        if not truthy(options.get(key)):
            return site.fails(f'@transform needs a "{key}" key')
    if not isinstance(options["apply"], dict):
        return site.fails('@transform needs an object for "apply"')
    apply = site.compile_transform(options["apply"], site.at("apply"))
    mapping = site.child(options, "mapping")

    def resolve(payload: Any) -> Any:
        return mapping(apply(payload))

    return resolve


def compile_exclude_when_null(value: Any, site: Site) -> Resolver:
    """``@excludeWhenNull``: undefined for null, objects without their keys that are null; arrays as they are."""
    inner = site.compile_node(value, site)

    def resolve(payload: Any) -> Any:
        return _without_nulls(inner(payload))

    return resolve


def _without_nulls(value: Any) -> Any:
    if value is None:
        return UNDEFINED
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items()}
