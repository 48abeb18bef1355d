"""When a service sent what it sent: by its own account of handing requests to a socket.

The stand-in counts a request when its event loop has read it. On a machine with fewer cores than processes that is up to
some tenths of a second after it was sent, and then several at once: what the service did is what it wrote, and when.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from consumer.webhook.exchange import Connection

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from consumer.webhook.client import Response


def environment(folder: Path, root: Path) -> dict[str, str]:
    """Of a service that is to write its times into this folder; ``root`` is the checkout."""
    start = f"from pathlib import Path\nfrom tests.crash.sends import note_sends\nnote_sends(Path({str(folder / 'sends')!r}))\n"
    # Python imports a module of this name before anything else.
    (folder / "sitecustomize.py").write_text(start)
    return {"PYTHONPATH": f"{folder}:{root}"}


def written(folder: Path) -> list[float]:
    """When requests were sent, by this machine's monotonic clock, which all its processes share."""
    path = folder / "sends"
    return [at for (at,) in struct.iter_unpack("d", path.read_bytes())] if path.exists() else []


def note_sends(path: Path) -> None:
    """From now on write each request's time to this file: a kill loses none."""
    begin = Connection.begin
    out = path.open("ab", buffering=0)

    def noted(self: Connection, data: bytes) -> asyncio.Future[Response]:
        out.write(struct.pack("d", time.monotonic()))
        return begin(self, data)

    Connection.begin = noted  # type: ignore[method-assign] # the point of it
