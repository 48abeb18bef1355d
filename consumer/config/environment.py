"""Settings from environment variables: ``CHARTMOGUL_CONSUMER_SECTION__NAME``, deeper ``SECTION__PART__NAME``.

Values are written as in YAML: ``40``, ``true``, ``null``, ``[a, b]``; a list may also be ``a,b``. Where text is wanted
the value is taken as it is. Librdkafka properties have dots, which most shells refuse:
``CHARTMOGUL_CONSUMER_KAFKA__PROPERTIES__SASL_PASSWORD`` is ``sasl.password``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from consumer.config.document import join_path, show_key
from consumer.config.shape import accepts, is_section, nearest
from consumer.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

PREFIX: Final = "CHARTMOGUL_CONSUMER_"

_SERVICE_LINK: Final = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)")
"""What Kubernetes puts into every pod for a Service named chartmogul-consumer:
https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables"""


def read_environment(
    environ: Mapping[str, str], model: type[BaseModel]
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The settings among ``environ``.

    Returns:
        Nested data as from YAML; the variable's name by path; what is wrong with the names.
    """
    data: dict[str, Any] = {}
    names: dict[str, str] = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or _SERVICE_LINK.fullmatch(variable, len(PREFIX)):
            continue
        parts = [part.lower() for part in variable[len(PREFIX) :].split("__")]
        problem = _put(data, names, model, variable, parts, environ[variable])
        if problem:
            problems.append(Problem(show_key(variable), problem))
    return data, names, problems


def _put(  # noqa: PLR0917 - one caller, above
    data: dict[str, Any], names: dict[str, str], model: type[BaseModel], variable: str, parts: list[str], text: str
) -> str:
    """Put one value where it belongs; what is wrong with its name, or ""."""
    path = ""
    while True:
        field = model.model_fields.get(parts[0])
        if field is None:
            known = list(model.model_fields)
            return f"is no setting: {path or 'the settings'} has {', '.join(known)}{nearest(parts[0], known)}"
        path = join_path(path, parts[0])
        if len(parts) == 1 or not is_section(field.annotation):
            break
        data = data.setdefault(parts[0], {})
        model = field.annotation  # type: ignore[assignment]  # is_section has told that it is a model
        parts = parts[1:]
    if is_section(field.annotation):
        inner = ", ".join(f"{variable}__{name.upper()}" for name in field.annotation.model_fields)  # type: ignore[union-attr]  # as above
        return f"is a section; set its parts: {inner}"
    if accepts(field.annotation, dict) and len(parts) > 1:
        key = _property_name(parts[1:]) if path == "kafka.properties" else "__".join(parts[1:])
        whole = data.setdefault(parts[0], {})
        if not isinstance(whole, dict):
            return f"stands beside {names[path]}, which is no mapping; remove one of them"
        whole[key] = text
        names[join_path(path, key)] = variable
        return ""
    if len(parts) > 1:
        return f"is no setting: {path} is a value and has no parts"
    data[parts[0]] = _value(field.annotation, text)
    names[path] = variable
    return ""


def _property_name(parts: list[str]) -> str:
    name = "__".join(parts)
    suffix = "_file" if name.endswith("_file") else ""
    return name.removesuffix("_file").replace("_", ".") + suffix


def _value(annotation: Any, text: str) -> Any:
    """``text`` as the type wants it; what cannot be read stays text, and validation names the setting."""
    if accepts(annotation, tuple, list, dict):
        if text.lstrip().startswith(("[", "{")):
            return _scalar(text)
        return [part.strip() for part in text.split(",") if part.strip()] if accepts(annotation, tuple, list) else text
    if accepts(annotation, int, float, bool):
        return _scalar(text)
    if accepts(annotation, type(None)) and text in ("", "null"):
        return None
    return text


def _scalar(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
