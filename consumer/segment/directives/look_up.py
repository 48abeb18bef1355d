"""``@path`` and ``@arrayPath``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.errors import MappingError
from consumer.segment.js import UNDEFINED, type_name
from consumer.segment.mapping_path import compile_path, directive_keys

if TYPE_CHECKING:
    from consumer.segment.directives.site import Resolver, Site


def compile_path_directive(path: Any, site: Site) -> Resolver:
    """``@path``: what stands at a path, which may itself come from a directive."""
    if isinstance(path, str):
        return compile_path(directive_keys(path))
    resolve_path = site.compile_node(path, site)

    def resolve(payload: Any) -> Any:
        text = resolve_path(payload)
        if not isinstance(text, str):
            raise MappingError(f"@path: expected string, got {type_name(text)}")
        return compile_path(directive_keys(text))(payload)

    return resolve


def compile_array_path(options: Any, site: Site) -> Resolver:
    """``@arrayPath``: ``[path, shape]``; the shape resolved for each element, or what is at the path as it is."""
    if not isinstance(options, list):
        return site.fails(f"@arrayPath needs an array but has a {type_name(options)}")
    path, shape = [*options, UNDEFINED, UNDEFINED][:2]
    compile_made = site.compile_result or site.compile_node
    if not isinstance(shape, dict) or not shape:
        return compile_path_directive(path, site) if isinstance(path, str) else compile_made(path, site.at(0))
    root = compile_path_directive(path, site) if isinstance(path, str) else site.compile_node(path, site.at(0))
    resolve_item = compile_made(shape, site.at(1))

    def resolve(payload: Any) -> Any:
        value = root(payload)
        if isinstance(value, list):
            return [resolve_item(item) for item in value]
        return [resolve_item(value)] if isinstance(value, dict) else value

    return resolve
