"""The client of ``delivery.mode: shadow``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.webhook.client import NO_HEADERS, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.webhook.client import Done


class ShadowClient:
    """Delivers nowhere and says that it did: everything but the POST, to run beside Segment and compare."""

    async def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:  # noqa: ARG002 - the interface's
        """Answer 200 without sending."""
        return Response(200, {}, b"")

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Done) -> bool:  # noqa: ARG002 - the interface's
        """Never."""
        return False

    async def set_url(self, url: str) -> None:
        """There is none to set."""

    async def aclose(self) -> None:
        """There is nothing to close."""
