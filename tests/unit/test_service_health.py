"""What the driver remembers of the Kafka side, and when it forgets it."""

from __future__ import annotations

from random import Random

import pytest

from consumer.app import SystemClock
from consumer.delivery.messages import Assigned, Partition, Pause, Position, Stop
from consumer.delivery.settings import DeliverySettings
from consumer.kafka.events import (
    BrokersAnswer,
    Messages,
    OutOfRange,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsReleased,
    SourceError,
)
from consumer.service import Service

ZERO, ONE = Partition("events", 0), Partition("events", 1)


@pytest.fixture
def service() -> Service:
    return Service(DeliverySettings(), planner=None, random=Random(1), clock=SystemClock())


def test_what_nobody_expected_is_told_once_and_never_only_to_the_event_loop():
    """It would vanish there, and the deliveries that were to be made with it: ready, and never done."""
    told: list[Exception] = []
    service = Service(DeliverySettings(), planner=None, random=Random(1), clock=SystemClock(), on_fault=told.append)
    service._source_event(Messages([], 0))  # there is no planner
    service._do[Pause] = lambda _: 1 / 0
    service.turn(Assigned({ZERO: Position(0)}, {ZERO.topic: 1}))
    service.turn(Stop())
    assert [type(error) for error in told] == [AttributeError]


@pytest.mark.parametrize("gone", [PartitionsReleased([ZERO], committed=True), PartitionsLost([ZERO])])
def test_a_partition_that_is_gone_is_out_of_range_for_its_next_owner(service, gone):
    service._source_event(OutOfRange({ZERO: 7}))
    service._source_event(OutOfRange({ONE: 9}))
    service._source_event(gone)
    assert service.health.out_of_range == {ONE: 9}


@pytest.mark.parametrize(("lost", "left"), [(True, ""), (False, "text")])
def test_brokers_that_answer_end_what_was_of_the_connection(service, lost, left):
    service._source_event(SourceError("CODE", "text", lost=lost))
    service._source_event(BrokersAnswer())
    assert service.health.source_error == left


def test_one_lost_connection_of_several_keeps_nobody_from_work(service):
    """A broker of three that is down for an hour is told of again and again."""
    service._source_event(SourceError("_TRANSPORT", "broker 2: connection refused", lost=True))
    assert service.health.source_error == ""
    service._source_event(SourceError("_ALL_BROKERS_DOWN", "3/3 brokers are down", lost=True))
    service._source_event(SourceError("_TRANSPORT", "broker 2: connection refused", lost=True))
    assert service.health.source_error == "3/3 brokers are down"


def test_partitions_that_could_be_started_end_their_waiting(service):
    """Of a topic without traffic nothing else would say so."""
    service._source_event(SourceError("UNAVAILABLE", "partitions wait to be read"))
    service._source_event(PartitionsAssigned({}, {}, 1))
    assert service.health.source_error == ""


def test_one_lost_connection_is_no_reason_not_to_be_ready(service):
    service._source_event(SourceError("_TRANSPORT", "text", lost=True))
    assert service.health.source_error == ""
