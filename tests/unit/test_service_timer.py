"""What the driver tells the machine of time: that some has passed, and by when requests have left."""

from __future__ import annotations

import asyncio
import socket
from random import Random

import pytest
import uvloop

from consumer.app import SystemClock
from consumer.delivery.messages import Send, Stop, Tick, Timer
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


@pytest.mark.parametrize("by_timer", [True, False])
@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_machine_hears_that_requests_have_left_when_they_have(new_event_loop, by_timer):
    """Uvloop writes when all calls of its turn are done, before the next turn's."""
    service = Service(DeliverySettings(), planner=None, random=Random(1), clock=SystemClock())
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    arrived: list[bytes] = []

    async def run() -> None:
        service._loop = asyncio.get_running_loop()
        transport, _ = await service._loop.create_connection(asyncio.Protocol, sock=ours)
        done = service._loop.create_future()

        class Posts:
            def send(self, send):
                transport.write(send.bodies[0])

        def written(now):
            arrived.append(theirs.recv(100))
            done.set_result(None)

        service._sender = Posts()
        service._machine.handle = lambda event, now: [Send(1, [b"one"], 1), Send(2, [b"two"], 1)]
        service._machine.written = written
        if by_timer:
            service._loop.call_later(0.001, service.turn, Tick())
        else:
            service._loop.call_soon(service.turn, Tick())
        await done
        transport.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())
    theirs.close()
    assert arrived == [b"onetwo"]
