"""Directives that make text: ``@template``, ``@case``, ``@replace``, ``@json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.errors import MappingError
from consumer.segment import js_json
from consumer.segment.directives.replacing import compile_replacement
from consumer.segment.directives.site import MAX_TEXT, constant, too_long
from consumer.segment.directives.template import compile_template, render
from consumer.segment.js import UNDEFINED, to_text, truthy, type_name, utf16_length
from consumer.segment.mapping_check import MAX_PATTERN_LENGTH, MAX_REPLACEMENT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.segment.directives.site import Resolver, Site


def compile_template_directive(template: Any, site: Site) -> Resolver:
    """``@template``: text with ``{{path}}`` in it; the template may itself come from a directive."""
    if isinstance(template, str):
        return compile_template(template)
    resolve_template = site.compile_node(template, site)

    def resolve(payload: Any) -> Any:
        text = resolve_template(payload)
        if not isinstance(text, str):
            raise MappingError(f"@template: expected string, got {type_name(text)}")
        return render(text, payload)

    return resolve


def compile_case(options: Any, site: Site) -> Resolver:
    """``@case``: a text in lower or upper case; any other value as it is."""
    if not isinstance(options, dict):
        return site.fails('@case needs an object with an "operator" key')
    operator = options.get("operator")
    if not truthy(operator):
        return site.fails('@case needs an "operator", lower or upper')
    if not truthy(options.get("value")):
        return constant(UNDEFINED)
    resolve_value = site.child(options, "value")
    change: Callable[[str], str] | None = {"lower": str.lower, "upper": str.upper}.get(str(operator))
    if change is None:
        site.note("fails for every text: the operator should be lower or upper")

    def resolve(payload: Any) -> Any:
        value = resolve_value(payload)
        if not isinstance(value, str):
            return value
        if change is None:
            raise MappingError("@case: the operator should be lower or upper")
        return change(value)

    return resolve


def compile_replace(options: Any, site: Site) -> Resolver:
    """``@replace``: one or two plain texts replaced in a text; a value that has no simple text gives ""."""
    if not isinstance(options, dict):
        return site.fails('@replace needs an object with a "pattern" key')
    if not truthy(options.get("pattern")):
        return site.fails('@replace needs a "pattern" that is not empty')
    if not truthy(options.get("value")):
        return constant(UNDEFINED)
    given = {key: value for key, value in options.items() if value is not None}
    ignore_case, everywhere = given.get("ignorecase", False), given.get("global", True)
    pairs = [(given["pattern"], given.get("replacement", ""))]
    if truthy(given.get("pattern2")):
        pairs.append((given["pattern2"], given.get("replacement2", "")))
    resolve_value = site.child(options, "value")
    flags_usable = isinstance(ignore_case, bool) and isinstance(everywhere, bool)
    usable = flags_usable and all(isinstance(text, str) for text in pairs[0])
    steps: list[Callable[[str], str]] = []
    for pattern, replacement in pairs if usable else ():
        if isinstance(pattern, str) and isinstance(replacement, str):
            steps.append(_replacement(pattern, replacement, site, ignore_case=ignore_case, everywhere=everywhere))

    def resolve(payload: Any) -> Any:
        value = resolve_value(payload)
        if isinstance(value, bool | int | float):
            value = to_text(value)
        if not usable or not isinstance(value, str):
            return ""
        for step in steps:
            value = step(value)
        return value

    return resolve


def _replacement(
    pattern: str, replacement: str, site: Site, *, ignore_case: bool, everywhere: bool
) -> Callable[[str], str]:
    for name, text, most in (
        ("pattern", pattern, MAX_PATTERN_LENGTH),
        ("replacement", replacement, MAX_REPLACEMENT_LENGTH),
    ):
        if utf16_length(text) > most:
            return site.fails(f"@replace takes a {name} of at most {most} characters")
    return compile_replacement(pattern, replacement, ignore_case=ignore_case, everywhere=everywhere)


def compile_json(options: Any, site: Site) -> Resolver:
    """``@json``: encode a value to JSON text, or decode JSON text; text that is no JSON stays as it is."""
    if not isinstance(options, dict):
        return site.fails('@json needs an object with a "value" key')
    mode = options.get("mode")
    for key in ("mode", "value"):
        if not truthy(options.get(key)):
            return site.fails(f'@json needs a "{key}" that is not empty, 0, false or null')
    resolve_value = site.child(options, "value")

    def encode(payload: Any) -> Any:
        text = js_json.encode(resolve_value(payload))
        if isinstance(text, str) and len(text) > MAX_TEXT:
            raise too_long("@json")
        return text

    def decode(payload: Any) -> Any:
        value = resolve_value(payload)
        try:
            return js_json.decode(value) if isinstance(value, str) else value
        except ValueError:
            return value

    def neither(payload: Any) -> Any:
        resolve_value(payload)
        return UNDEFINED

    if mode not in ("encode", "decode"):
        site.note("gives nothing: the mode should be encode or decode, in lower case")
        return neither
    return encode if mode == "encode" else decode
