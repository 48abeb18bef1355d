"""Records and deliveries as the simulation knows them: with what has become of each, by all processes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.delivery.messages import Record
from consumer.outcomes import Action, DecodeReason, FieldError, Post, Reject, RejectReason, Skip, SkipReason, Stage
from tests.simulation.plan import Kind

if TYPE_CHECKING:
    from consumer.delivery.messages import Partition
    from consumer.outcomes import Planned
    from tests.simulation.plan import RecordPlan


class Lane:
    """The deliveries of a lane in their order; all before ``first_open`` have ended, or need no end any more."""

    __slots__ = ("deliveries", "first_open")

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.first_open = 0

    def advance(self) -> int:
        """The place of the first that has not ended."""
        at, deliveries = self.first_open, self.deliveries
        while at < len(deliveries) and (deliveries[at].ended or deliveries[at].entry.gone):
            at += 1
        self.first_open = at
        return at


class Delivery:
    """One delivery.

    Attributes:
        ended: it has a durable end that some process was told of: a 2xx, or an acknowledged dead letter; a skip has
            ended before it begins.
        accepted: how often the webhook has taken it.
        first_sent: when it was first posted, by anybody.
    """

    __slots__ = ("accepted", "ended", "entry", "first_sent", "kind", "lane", "number", "place")

    def __init__(self, entry: Entry, number: int, kind: Kind) -> None:
        self.entry = entry
        self.number = number
        self.kind = kind
        self.ended = kind is Kind.SKIP
        self.accepted = 0
        self.first_sent = -1.0
        self.lane: Lane | None = None
        self.place = 0


class Entry:
    """One record in its partition's log.

    Attributes:
        gone: it needs no end any more: compaction or retention removed it, or an operator skipped it.
        unended: deliveries without a durable end.
        first_sent: when any of its deliveries was first posted, -1 before.
        record: what the machine is given.
    """

    __slots__ = ("deliveries", "first_sent", "gone", "offset", "partition", "record", "unended")

    def __init__(self, partition: Partition, offset: int) -> None:
        self.partition = partition
        self.offset = offset
        self.gone = False
        self.first_sent = -1.0
        self.deliveries: list[Delivery] = []
        self.unended = 0
        self.record: Record

    def __repr__(self) -> str:
        return f"{self.partition.number}/{self.offset}"


def entry(
    plan: RecordPlan, partition: Partition, offset: int, deliveries: list[Delivery], lanes: dict[tuple[int, str], Lane]
) -> Entry:
    """Make a record; its deliveries join ``deliveries`` (their bodies are their places there) and their lanes."""
    new = Entry(partition, offset)
    planned: list[Planned] = []
    for i, (kind, lane_name) in enumerate(plan.deliveries):
        delivery = Delivery(new, len(deliveries), kind)
        deliveries.append(delivery)
        new.deliveries.append(delivery)
        new.unended += not delivery.ended
        planned.append(_planned(kind, f"mapping {i}", lane_name, delivery.number, plan.message))
        if lane_name:
            lane = lanes.setdefault((partition.number, lane_name), Lane())
            delivery.lane, delivery.place = lane, len(lane.deliveries)
            lane.deliveries.append(delivery)
    new.record = Record(partition, offset, plan.size, tuple(planned), new, 0)
    return new


def _planned(kind: Kind, mapping: str, lane: str, number: int, message: int) -> Planned:
    if kind is Kind.SKIP:
        return Skip(SkipReason.FILTERED_BY_RULES, mapping, "identify")
    if kind is Kind.REJECT:
        error = FieldError("email", "a number")
        return Reject(RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, mapping, "identify", (error,))
    if kind is Kind.UNDECODABLE:
        return Reject(DecodeReason.INVALID_JSON, Stage.DECODE, mapping, "identify")
    return Post(mapping, Action.SEND_CONTACT, lane, b"%d" % number, "" if message < 0 else str(message), "identify")
