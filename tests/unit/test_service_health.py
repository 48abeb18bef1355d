"""What the driver remembers of the Kafka side, and when it forgets it."""

from __future__ import annotations

from random import Random

import pytest

from consumer.app import SystemClock
from consumer.delivery.messages import Partition
from consumer.delivery.settings import DeliverySettings
from consumer.kafka.events import OutOfRange, PartitionsLost, PartitionsReleased
from consumer.service import Service

ZERO, ONE = Partition("events", 0), Partition("events", 1)


@pytest.mark.parametrize("gone", [PartitionsReleased([ZERO], committed=True), PartitionsLost([ZERO])])
def test_a_partition_that_is_gone_is_out_of_range_for_its_next_owner(gone):
    service = Service(DeliverySettings(), planner=None, random=Random(1), clock=SystemClock())
    service._source_event(OutOfRange({ZERO: 7}))
    service._source_event(OutOfRange({ONE: 9}))
    service._source_event(gone)
    assert service.health.out_of_range == {ONE: 9}
