"""A consumer as it is usually written: confluent-kafka, httpx, a semaphore, auto-commit.

    python benchmarks/peers/plain.py BOOTSTRAP TOPIC URL CONCURRENCY

It maps the fields that ours maps, and checks, orders, retries, dead-letters and measures nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
from confluent_kafka import Consumer


def mapped(event: dict[str, Any]) -> dict[str, Any] | None:
    """The request's body, or None for an event that is neither."""
    traits, kind = event.get("traits", {}), event["type"]
    common = {"message_id": event["messageId"], "timestamp": event["timestamp"], "sent_at": event["sentAt"]}
    if kind == "identify":
        company = traits.get("company", {})
        return common | {
            "type": "Send Contact",
            "user_id": event.get("userId"),
            "anonymous_id": event.get("anonymousId"),
            "email": traits.get("email"),
            "first_name": traits.get("first_name"),
            "last_name": traits.get("last_name"),
            "name": traits.get("name"),
            "title": traits.get("title"),
            "phone": traits.get("phone"),
            "linked_in": traits.get("linkedIn"),
            "twitter": traits.get("twitter"),
            "company": {"id": company.get("id"), "name": company.get("name")},
        }
    if kind == "group":
        return common | {
            "type": "Send Customer",
            "user_id": event.get("userId"),
            "anonymous_id": event.get("anonymousId"),
            "group_id": event["groupId"],
            "name": traits.get("name"),
            "description": traits.get("description"),
            "email": traits.get("email"),
            "website": traits.get("website"),
            "created_at": traits.get("createdAt"),
            "address": traits.get("address"),
        }
    return None


async def main() -> None:
    bootstrap, topic, url, concurrency = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"plain-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    limit = asyncio.Semaphore(concurrency)
    under_way: set[asyncio.Task[None]] = set()
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits) as client:

        async def send(body: dict[str, Any]) -> None:
            try:
                (await client.post(url, json=body)).raise_for_status()
            finally:
                limit.release()

        while True:
            message = await asyncio.to_thread(consumer.poll, 0.1)
            if message is None or message.error():
                continue
            body = mapped(json.loads(message.value() or b"{}"))
            if body is not None:
                await limit.acquire()
                task = asyncio.create_task(send(body))
                under_way.add(task)
                task.add_done_callback(under_way.discard)


if __name__ == "__main__":
    asyncio.run(main())
