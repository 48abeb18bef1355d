"""Asks the webhook what Segment's connection test asks: an empty object, of which ChartMogul makes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from consumer.checks.finding import Finding, Verdict
from consumer.config.model import ClientKind, Mode
from consumer.config.webhook_url import read_webhook_url
from consumer.errors import ConfigurationError, WebhookError
from consumer.ops.log import register_secret
from consumer.webhook.client import open_client

if TYPE_CHECKING:
    from consumer.checks.finding import Deadline
    from consumer.config.model import Settings
    from consumer.webhook.client import Response

_NAME: Final = "webhook"
_REMEDIES: Final = {
    400: "it does not take an empty object as Segment's connection test sends it; is it ChartMogul's webhook?",
    401: "the URL's token is not known: copy the webhook URL from ChartMogul again",
    403: "the URL's token is not allowed: copy the webhook URL from ChartMogul again",
    404: "there is no such webhook: copy the webhook URL from ChartMogul again",
    410: "the webhook was removed in ChartMogul: make its Segment source again and copy the URL",
    429: "it asks to slow down: something else posts to it; try again later",
}


def webhook(settings: Settings, deadline: Deadline) -> Finding:
    """Whether the webhook answers ``{}`` with 2xx."""
    if settings.delivery.mode is Mode.SHADOW:
        return Finding(_NAME, Verdict.SKIP, "a shadow posts nowhere")
    try:
        answer = asyncio.run(_post(settings, deadline))
    except WebhookError as error:
        remedy = "check the URL's host, the network, destination.proxy and destination.ca_file"
        return Finding(_NAME, Verdict.FAIL, str(error), (remedy,))
    except ConfigurationError as error:
        return Finding(_NAME, Verdict.FAIL, "it cannot be used", tuple(map(str, error.problems)))
    says = f"POST {{}} was answered with {answer.status}"
    if 200 <= answer.status < 300:
        return Finding(_NAME, Verdict.PASS, says)
    remedy = "redirects are not followed: give the URL that it points to" if answer.status < 400 else ""
    remedy = remedy or _REMEDIES.get(
        answer.status, "the other side fails: try again later, or ask ChartMogul's support"
    )
    return Finding(_NAME, Verdict.FAIL, says, (remedy,))


async def _post(settings: Settings, deadline: Deadline) -> Response:
    destination = settings.destination
    url = read_webhook_url(destination)
    register_secret(url)
    proxy = destination.proxy.get_secret_value() if destination.proxy is not None else None
    client = open_client(
        destination.client or (ClientKind.STOCK if proxy else ClientKind.LEAN),
        url=url,
        timeout_seconds=deadline.at_most(destination.timeout_seconds),
        connections=1,
        ca_file=str(destination.ca_file) if destination.ca_file is not None else None,
        proxy=proxy,
    )
    try:
        return await client.post(b"{}")
    finally:
        await client.aclose()
