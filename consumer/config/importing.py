"""Reads what people can get out of Segment: Public API JSON, and Terraform's state or ``terraform show -json``.

Everything that is a subscription, a filter or a destination is found wherever the known envelopes put it; what becomes
of it is `consumer.config.importing_build`'s to say. A mappings file can be read too, so that an import repeats itself.

Source: Segment's Public API (destinations, subscriptions, filters), segmentio/terraform-provider-segment
(``segment_destination``, ``segment_destination_subscription``, ``segment_destination_filter``), Terraform's JSON output
and state formats.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from consumer.config.mappings import parse_mappings
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.config.mappings import MappingsFile

WEBHOOK_SETTING: Final = "chartmogul_webhook_url"

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one file: a whole workspace's Terraform state is some megabytes."""

_ENVELOPES: Final = (
    # Public API
    "data",
    "subscriptions",
    "subscription",
    "destinationSubscriptions",
    "destinationSubscription",
    "filters",
    "filter",
    "destinations",
    "destination",
    # terraform show -json: of a state, of a plan
    "values",
    "planned_values",
    "root_module",
    "resources",
    "child_modules",
)
_TERRAFORM: Final = {"destination_id": "destinationId", "action_id": "actionId", "action_slug": "actionSlug"} | {
    "model_id": "modelId",
    "source_id": "sourceId",
}
_HCL: Final = re.compile(r'^\s*(resource|import|terraform|provider|module)\s+("|\{)', re.MULTILINE)
_ERROR: Final = re.compile(r"[a-z][a-z_-]{0,40}")
_DEEPEST: Final = 40
"""Modules within modules; deeper is no file of Terraform's."""


class Subscription(Struct, frozen=True):
    """A mapping as Segment has it; ``settings`` are the fields."""

    id: str
    name: str
    action_id: str
    action_slug: str
    destination_id: str
    enabled: bool
    trigger: Any
    settings: Any
    model_id: str


class FoundFilter(Struct, frozen=True):
    """A destination filter, not yet read."""

    id: str
    destination_id: str
    title: str
    enabled: bool
    spec: dict[str, Any]


class Destination(Struct, frozen=True):
    """A destination; its webhook URL is in `Found.secrets` alone."""

    id: str
    name: str
    enabled: bool


class Found(Struct):
    """What all files together hold, in their order.

    Attributes:
        total: how many subscriptions Segment says that there are; 0 where it does not say.
        secrets: webhook URLs, to be kept out of everything.
    """

    subscriptions: list[Subscription] = field(default_factory=list)
    filters: list[FoundFilter] = field(default_factory=list)
    destinations: list[Destination] = field(default_factory=list)
    files: list[MappingsFile] = field(default_factory=list)
    total: int = 0
    secrets: set[str] = field(default_factory=set)

    def read(self, text: str, source: str) -> None:
        """Add what a file holds.

        Args:
            text: the file's.
            source: its name, for messages.

        Raises:
            ConfigurationError: it is none of the known kinds; nothing of its contents is repeated.
        """
        if not text.lstrip().startswith(("{", "[")):
            if _HCL.search(text):
                message = (
                    "is Terraform's language, which Terraform alone can read; give what `terraform show -json` prints"
                )
                raise ConfigurationError([Problem(source, message)])
            self._own(text, source)
            return
        try:
            data = json.loads(text)
        except RecursionError:
            raise ConfigurationError([Problem(source, "is nested too deeply to be Segment's or Terraform's")]) from None
        except json.JSONDecodeError as error:
            message = "is not valid JSON; get it again"
            raise ConfigurationError([Problem(source, message, error.lineno, error.colno)]) from None
        except ValueError:
            message = "has a number of more digits than any of Segment's or Terraform's; is it the right file?"
            raise ConfigurationError([Problem(source, message)]) from None
        if isinstance(data, dict) and not data.keys().isdisjoint({"mappings", "preset"}):
            self._own(text, source)
            return
        if not self._walk(data, 0):
            if refused := _refused(data):
                raise ConfigurationError([Problem(source, refused)])
            message = (
                "holds no subscription, filter or destination of Segment; give the Public API's answer to "
                "GET /destinations/ID/subscriptions or /filters, or what `terraform show -json` prints"
            )
            raise ConfigurationError([Problem(source, message)])

    def _own(self, text: str, source: str) -> None:
        """A mappings file, such as an import before this one wrote."""
        try:
            self.files.append(parse_mappings(text, source))
        except ConfigurationError as error:
            if any(problem.path == "(file)" for problem in error.problems):
                message = "is neither JSON of Segment's or Terraform's nor a mappings file; see import --help"
                raise ConfigurationError([Problem(source, message)]) from None
            raise ConfigurationError(
                [replace(problem, path=f"{source}: {problem.path}") for problem in error.problems]
            ) from None

    def _walk(self, data: Any, depth: int) -> int:
        """How many things there were to take, those that were known already too."""
        if depth > _DEEPEST:
            return 0
        if isinstance(data, list):
            return sum(self._walk(item, depth + 1) for item in data)
        if not isinstance(data, dict):
            return 0
        if str(data.get("type")).startswith("segment_destination"):
            return sum(self._resource(str(data["type"]), attributes) for attributes in _attributes(data))
        if "trigger" in data and not data.keys().isdisjoint({"actionId", "actionSlug"}):
            return self._subscription(data)
        if "if" in data and "actions" in data:
            return self._filter(data)
        number = 0
        if isinstance(data.get("metadata"), dict) and "settings" in data:
            number = self._destination(data)
        pagination = data.get("pagination")
        if isinstance(pagination, dict) and "subscriptions" in data:
            total = pagination.get("totalEntries")
            self.total = max(self.total, total if isinstance(total, int) else 0)
        return number + sum(self._walk(data.get(key), depth + 1) for key in _ENVELOPES)

    def _resource(self, kind: str, attributes: dict[str, Any]) -> int:
        """One resource of Terraform's, with the Public API's names for its attributes."""
        named = {_TERRAFORM.get(key, key): value for key, value in attributes.items()}
        if kind == "segment_destination_subscription":
            return self._subscription(named)
        if kind == "segment_destination_filter":
            return self._filter(named)
        return self._destination(named) if kind == "segment_destination" else 0

    def _subscription(self, data: dict[str, Any]) -> int:
        found = Subscription(
            id=_text(data, "id"),
            name=_text(data, "name"),
            action_id=_text(data, "actionId"),
            action_slug=_text(data, "actionSlug"),
            destination_id=_text(data, "destinationId"),
            enabled=data.get("enabled") is not False,
            trigger=data.get("trigger"),
            settings=_unpacked(data.get("settings")),
            model_id=_text(data, "modelId"),
        )
        # The same page may be given twice, or a list and one of its members.
        if not found.id or all(each.id != found.id for each in self.subscriptions):
            self.subscriptions.append(found)
        return 1

    def _filter(self, data: dict[str, Any]) -> int:
        actions = data.get("actions")
        if isinstance(actions, list):
            actions = [_filter_action(action) for action in actions]
        found = FoundFilter(
            id=_text(data, "id"),
            destination_id=_text(data, "destinationId"),
            title=_text(data, "title"),
            enabled=data.get("enabled") is not False,
            spec={key: data.get(key) for key in ("if", "title")}
            | {"enabled": data.get("enabled") is not False, "actions": actions},
        )
        if not found.id or all(each.id != found.id for each in self.filters):
            self.filters.append(found)
        return 1

    def _destination(self, data: dict[str, Any]) -> int:
        settings = _unpacked(data.get("settings"))
        url = settings.get(WEBHOOK_SETTING) if isinstance(settings, dict) else None
        if isinstance(url, str) and url:
            self.secrets.add(url)
        self.destinations.append(Destination(_text(data, "id"), _text(data, "name"), data.get("enabled") is not False))
        return 1


def _refused(data: Any) -> str:
    """What is to be done about an error answer of the Public API: ``{"errors": [{"type": "unauthorized", ...}]}``."""
    errors = data.get("errors") if isinstance(data, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    kind = first.get("type") if isinstance(first, dict) else None
    if not isinstance(kind, str):
        return ""
    named = f" ({kind})" if _ERROR.fullmatch(kind) else ""
    remedy = (
        "use a Public API token of this workspace that is valid and may read its destinations"
        if kind in ("unauthorized", "forbidden")
        else "see what it says, put that right"
    )
    return f"is an error answer of Segment's Public API{named}; {remedy}, and fetch it again"


def _filter_action(action: Any) -> Any:
    """An action without the keys that its type does not use: the API fills those with 0 or {}, Terraform with null."""
    if not isinstance(action, dict):
        return action
    unpacked = action | {"fields": _unpacked(action.get("fields"))}
    used = ("percent", "path") if action.get("type") == "SAMPLE" else ("fields",)
    return {key: value for key, value in unpacked.items() if value or key in ("type", *used)}


def _attributes(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a resource in ``terraform show -json``, or of its instances in a state file."""
    if isinstance(resource.get("values"), dict):
        yield resource["values"]
    instances = resource.get("instances")
    for instance in instances if isinstance(instances, list) else ():
        if isinstance(instance, dict) and isinstance(instance.get("attributes"), dict):
            yield instance["attributes"]


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _unpacked(value: Any) -> Any:
    """Terraform keeps objects as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
