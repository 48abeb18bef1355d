"""The loader's thread: what is missing is asked for until there is an answer, and nobody waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from consumer.errors import RegistryUnavailableError
from consumer.kafka import schema_loader
from consumer.kafka.decode.schemas import Schema, SchemaKind
from consumer.kafka.schema_loader import SchemaLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.kafka.decode.schemas import SchemaId

KNOWN = Schema(SchemaKind.JSON)


class Registry:
    """Answers what it has; fails as often as it is told to; None is its word that there is no such schema."""

    def __init__(self) -> None:
        self.has: dict[SchemaId, Schema | None] = {}
        self.failures: dict[SchemaId, int] = {}
        self.loaded: dict[SchemaId, Schema | None] = {}
        self.asked: list[SchemaId] = []
        self.answered = threading.Condition()

    def missing(self, schema_id: SchemaId) -> bool:
        return schema_id not in self.loaded

    def schema(self, schema_id: SchemaId) -> Schema | None:
        return self.loaded[schema_id]

    async def load(self, schema_id: SchemaId) -> None:
        with self.answered:
            self.asked.append(schema_id)
            left = self.failures.get(schema_id, 0)
            if left:
                self.failures[schema_id] = left - 1
                raise RegistryUnavailableError("no schema registry answered")
            self.loaded[schema_id] = self.has.get(schema_id)
            self.answered.notify_all()

    async def aclose(self) -> None:
        return

    def wait_for(self, schema_id: SchemaId) -> None:
        with self.answered:
            assert self.answered.wait_for(lambda: schema_id in self.loaded, timeout=10)


@pytest.fixture
def registry(monkeypatch) -> Registry:
    monkeypatch.setattr(schema_loader, "_PAUSE_SECONDS", 0.001)
    return Registry()


@pytest.fixture
def loader(registry) -> Iterator[SchemaLoader]:
    loader = SchemaLoader(registry)
    loader.start()
    yield loader
    loader.close()
    loader._thread.join(10)
    assert not loader._thread.is_alive()


def test_what_is_missing_is_loaded_once_however_often_it_is_asked_for(loader, registry):
    registry.has[7] = KNOWN
    missing = [loader.missing(7) for _ in range(3)]
    registry.wait_for(7)
    assert missing[0] is True
    assert (loader.missing(7), loader.schema(7)) == (False, KNOWN)
    assert registry.asked == [7]


def test_a_failure_is_tried_again_and_holds_up_no_other(loader, registry):
    registry.has = {7: KNOWN}
    registry.failures = {7: 10**9}
    loader.missing(7)
    loader.missing(8)
    registry.wait_for(8)
    assert loader.missing(7)
    assert not loader.missing(8)
    with registry.answered:
        registry.failures = {}
    registry.wait_for(7)


def test_a_fault_of_ours_ends_neither_the_thread_nor_the_waiting_unsaid(loader, registry, monkeypatch):
    async def broken(_schema_id: SchemaId) -> None:
        with registry.answered:
            registry.asked.append(_schema_id)
            registry.answered.notify_all()
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "load", broken)
        loader.missing(7)
        with registry.answered:
            assert registry.answered.wait_for(lambda: len(registry.asked) > 1, timeout=10)
        assert loader.problem == "unexpected ZeroDivisionError; please report it"
    registry.wait_for(7)


def test_results_are_counted_and_the_problem_is_over_with_them(loader, registry):
    registry.has, registry.failures = {7: KNOWN}, {7: 2}
    loader.missing(7)
    registry.wait_for(7)
    loader.missing(8)
    registry.wait_for(8)
    loader.close()
    loader._thread.join(10)
    assert loader.loads == {"loaded": 1, "unknown": 1, "failed": 2}
    assert loader.problem == ""


def test_the_problem_is_there_while_it_lasts(registry):
    registry.failures = {7: 10**9}
    loader = SchemaLoader(registry)
    loader._pending = [7, 8]
    import asyncio

    asyncio.run(loader._load())
    assert (loader.problem, loader._pending) == ("no schema registry answered", [7])
