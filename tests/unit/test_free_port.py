"""Ports that tests and benchmarks hand out."""

import random

from tests.kafka.node import free_port


def test_two_that_ask_at_once_are_given_two_ports(monkeypatch):
    draws = iter(port for port in range(20_001, 20_100) for _ in range(2))
    monkeypatch.setattr(random, "randint", lambda *_: next(draws))
    assert len({free_port(), free_port()}) == 2
