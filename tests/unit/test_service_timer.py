"""When the driver calls the machine because time has passed."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
import uvloop

from consumer.app import SystemClock
from consumer.delivery.messages import Stop, Tick, Timer
from consumer.delivery.settings import DeliverySettings
from consumer.service import Service

WAITS = (0.0002, 0.0004, 0.0006, 0.0014, 0.0026, 0.0104)


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_timer_does_not_come_before_its_time_only_to_be_set_again(new_event_loop):
    """Uvloop rounds to the nearest millisecond: at a rate of thousands a second it would call without a pause."""
    clock = SystemClock()
    service = Service(DeliverySettings(), planner=None, random=Random(1), clock=clock)
    calls: list[type] = []

    async def run() -> None:
        service._loop = asyncio.get_running_loop()
        done = service._loop.create_future()
        waits = list(WAITS)
        at = 0.0

        def handle(event, now):
            nonlocal at
            calls.append(type(event))
            if now >= at:
                if not waits:
                    done.set_result(None)
                    return []
                at = now + waits.pop(0)
            return [Timer(at)]

        service._machine.handle = handle
        service.turn(Stop())
        await done

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())
    # Libuv's own clock stands still within a turn, so that one or the other comes a moment early.
    assert set(calls[1:]) == {Tick}
    assert len(WAITS) <= len(calls) - 1 <= 3 * len(WAITS)
