"""Turns what was found in Segment's or Terraform's files into a mappings file, and says what became of each thing.

What Segment would never send is left out (other destinations' actions, reverse ETL, triggers that cannot fire, mappings
that its engine refuses); what is switched off is kept, switched off; what does not do what it reads is kept and marked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from consumer.chartmogul.compiled import MappingSpec
from consumer.chartmogul.fields import PASSED_THROUGH
from consumer.config.mappings import MAXIMUM_NAME, MappingsFile, parse_mappings
from consumer.config.mappings_quirks import INTERNAL, action_fields, has_fields, type_literal
from consumer.config.mappings_writer import spec_quirks, write_mappings
from consumer.errors import ConfigurationError, Problem
from consumer.outcomes import Action
from consumer.segment.filters import parse_filter
from consumer.segment.mapping import ROOT_DIRECTIVE, compile_mapping, path_keys
from consumer.segment.trigger import TriggerSyntaxError, compile_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.config.importing import Found, Subscription
    from consumer.segment.filters import Filter

ACTION_IDS: Final = {
    "qDDKp6oediY5BijhRXgRz3": Action.SEND_CONTACT,
    "8MMnsdW6Yk7NFypub6YgB7": Action.SEND_CUSTOMER,
}
"""Segment's catalogue ids; Terraform keeps these alone."""


class Kind(StrEnum):
    """What a line of the report is about."""

    TAKEN = "taken"
    OFF = "off"
    QUIRK = "quirk"
    CHANGED = "changed"
    LEFT_OUT = "left out"
    NOTE = "note"


class Line(Struct, frozen=True):
    """One line of the report."""

    kind: Kind
    name: str
    message: str

    def __str__(self) -> str:
        """``kind  name: message``."""
        return f"{self.kind.value:<8}  {self.name}: {self.message}"


def build(found: Found, destination_id: str = "") -> tuple[str, tuple[Line, ...]]:
    """The text of the mappings file and the report.

    Args:
        found: what the files hold.
        destination_id: which destination's, where there are several.

    Raises:
        ConfigurationError: nothing can be taken, or not without a person's decision.
    """
    builder = _Builder(found)
    chosen = builder.choose(destination_id)
    specs = builder.specs(chosen)
    filters = builder.filters(chosen)
    consent = frozenset(category for file in found.files for category in file.consent_categories)
    builder.notes(chosen)
    if not specs:
        lines = [Problem("(import)", "nothing that could send: give the subscriptions of a ChartMogul destination")]
        raise ConfigurationError([*lines, *(Problem(line.name, line.message) for line in builder.lines)])
    file = MappingsFile(specs, filters, consent)
    text = write_mappings(file)
    if any(secret in text for secret in found.secrets):
        message = "a mapping or filter holds the webhook's URL as text; remove it in Segment, for the URL is a secret"
        raise ConfigurationError([Problem("(import)", message)])
    read = parse_mappings(text)
    assert (read.specs, read.filters, read.consent_categories) == (specs, filters, consent)
    return text, tuple(builder.lines)


class _Builder:
    """Collects the report on the way."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self.lines: list[Line] = []
        self._names: set[str] = set()

    def choose(self, wanted: str) -> str:
        """The destination whose mappings are taken; "" where it does not matter."""
        counts: dict[str, int] = {}
        for each in self._found.subscriptions:
            if _action(each) and each.destination_id:
                counts[each.destination_id] = counts.get(each.destination_id, 0) + 1
        if wanted and wanted not in counts:
            known = ", ".join(counts) or "none"
            raise ConfigurationError([Problem("--destination", f"is not among those found ({known})")])
        if not wanted and len(counts) > 1:
            listed = ", ".join(f"{each} ({number} mappings)" for each, number in counts.items())
            message = f"choose one, for each ChartMogul source is a release of its own: {listed}"
            raise ConfigurationError([Problem("--destination", message)])
        return wanted or next(iter(counts), "")

    def specs(self, chosen: str) -> tuple[MappingSpec, ...]:
        specs = [self._taken(spec) for file in self._found.files for spec in file.specs]
        specs += [spec for each in self._found.subscriptions if (spec := self._subscription(each, chosen)) is not None]
        return tuple(specs)

    def _subscription(self, each: Subscription, chosen: str) -> MappingSpec | None:
        name = _name(each.name)
        action = _action(each)
        why = _inert(each, action, chosen)
        if why or action is None:
            self._leave_out(name, why)
            return None
        mapping = self._without_inert(name, action, each.settings)
        if has_fields(mapping) and "type" not in mapping:
            mapping = {"type": type_literal(action), **mapping}
        return self._taken(MappingSpec(name or type_literal(action), action, each.trigger, mapping, each.enabled))

    def _without_inert(self, name: str, action: Action, settings: dict[str, Any]) -> dict[str, Any]:
        """The mapping without keys of which nothing can ever be sent or seen."""
        if not has_fields(settings):
            return settings
        known = {field.name for field in action_fields(action)} | {PASSED_THROUGH, ROOT_DIRECTIVE}
        kept = {}
        for key, node in settings.items():
            plain = not isinstance(node, dict | list) or bool(path_keys(node))
            if key.startswith(INTERNAL) or (key not in known and plain):
                if not key.startswith(INTERNAL):
                    line = Line(Kind.CHANGED, name, f"without {_name(key)}, which {action.value} does not have")
                    self.lines.append(line)
                continue
            kept[key] = node
        return kept

    def _taken(self, spec: MappingSpec) -> MappingSpec:
        """The mapping with a name of its own and its quirks allowed, reported."""
        name, number = spec.name, 1
        while name in self._names:
            number += 1
            suffix = f" ({number})"
            name = spec.name[: MAXIMUM_NAME - len(suffix)] + suffix
        self._names.add(name)
        if name != spec.name:
            self.lines.append(Line(Kind.CHANGED, spec.name, f'is called "{name}" here: names must differ'))
        found = spec_quirks(spec)
        fields = ", ".join(key for key in spec.mapping if key != "type")
        if spec.enabled:
            self.lines.append(Line(Kind.TAKEN, name, f"{spec.trigger} → {spec.action.value} with {fields}"))
        else:
            self.lines.append(Line(Kind.OFF, name, "is disabled in Segment, and here: enabled: false"))
        self.lines += [
            Line(Kind.QUIRK, name, f"{quirk.path}: {quirk.message}; kept, with allow_hosted_quirks: true")
            for quirk in found
        ]
        return MappingSpec(
            name, spec.action, spec.trigger, spec.mapping, spec.enabled, spec.allow_hosted_quirks or bool(found)
        )

    def filters(self, chosen: str) -> tuple[Filter, ...]:
        filters = [each for file in self._found.files for each in file.filters]
        problems: list[Problem] = []
        for index, each in enumerate(self._found.filters):
            title = _name(each.title) or f"filter {index + 1}"
            if chosen and each.destination_id and each.destination_id != chosen:
                self._leave_out(title, "filters another destination")
                continue
            try:
                filters.append(parse_filter(each.spec, f"filter {title!r}"))
            except ConfigurationError as error:
                if each.enabled:
                    # Not left out: Segment sends nothing that a broken filter was to keep back.
                    problems += error.problems
                else:
                    self._leave_out(title, "is disabled, and cannot be read")
                continue
            kind = Kind.TAKEN if each.enabled else Kind.OFF
            self.lines.append(Line(kind, title, "destination filter"))
        if problems:
            raise ConfigurationError(problems)
        return tuple(filters)

    def notes(self, chosen: str) -> None:
        """What a person should know beyond the mappings."""
        for each in self._found.destinations:
            if each.id == chosen and not each.enabled:
                name = _name(each.name) or each.id
                self.lines.append(Line(Kind.NOTE, name, "the destination is disabled in Segment; this file is not"))
        missing = self._found.total - len(self._found.subscriptions)
        if missing > 0:
            message = f"Segment has {missing} more; fetch its other pages and give all files at once"
            self.lines.append(Line(Kind.NOTE, "subscriptions", message))
        if self._found.secrets:
            message = "the webhook's URL is not written; put it into a file and set destination.webhook_url_file"
            self.lines.append(Line(Kind.NOTE, "destination", message))

    def _leave_out(self, name: str, message: str) -> None:
        self.lines.append(Line(Kind.LEFT_OUT, name or "(no name)", message))


def _inert(each: Subscription, action: Action | None, chosen: str) -> str:
    """Why a subscription can never send anything to this destination; "" where it can."""
    if action is None:
        return f"is another destination's action ({_name(each.action_slug or each.action_id) or 'without a name'})"
    if chosen and each.destination_id and each.destination_id != chosen:
        return "belongs to another ChartMogul destination"
    if each.model_id:
        return "is reverse ETL: it sends rows of a warehouse, and no event fires it"
    if not isinstance(each.settings, dict):
        return "has no settings; Segment sends nothing of it"
    if not each.trigger or not isinstance(each.trigger, str):
        return "has an empty trigger: it never fires"
    try:
        compile_trigger(each.trigger)
    except TriggerSyntaxError as error:
        return f"never fires, for Segment cannot read its trigger: {error}"
    try:
        compile_mapping(each.settings)
    except ConfigurationError as error:
        problems = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
        return f"is refused by Segment's engine for every event: {problems}"
    return ""


def _action(each: Subscription) -> Action | None:
    if each.action_id in ACTION_IDS:
        return ACTION_IDS[each.action_id]
    return next((action for action in Action if action.value == each.action_slug), None)


def _name(text: str) -> str:
    """A name as a mappings file takes it: one line, printable, not too long."""
    return _printable(text).strip()[:MAXIMUM_NAME].strip()


def _printable(characters: Iterable[str]) -> str:
    return "".join(each if each.isprintable() else " " for each in characters)
