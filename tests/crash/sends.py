"""When a service started its requests, and when it handed them to a socket: by its own account.

The stand-in counts a request when its event loop has read it. On a machine with fewer cores than processes that is up to
some tenths of a second after it was sent, and then several at once. Between the two that are noted here lies what the
service itself may take: a connection that has to be made first, above all.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from consumer.delivery.rate import Rate
from consumer.webhook.exchange import Connection

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.webhook.client import Done


def environment(folder: Path, root: Path) -> dict[str, str]:
    """Of a service that is to write its times into this folder; ``root`` is the checkout."""
    start = f"from pathlib import Path\nfrom tests.crash.sends import note\nnote(Path({str(folder)!r}))\n"
    # Python imports a module of this name before anything else.
    (folder / "sitecustomize.py").write_text(start)
    return {"PYTHONPATH": f"{folder}:{root}"}


def noted(folder: Path, what: str) -> list[float]:
    """When requests were ``started`` or ``sent``, by this machine's monotonic clock, which all its processes share."""
    path = folder / what
    return [at for (at,) in struct.iter_unpack("d", path.read_bytes())] if path.exists() else []


def note(folder: Path) -> None:
    """From now on write each request's times to files in this folder: a kill loses none."""
    begin, start = Connection.begin, Rate.start
    sent, started = ((folder / name).open("ab", buffering=0) for name in ("sent", "started"))

    def noted_begin(self: Connection, data: bytes, done: Done) -> None:
        sent.write(struct.pack("d", time.monotonic()))
        begin(self, data, done)

    def noted_start(self: Rate, now: float) -> None:
        started.write(struct.pack("d", now))
        start(self, now)

    # Wrapped from outside, in the child process alone: the service is not to carry what only this measurement needs.
    Connection.begin = noted_begin  # type: ignore[method-assign] # as above
    Rate.start = noted_start  # type: ignore[method-assign] # as above
