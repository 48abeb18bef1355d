"""The status page of the real service in a real browser: light, dark, narrow; and nothing leaks."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.browser import Browser
from tests.integration.harness import RunningService, identify, records, settings, wait_for

pytestmark = pytest.mark.slow

TOKEN = "canary-token-4711"
PERSON = "canary.person"
WAYS = list(product((1200, 360), ("light", "dark")))

LUMINANCE = """(() => {
  // Canvas makes rgb of any colour. https://www.w3.org/TR/WCAG21/#dfn-relative-luminance
  const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  const luminance = colour => {
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
      .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
      .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  };
  const paper = document.body.appendChild(document.createElement("div"));
  paper.style.background = "Canvas";  // what the browser paints behind a page of this colour scheme
  const ground = luminance(getComputedStyle(paper).backgroundColor);
  return [...document.querySelectorAll("h1, .bad, .ok, dd, td")].map(each => {
    const one = luminance(getComputedStyle(each).color);
    return (Math.max(one, ground) + .05) / (Math.min(one, ground) + .05);
  });
})()"""


@pytest.fixture
def page(embedded_kafka, tmp_path):
    """A service with partitions, a dead letter that ChartMogul refused, and one of validation; halted in the end."""
    with ThreadedSandbox(TOKEN, rate_per_second=None, max_parallel=None) as sandbox:
        embedded_kafka.create_topic("events", 12)
        embedded_kafka.create_topic("dead-letters", 1)
        url_file = tmp_path / "url"
        url_file.write_text(sandbox.url)
        sandbox.set_faults({"status": 422, "count": 1})
        events = [identify(n, f"{PERSON}{n}", note=PERSON) for n in range(30)]
        events[7]["traits"]["email"] = f"{PERSON} is no address"
        embedded_kafka.produce("events", records(events))
        with RunningService(settings(embedded_kafka, "events", "dead-letters", url_file), tmp_path) as service:
            wait_for(lambda: sandbox.stats()["delivered"] == 28, "the others are delivered")
            sandbox.set_faults({"status": 403})
            embedded_kafka.produce("events", records(identify(n, f"{PERSON}{n}") for n in range(30, 50)))
            wait_for(lambda: service.get("/readyz")[0] == 503, "it halts")
            yield f"http://127.0.0.1:{service.port}/status"


async def _visit(page: str, folder) -> dict[tuple[int, str], dict]:
    seen = {}
    async with Browser(folder) as browser:
        for width, scheme in WAYS:
            browser.requested.clear()
            await browser.look(page, width=width, scheme=scheme)
            seen[width, scheme] = {
                "text": await browser.ask("document.documentElement.outerHTML"),
                "wider": await browser.ask("document.documentElement.scrollWidth - window.innerWidth"),
                "ground": await browser.ask("matchMedia('(prefers-color-scheme: dark)').matches"),
                "contrast": await browser.ask(LUMINANCE),
                "requested": [url for url in browser.requested if not url.endswith("/favicon.ico")],
                "rows": await browser.ask("document.querySelectorAll('tbody tr').length"),
            }
        seen["complaints"] = [text for text in browser.complaints if "favicon" not in text]
    return seen


def test_the_status_page_can_be_read_anywhere_and_leaks_nothing(page, tmp_path):
    seen = asyncio.run(_visit(page, tmp_path / "profile"))
    assert seen.pop("complaints") == []
    for (width, scheme), found in seen.items():
        way = f"{width} {scheme}"
        assert set(found["requested"]) == {page}, f"{way}: nothing but itself"
        assert found["wider"] <= 0, f"{way}: tables scroll by themselves, the page does not"
        assert found["ground"] == (scheme == "dark")
        assert len(found["contrast"]) > 50
        assert min(found["contrast"]) >= 4.5, f"{way}: WCAG AA"
        assert found["rows"] >= 12 + 2, "partitions and failures"
        for shown in ("webhook_refused", "http_rejected", "invalid_payload"):
            assert shown in found["text"], way
        for secret in (TOKEN, PERSON, "example.com"):
            assert secret not in found["text"], way
