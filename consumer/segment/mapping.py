"""A mapping compiled: from an event to the payload that an action gets, as the hosted destination resolves it.

Theory of operation. A mapping is checked once, as a whole (`consumer.segment.mapping_check`), then walked once; every
node becomes a closure from the event to its value. Entries of an object that are plain ``@path`` nodes with the same
parent, most of every mapping there is, share one look-up of that parent and are copied in one loop. Nothing is parsed,
checked or decided for an event that could be for its mapping. A closure never changes an event; what it returns may
share parts with the event and the mapping, and is for reading only.

A value may be `UNDEFINED`. Objects in a result never hold it; arrays may, because validation tells it from null:
`consumer.segment.js_json.json_value` gives the JSON view.

Source: actions-core 3.170.0 ``mapping-kit``; where this differs is told in docs/reference/differences.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from consumer.errors import ConfigurationError, MappingError, Problem
from consumer.segment.directives import DIRECTIVES
from consumer.segment.directives.objects import without_undefined
from consumer.segment.directives.site import Resolver, Site, constant
from consumer.segment.js import UNDEFINED, JsTypeError, to_units, type_name
from consumer.segment.mapping_check import below, check_mapping, is_directive
from consumer.segment.mapping_path import child, compile_path, path_keys

__all__ = ["Event", "compile_mapping", "compile_path", "compile_value", "explain_mapping", "path_keys"]

Event = dict[str, Any]
"""A Segment event as read from JSON."""

ROOT_DIRECTIVE: Final = "__segment_internal_directive"
"""A key whose directive gets the rest of the mapping as its ``mapping``."""

_FLAT: Final = ("@path", "@arrayPath", "@template", "@replace", "@liquid")
"""Directives whose result holds no undefined keys: text, part of the event, or made without them for a result."""

Step = Callable[[Any, dict[str, Any]], None]
"""Puts some entries of an object into it."""


def compile_mapping(mapping: Mapping[str, Any]) -> Callable[[Event], Any]:
    """Check a mapping and compile it.

    Args:
        mapping: nodes as read from JSON or YAML, by field. Never changed; must not be changed afterwards.

    Returns:
        A function from an event to its payload, in general a dict; a directive at the root can give any value or
        `UNDEFINED`. It is pure and deterministic. It raises `MappingError`, and nothing else, where a directive fails
        on the event.

    Raises:
        ConfigurationError: the mapping is not valid; it has every mistake, paths are relative to the mapping.
    """
    return _compile(mapping, [])


def compile_value(node: Any) -> Callable[[Any], Any]:
    """One node of a valid mapping: a function from an event to a value, perhaps `UNDEFINED`; raises `MappingError`."""
    if path_keys(node) is not None:
        return _compile_node(node, _site([]))
    return _guarded(_cleaned(node, _site([])))


def explain_mapping(mapping: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What a person should know about a valid mapping: nodes that fail for every event, or do not do what they read.

    Raises:
        ConfigurationError: as `compile_mapping`.
    """
    notes: list[Problem] = []
    _compile(mapping, notes)
    return tuple(notes)


def _compile(mapping: Any, notes: list[Problem]) -> Callable[[Any], Any]:
    return _guarded(_compile_transform(mapping, _site(notes)))


def _site(notes: list[Problem]) -> Site:
    return Site("", _compile_node, _compile_transform, notes)


def _guarded(resolver: Resolver) -> Callable[[Any], Any]:
    """A resolver that raises nothing but MappingError."""

    def resolve(event: Any) -> Any:
        try:
            return resolver(event)
        except (JsTypeError, RecursionError) as error:
            raise _failure(error) from None

    return resolve


def _compile_transform(mapping: Any, site: Site) -> Resolver:
    """A whole mapping, or ``@transform``'s apply: the event must be an object, undefined keys are removed."""
    if mapping is None:
        return site.fails("the mapping is null")
    mapping = _spread(mapping)
    if ROOT_DIRECTIVE in mapping:
        reason, mapping = _rooted(mapping)
        if reason:
            return site.fails(reason)
    problems = check_mapping(mapping)
    if problems:
        placed = [Problem(".".join(filter(None, (site.path, each.path))), each.message) for each in problems]
        raise ConfigurationError(placed)
    resolver = _cleaned(mapping, site)

    def resolve(data: Any) -> Any:
        if type(data) is dict:
            return resolver(data)
        if data is UNDEFINED:
            return resolver({})
        raise MappingError(f"data must be an object, got {type_name(data)}")

    return resolve


def _spread(mapping: Any) -> dict[str, Any]:
    """``{...mapping}``: arrays and texts become objects by index, other values empty ones."""
    if isinstance(mapping, Mapping):
        return dict(mapping)
    items = to_units(mapping) if isinstance(mapping, str) else mapping
    return {str(index): item for index, item in enumerate(items)} if isinstance(items, str | list) else {}


def _rooted(mapping: dict[str, Any]) -> tuple[str, Any]:
    """The root directive with the rest of the mapping as its ``mapping``, or why it never can be resolved."""
    rest = {key: node for key, node in mapping.items() if key != ROOT_DIRECTIVE}
    root = mapping[ROOT_DIRECTIVE]
    entries = list(root.items() if isinstance(root, dict) else enumerate(root if isinstance(root, list) else ()))
    if len(entries) > 1:
        return "the root mapping must have a single directive", None
    if not entries or not isinstance(entries[0][1], dict | list):
        return "the root directive must be an object", None
    key, options = entries[0]
    if isinstance(options, dict):
        options = {**options, "mapping": rest}
    return "", {key: options} if isinstance(root, dict) else [options]


def _compile_node(node: Any, site: Site) -> Resolver:
    """A node as directives see it: undefined keys of its objects are kept, as `UNDEFINED`."""
    if isinstance(node, list):
        resolvers = [_compile_node(item, site.at(index)) for index, item in enumerate(node)]
        return lambda payload: [resolver(payload) for resolver in resolvers]
    if not isinstance(node, dict):
        return constant(node)
    if is_directive(node):
        return _compile_directive(node, site)
    entries = [(key, _compile_node(inner, site.at(key))) for key, inner in node.items() if key != "__proto__"]
    return lambda payload: {key: resolver(payload) for key, resolver in entries}


def _compile_directive(node: dict[str, Any], site: Site) -> Resolver:
    name = next(key for key in node if key.startswith("@"))
    compile_directive = DIRECTIVES.get(name)
    if compile_directive is None:
        return site.at(name).fails(f"{name} is not a valid directive")
    return compile_directive(node[name], replace(site, path=below(site.path, name)))


def _cleaned(node: Any, site: Site) -> Resolver:
    """A node as the result has it: undefined keys of its objects are removed, at every depth."""
    if isinstance(node, dict) and not is_directive(node):
        return _compile_object(node, site)
    if not isinstance(node, dict):
        resolver = _compile_node(node, site)
        return resolver if not isinstance(node, list) else lambda payload: without_undefined(resolver(payload))
    resolver = _compile_directive(node, replace(site, compile_result=_cleaned))
    if not node.keys().isdisjoint(_FLAT):
        return resolver
    return lambda payload: without_undefined(resolver(payload))


def _compile_object(node: dict[str, Any], site: Site) -> Resolver:
    """An object of the result: entries in order, neighbours that look into the same parent in one step."""
    steps: list[Step] = []
    parent: tuple[str, ...] = ()
    names: list[tuple[str, str]] = []
    for key, inner in node.items():
        if key == "__proto__":
            continue  # JavaScript sets the result's prototype, which JSON does not have
        keys = path_keys(inner)
        if names and (not keys or keys[:-1] != parent):
            steps.append(_copy_step(parent, names))
            names = []
        if keys:
            parent = keys[:-1]
            names.append((key, keys[-1]))
        elif not isinstance(inner, dict | list):
            steps.append(_literal_step(key, inner))
        else:
            steps.append(_put_step(key, _cleaned(inner, site.at(key)), below(site.path, key)))
    if names:
        steps.append(_copy_step(parent, names))

    def resolve(payload: Any) -> Any:
        result: dict[str, Any] = {}
        for step in steps:
            step(payload, result)
        return result

    return resolve


def _copy_step(parent: tuple[str, ...], names: list[tuple[str, str]]) -> Step:
    """Copy entries out of one object; names are pairs of a field and the key it comes from."""
    look_up = compile_path(parent)
    pairs = tuple(names)

    def copy(payload: Any, result: dict[str, Any]) -> None:
        source = look_up(payload) if parent else payload
        if type(source) is dict:
            get = source.get
            for field, key in pairs:
                value = get(key, UNDEFINED)
                if value is not UNDEFINED:
                    result[field] = value
        elif source is not UNDEFINED:
            for field, key in pairs:
                value = child(source, key)
                if value is not UNDEFINED:
                    result[field] = value

    return copy


def _literal_step(field: str, literal: Any) -> Step:
    def put(_payload: Any, result: dict[str, Any]) -> None:
        result[field] = literal

    return put


def _put_step(field: str, resolver: Resolver, path: str) -> Step:
    def put(payload: Any, result: dict[str, Any]) -> None:
        try:
            value = resolver(payload)
        except (MappingError, JsTypeError, RecursionError) as error:
            raise _failure(error, path) from None
        if value is not UNDEFINED:
            result[field] = value

    return put


def _failure(error: Exception, field: str = "") -> MappingError:
    """Whatever resolving may raise, as the one error there is, with the field it happened in."""
    if isinstance(error, MappingError):
        return error if error.errors[0].field else MappingError(error.errors[0].message, field=field)
    message = "the value is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return MappingError(message, field=field)
