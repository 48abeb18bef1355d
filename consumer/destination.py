"""The webhook as the settings describe it: its client, what a request holds, and the file that may hold another URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol

from consumer.config.model import BatchFormat, ClientKind, Mode
from consumer.config.webhook_url import read_webhook_url
from consumer.errors import ConfigurationError
from consumer.ops.log import EventLogger, redactor
from consumer.planning import MAX_ID_CHARS
from consumer.sender import Sender, encode_array, encode_ndjson, encode_single, no_statuses, statuses_at
from consumer.webhook.client import open_client
from consumer.webhook.shadow import ShadowClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.config.model import Settings
    from consumer.delivery.messages import Answer
    from consumer.sender import Clock
    from consumer.tracing import Tracing
    from consumer.webhook.client import WebhookClient

_ENCODERS: Final[dict[BatchFormat, Callable[[Sequence[bytes]], bytes]]] = {
    BatchFormat.SINGLE: encode_single,
    BatchFormat.ARRAY: encode_array,
    BatchFormat.NDJSON: encode_ndjson,
}
_CONTENT_TYPES: Final = {BatchFormat.NDJSON: "application/x-ndjson"}


class Warn(Protocol):
    """Logs a warning of a kind; repeats of the same ``key`` may be held back."""

    def __call__(self, event: str, key: str, **fields: object) -> None:
        """Log it; a field that is callable is called for it."""
        ...


def _message_id(body: bytes) -> str:
    """Of a request's body, as far as a mapping sends one."""
    # Not orjson: it refuses half surrogate pairs, which JavaScript makes by cutting an emoji, and which we do send.
    found = json.loads(body).get("message_id")
    return found[:MAX_ID_CHARS].encode(errors="replace").decode() if isinstance(found, str) else ""


class Destination:
    """The webhook, open; of one event loop.

    Args:
        settings: the whole settings; ``delivery.mode: shadow`` posts nowhere.
        warn: told of a URL file that cannot be used, and of attempts that fail.
        tracing: makes each attempt a span; None for none.

    Raises:
        ConfigurationError: URL, certificates or proxy cannot be used.
    """

    def __init__(self, settings: Settings, warn: Warn, tracing: Tracing | None = None) -> None:
        self._settings = settings
        self._warn = warn
        self._tracing = tracing
        self._log = EventLogger("consumer")
        self._shadow = settings.delivery.mode is Mode.SHADOW
        self._url = "" if self._shadow else read_webhook_url(settings.destination)
        redactor.register_secret(self._url)
        self._client = self._open() if tracing is None else tracing.client(self._open())
        self._sender: Sender

    def sender(self, answered: Callable[[Answer], None], clock: Clock) -> Sender:
        """What runs requests against it; call it once, in the event loop."""
        batch = self._settings.delivery.batch
        encode = _ENCODERS[batch.format]
        self._sender = Sender(
            self._client,
            encode if self._tracing is None else self._tracing.encoder(encode),
            answered,
            clock,
            prepare=self.refresh,
            statuses=statuses_at(batch.statuses_pointer) if batch.statuses_pointer else no_statuses,
            failed=self._attempt_failed,
        )
        return self._sender

    async def refresh(self) -> bool:
        """Read the webhook URL's file again; whether there is another URL now."""
        destination = self._settings.destination
        if self._shadow or destination.webhook_url_file is None:
            return False
        try:
            url = read_webhook_url(destination)
            if url == self._url:
                return False
            redactor.register_secret(url)
            await self._client.set_url(url)
        except ConfigurationError as error:
            # Half written, or wrong: the one before stays.
            self._warn("webhook_url_refused", "", problems=[str(problem) for problem in error.problems])
            return False
        self._url = url
        self._log.info("webhook_url_changed")
        return True

    def _attempt_failed(self, answer: Answer) -> None:
        """One line a minute for each status and kind: the metrics count them."""
        bodies = answer.send.bodies
        why = {"status": answer.status} if answer.status else {"failure": str(answer.failure), "detail": answer.excerpt}
        which = {"message_id": lambda: _message_id(bodies[0])} if len(bodies) == 1 else {"deliveries": len(bodies)}
        self._warn("attempt_failed", str(answer.failure or answer.status), **why, attempt=answer.send.attempt, **which)

    async def aclose(self) -> None:
        """Give up what is under way and close connections."""
        await self._sender.aclose()
        await self._client.aclose()

    def _open(self) -> WebhookClient:
        if self._shadow:
            return ShadowClient()
        destination, delivery = self._settings.destination, self._settings.delivery
        return open_client(
            destination.client or (ClientKind.STOCK if destination.proxy is not None else ClientKind.LEAN),
            url=self._url,
            timeout_seconds=destination.timeout_seconds,
            connections=delivery.concurrency,
            ca_file=str(destination.ca_file) if destination.ca_file is not None else None,
            proxy=destination.proxy.get_secret_value() if destination.proxy is not None else None,
            content_type=_CONTENT_TYPES.get(delivery.batch.format, "application/json"),
        )
