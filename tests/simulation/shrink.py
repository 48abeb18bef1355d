"""Makes a failing plan smaller while it still fails by the same rule: what is left is what it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.simulation.history import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.plan import Plan, RecordPlan


def shrink(plan: Plan, attempts: int = 400) -> Plan:
    """The smallest plan found in so many attempts; the plan itself where it does not fail."""
    found = simulate(plan).violation
    if found is None:
        return plan

    def fails(candidate: Plan) -> bool:
        violation = simulate(candidate).violation
        return violation is not None and violation.rule == found.rule

    smaller, left = True, attempts
    while smaller and left > 0:
        smaller = False
        for candidate in _smaller(plan):
            left -= 1
            if fails(candidate):
                plan, smaller = candidate, True
                break
            if left <= 0:
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Simpler plans, those that take most away first."""
    for faults in _without_parts(plan.faults):
        yield replace(plan, faults=tuple(faults))
    for records in _without_parts(plan.records):
        yield replace(plan, records=tuple(records))
    if plan.max_events > 1:
        yield replace(plan, max_events=1, linger_seconds=0.0)
    if plan.replicas > 1:
        yield replace(plan, replicas=plan.replicas - 1)
    if plan.partitions > 1:
        yield replace(plan, partitions=plan.partitions // 2)
    if plan.rate is not None:
        yield replace(plan, rate=None)
    yield from _each(plan, lambda record: len(record.deliveries) > 1, lambda r: r._replace(deliveries=r.deliveries[:1]))
    yield from _each(plan, lambda record: bool(record.gap), lambda record: record._replace(gap=0))
    yield from _each(plan, lambda record: record.at > 0.0, lambda record: record._replace(at=0.0))
    lanes = sorted({lane for record in plan.records for _, lane in record.deliveries if lane})
    if len(lanes) > 1:
        half = dict.fromkeys(lanes[len(lanes) // 2 :], lanes[0])
        yield replace(
            plan,
            records=tuple(
                record._replace(deliveries=tuple((kind, half.get(lane, lane)) for kind, lane in record.deliveries))
                for record in plan.records
            ),
        )


def _without_parts(items: tuple[Any, ...]) -> Iterator[list[Any]]:
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield [*items[:start], *items[start + size :]]
        size //= 2


def _each(plan: Plan, which: Callable[[RecordPlan], bool], how: Callable[[RecordPlan], RecordPlan]) -> Iterator[Plan]:
    """All records that can be simpler made so."""
    if any(which(record) for record in plan.records):
        yield replace(plan, records=tuple(how(record) if which(record) else record for record in plan.records))
