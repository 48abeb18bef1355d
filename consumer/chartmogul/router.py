"""From an event to its deliveries: the hosted order of things, for all mappings at once.

unsupported type → consent → integrations object → destination filters → triggers → mapping → validation → checks → body

An event that passes the first four and that no trigger wants is one skipped delivery; else it has as many deliveries as
mappings want it, in the order of the mappings. Mappings are indexed by the event types that their triggers can match,
so that most of a topic (page, track) costs a few look-ups.

Source: Segment's documentation of destination filters and of actions (order), `consumer.chartmogul.compiled` (the
rest).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS, CompiledMapping, MappingSpec
from consumer.chartmogul.unguarded import PRESENT
from consumer.errors import ConfigurationError, Problem, TriggerError
from consumer.outcomes import Planned, Reject, RejectReason, Skip, SkipReason
from consumer.reads import Reads
from consumer.segment.filters import compile_filters
from consumer.segment.integrations import NAMES, consent_given, enabled
from consumer.segment.read_paths import tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from consumer.outcomes import DecodeReason
    from consumer.segment.filters import Filter
    from consumer.segment.read_paths import Path

__all__ = ["DEFAULT_MAPPINGS", "SUPPORTED_TYPES", "CompiledMapping", "MappingSpec", "Router"]

SUPPORTED_TYPES: Final = ("identify", "group", "track", "page", "alias")
"""What the hosted destination takes; screen and delete are not among them."""

_OTHER_TYPES: Final = ("screen", "delete")
"""Types that Segment knows and the destination does not take; any other text is counted as "other"."""


_Index = tuple[tuple[Callable[[dict[str, Any]], bool] | None, CompiledMapping], ...]
"""Mappings, each with what is left of its trigger for events of one type; None where it wants them all."""


class Router:
    """Decides the deliveries of events. Building it raises `ConfigurationError` with every mistake in the mappings.

    Args:
        mappings: in the order in which deliveries are planned.
        filters: destination filters, in the order in which they apply.
        require_company_id: True refuses contacts whose company has no id, as the hosted destination does.
        consent_categories: the consent categories this destination needs; empty asks for none.
        skip_reasons: refusals that end as skipped instead of dead-lettered.
    """

    def __init__(
        self,
        mappings: Sequence[MappingSpec] = DEFAULT_MAPPINGS,
        *,
        filters: Sequence[Filter] = (),
        require_company_id: bool = False,
        consent_categories: AbstractSet[str] = frozenset(),
        skip_reasons: AbstractSet[RejectReason] = frozenset(),
    ) -> None:
        self.mappings = _compile(mappings, require_company_id=require_company_id)
        self._filter = compile_filters(filters) if filters else None
        self._categories = frozenset(consent_categories)
        self._skipped: dict[RejectReason | DecodeReason, SkipReason] = {
            reason: SkipReason(reason.value) for reason in skip_reasons
        }
        enabled_ones = tuple(each for each in self.mappings if each.spec.enabled)
        self._any_type: _Index = tuple((each.trigger.matches, each) for each in enabled_ones)
        self._by_type: dict[str, _Index] = {
            name: tuple(
                (each.trigger.test_for(name), each)
                for each in enabled_ones
                if each.event_types is None or name in each.event_types
            )
            for name in SUPPORTED_TYPES
        }

    @property
    def reads(self) -> Reads | None:
        """What `route` looks at; None where that may be all of every event, because destination filters may."""
        if self._filter is not None:
            return None
        common: list[Path] = [("type",), *(("integrations", name) for name in ("All", *NAMES))]
        if self._categories:
            common += [("integrations",), ("context", "consent")]
        others = tree_of(common)
        assert others is not None
        paths = [path for each in self.mappings if each.spec.enabled for path in each.reads] + common
        types = frozenset(name for name, mappings in self._by_type.items() if mappings)
        return Reads(types, tree_of(paths, present=PRESENT), others)

    def route(self, event: dict[str, Any]) -> tuple[Planned, ...]:
        """The deliveries of one event, at least one; the event is not changed, and no event makes this raise."""
        event_type = event.get("type")
        if type(event_type) is not str or (mappings := self._by_type.get(event_type)) is None:
            return _skip(SkipReason.UNSUPPORTED_EVENT_TYPE, event_type)
        if self._categories and not consent_given(event, self._categories):
            return _skip(SkipReason.FILTERED_BY_END_USER_CONSENT, event_type)
        integrations = event.get("integrations")
        if integrations and not enabled(integrations):
            return _skip(SkipReason.FILTERED_BY_INTEGRATIONS_OBJECT, event_type)
        if self._filter is not None:
            filtered = self._filter(event)
            if filtered is None:
                return _skip(SkipReason.FILTERED_BY_RULES, event_type)
            if filtered.get("type") != event_type:
                # A filter has dropped the type: the index does not hold any more.
                mappings = self._any_type
            event = filtered
        if not mappings:
            return _NO_MATCH[event_type]
        planned: list[Planned] = []
        for wants, mapping in mappings:
            try:
                if wants is None or wants(event):
                    planned.append(mapping.make(event, event_type))
            except TriggerError as error:
                planned.append(mapping.refused(error, event_type))
        if not planned:
            return _NO_MATCH[event_type]
        if self._skipped:
            planned = [self._skip_if_asked(each, event_type) for each in planned]
        return tuple(planned)

    def _skip_if_asked(self, planned: Planned, event_type: str) -> Planned:
        if isinstance(planned, Reject) and planned.reason in self._skipped:
            return Skip(self._skipped[planned.reason], planned.mapping, event_type)
        return planned


def _compile(mappings: Sequence[MappingSpec], *, require_company_id: bool) -> tuple[CompiledMapping, ...]:
    compiled: list[CompiledMapping] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, spec in enumerate(mappings):
        where = f"mappings[{index}]"
        if not spec.name or spec.name in seen:
            problems.append(Problem(f"{where}.name", "every mapping needs a name of its own; give it one"))
        seen.add(spec.name)
        try:
            compiled.append(CompiledMapping(spec, require_company_id=require_company_id))
        except ConfigurationError as error:
            problems += [Problem(f"{where}.{each.path}", each.message, each.line) for each in error.problems]
    if problems:
        raise ConfigurationError(problems)
    return tuple(compiled)


def _skip(reason: SkipReason, event_type: object) -> tuple[Planned, ...]:
    if type(event_type) is not str:
        event_type = ""
    elif event_type not in SUPPORTED_TYPES and event_type not in _OTHER_TYPES:
        event_type = "other"  # a metric label: not whatever an event says
    return (Skip(reason, event_type=event_type),)


_NO_MATCH: Final[dict[str, tuple[Planned, ...]]] = {
    name: (Skip(SkipReason.NO_MATCHING_MAPPING, event_type=name),) for name in SUPPORTED_TYPES
}
