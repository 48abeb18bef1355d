"""What pydantic found, in words for the person who wrote the settings: path, line, what is allowed, what to do.

Values are never repeated: a secret in the wrong place would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.config.document import join_path
from consumer.config.shape import descriptions, nearest, section_of
from consumer.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (put it in quotes)",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a section with settings of its own",
    "model_attributes_type": "a section with settings of its own",
    "path_type": "a path",
}

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def to_problems(error: ValidationError, model: type[BaseModel], lines: Mapping[str, int]) -> list[Problem]:
    """One `Problem` for each mistake, in the file's order as far as it is known."""
    problems = []
    for detail in error.errors(include_url=False, include_context=True):
        path = ""
        for part in detail["loc"]:
            path = join_path(path, part)
        problems.append(Problem(path or "(file)", _message(detail, model), lines.get(path)))
    return problems


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return f"is required{_described(detail['loc'], model)}"
    if kind == "extra_forbidden":
        return _unknown(detail["loc"], model)
    if kind in _KINDS:
        return f"is {_kind(detail['input'])}; it must be {_KINDS[kind]}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]}"
    if kind == "enum":
        return _one_of(detail["input"], context["expected"])
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "too_short":
        return f"must have at least {context['min_length']}"
    if kind == "value_error":
        return str(context["error"])
    return f"is not allowed ({kind.replace('_', ' ')})"


def _described(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    section = section_of(model, loc[:-1])
    text = descriptions(section).get(str(loc[-1])) if section else None
    return ": " + " ".join(text.split()).split(". ")[0].rstrip(".") if text else ""


def _unknown(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    section = section_of(model, loc[:-1])
    names = list(section.model_fields) if section else []
    return f"is no setting{nearest(str(loc[-1]), names) or '; there are ' + ', '.join(names)}"


def _one_of(value: Any, expected: str) -> str:
    names = [name.strip(" '") for part in expected.split(",") for name in part.split(" or ")]
    near = nearest(value, names) if isinstance(value, str) else ""
    return f"must be one of {', '.join(names)}{near}"


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, (list, tuple)) else "a section" if isinstance(value, dict) else "another kind"
