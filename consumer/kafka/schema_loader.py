"""Loads schemas beside everything else, on a thread of its own, until it has them.

Theory of operation
    Whoever reads records asks `missing` for each schema that a record names, from any thread and without waiting. What
    is missing is put on the list; the thread asks the registry for all that is on it, again and again with growing
    pauses, until the registry has answered: with the schema, or with its word that there is none. So a registry that is
    away costs only the partitions whose next record needs it; and one schema that it cannot give does not hold up
    another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

from consumer.errors import RegistryUnavailableError

if TYPE_CHECKING:
    from consumer.kafka.decode.schemas import Schema, SchemaId
    from consumer.kafka.registry import SchemaRegistry

_PAUSE_SECONDS: Final = 0.5
_MAX_PAUSE_SECONDS: Final = 15.0


class SchemaLoader:
    """A `SchemaSource` that fills itself. Every method may be called from any thread and returns at once.

    Args:
        registry: asked on the loader's thread only, but for what it has in memory.

    Attributes:
        problem: why there are schemas that it could not load yet; "" where there are none.
        loads: how requests ended: loaded, unknown, failed.
    """

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._wanted: SimpleQueue[SchemaId | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="schemas", daemon=True)
        self._asked: set[SchemaId] = set()
        self._pending: list[SchemaId] = []
        self.problem = ""
        self.loads: Counter[str] = Counter(loaded=0, unknown=0, failed=0)

    def start(self) -> None:
        """Begin to load what is missing."""
        self._thread.start()

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """As `SchemaRegistry.schema`."""
        return self._registry.schema(schema_id)

    def missing(self, schema_id: SchemaId) -> bool:
        """Whether a schema is not here yet; it is being asked for from now on."""
        if not self._registry.missing(schema_id):
            return False
        if schema_id not in self._asked:
            self._asked.add(schema_id)
            self._wanted.put(schema_id)
        return True

    def close(self) -> None:
        """End, after what has been asked for; a request under way is not waited for."""
        self._wanted.put(None)

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end after `close`; whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            pause = _PAUSE_SECONDS
            while True:
                try:
                    wanted = self._wanted.get(timeout=pause if self._pending else None)
                except Empty:
                    pause = min(2 * pause, _MAX_PAUSE_SECONDS)
                else:
                    if wanted is None:
                        break
                    self._pending.append(wanted)
                    pause = _PAUSE_SECONDS
                runner.run(self._load())
            runner.run(self._registry.aclose())

    async def _load(self) -> None:
        """Ask for everything that is pending, once."""
        failed, problem = [], ""
        for schema_id in self._pending:
            try:
                await self._registry.load(schema_id)
            except Exception as error:  # noqa: BLE001 - were the thread to end, its partitions would wait for ever
                failed.append(schema_id)
                unexpected = f"unexpected {type(error).__name__}; please report it"
                problem = str(error) if isinstance(error, RegistryUnavailableError) else unexpected
                self.loads["failed"] += 1
            else:
                self._asked.discard(schema_id)
                self.loads["unknown" if self._registry.schema(schema_id) is None else "loaded"] += 1
        self._pending, self.problem = failed, problem
