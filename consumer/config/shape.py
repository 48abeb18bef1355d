"""What the settings' types say about a path: used to read the environment and to suggest names."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def section_of(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The section that ``path`` leads to, or None where it leads to a value or nowhere."""
    for name in path:
        field = model.model_fields.get(str(name))
        if field is None or not is_section(field.annotation):
            return None
        model = typing.cast("type[BaseModel]", field.annotation)
    return model


def descriptions(section: type[BaseModel]) -> dict[str, str]:
    """What the text below each field says of it; nothing where the source is not there.

    Read when it is asked for: pydantic's own way (``use_attribute_docstrings``) parses the source at each import, a
    tenth of what the service takes to start.
    """
    found: dict[str, str] = {}
    for part in reversed(section.__mro__):
        if part is not BaseModel and issubclass(part, BaseModel):
            try:
                (of,) = ast.parse(inspect.getsource(part)).body
            except (OSError, TypeError):
                continue
            assert isinstance(of, ast.ClassDef)
            for field, text in pairwise(of.body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                        found[name] = inspect.cleandoc(said)
    return found


def is_section(annotation: Any) -> bool:
    """Whether a field holds settings of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def accepts(annotation: Any, *kinds: type) -> bool:
    """Whether one of ``kinds`` is among the (origin) types that an annotation allows."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return accepts(typing.get_args(annotation)[0], *kinds)
    if origin in (types.UnionType, typing.Union):
        return any(accepts(part, *kinds) for part in typing.get_args(annotation))
    found = origin or annotation
    return isinstance(found, type) and issubclass(found, kinds)


def nearest(name: str, names: Iterable[str]) -> str:
    """`` (did you mean x?)`` or ""."""
    found = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
