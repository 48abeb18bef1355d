"""Settings from a YAML file and the environment: all of them or every mistake at once.

The environment wins over the file. Nothing is connected to; files that settings name are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from consumer.config.document import MAX_BYTES, Document, parse_document
from consumer.config.environment import PREFIX, read_environment
from consumer.config.model import (
    Batch,
    BatchFormat,
    DeadLetter,
    Delivery,
    Destination,
    Http,
    Kafka,
    Log,
    LogFormat,
    LogLevel,
    Mode,
    OutOfRange,
    Retry,
    Settings,
    StartPoint,
)
from consumer.config.problems import to_problems
from consumer.config.rules import check, read_secret_files
from consumer.config.shape import is_section, section_of
from consumer.config.source import Envelope, Source, SourceFormat
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

__all__ = [
    "Batch",
    "BatchFormat",
    "DeadLetter",
    "Delivery",
    "Destination",
    "Envelope",
    "Http",
    "Kafka",
    "Log",
    "LogFormat",
    "LogLevel",
    "Mode",
    "OutOfRange",
    "Retry",
    "Settings",
    "Source",
    "SourceFormat",
    "StartPoint",
    "load_settings",
]

_FILE: Final = "(file)"


_PLACEHOLDERS: Final = {
    "kafka": {"bootstrap_servers": "-", "topics": ["-"], "start_from": "latest"},
    "dead_letter": {"topic": "--"},
}
"""Stand for what is required and wrong or missing, while the rules are asked about the rest."""


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read, join and check everything.

    Args:
        path: the YAML file, or None where the environment says it all.
        environ: usually ``os.environ``; names that do not begin with ``CHARTMOGUL_CONSUMER_`` are none of ours.

    Raises:
        ConfigurationError: every mistake, with path, line, what is allowed, and what to do; no value of a setting.
    """
    document = _read(path)
    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        raise ConfigurationError(
            [Problem(_FILE, "must be a mapping of sections: kafka, destination, dead_letter, …", 1)]
        )
    overrides, variables, problems = read_environment(environ, Settings)
    joined = _sections(_joined(data, overrides), Settings)
    wrong: set[str] = set()
    try:
        settings = Settings.model_validate(joined)
    except ValidationError as error:
        found = to_problems(error, Settings, document.lines)
        problems += found
        wrong = {problem.path for problem in found}
        settings = _without(joined, error)
    settings, more = read_secret_files(settings)
    problems += more
    problems += (problem for problem in check(settings) if problem.path not in wrong)
    if problems:
        located = [_located(problem, document, variables) for problem in problems]
        raise ConfigurationError(sorted(located, key=lambda problem: (problem.line is None, problem.line)))
    return settings


def _read(path: Path | None) -> Document:
    if path is None:
        return Document(data=None)
    try:
        with path.open("rb") as file:
            return parse_document(file.read(MAX_BYTES + 1).decode())
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check the path, its mode, and the volume if it is mounted"
        raise ConfigurationError([Problem(_FILE, message)]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([Problem(_FILE, f"{path} is not UTF-8 text")]) from None


def _joined(below: Any, above: Any) -> Any:
    """``above`` laid over ``below``, section by section."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: _joined(below.get(key), value) for key, value in above.items()}


def _sections(data: dict[Any, Any], model: type[BaseModel]) -> dict[str, Any]:
    """``data`` with every section there: what is missing is named by its full path, and ``kafka:`` alone is empty."""
    result = {str(key): value for key, value in data.items()}
    for name, field in model.model_fields.items():
        if is_section(field.annotation):
            inner = result.get(name)
            if inner is None:
                inner = {}
            if isinstance(inner, dict):
                inner = _sections(inner, cast("type[BaseModel]", field.annotation))
            result[name] = inner
    return result


def _without(joined: dict[str, Any], error: ValidationError) -> Settings:
    """Settings from what is right in ``joined``, good only for asking the rules about that."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        # Down to the section; what is wrong inside a list or a mapping of properties takes the whole of it out.
        depth = next(n for n in range(len(loc)) if section_of(Settings, loc[: n + 1]) is None or n + 1 == len(loc))
        inner: Any = joined
        for name in loc[:depth]:
            inner = inner.get(name, {})
        inner.pop(loc[depth], None)
    return Settings.model_validate(_joined(_PLACEHOLDERS, _sections(joined, Settings)))


def _located(problem: Problem, document: Document, variables: Mapping[str, str]) -> Problem:
    """The problem with where its value came from: the variable, or the line."""
    for path, variable in variables.items():
        if problem.path == path or problem.path.startswith((path + ".", path + "[")):
            return Problem(problem.path, f"{problem.message} (from {variable})")
    if problem.path.startswith(PREFIX) or problem.line is not None:
        return problem
    return Problem(problem.path, problem.message, document.lines.get(problem.path))
