"""Every page: its links lead somewhere, its settings and commands are such, the metrics it names are there."""

from __future__ import annotations

import copy
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from consumer.cli.main import cli
from consumer.config.model import Settings
from consumer.ops.catalogue import CATALOGUE, PREFIX, Kind

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("deploy/**/*.md")])
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

LEAST = {
    "kafka": {"bootstrap_servers": "broker:9092", "topics": ["events"], "start_from": "latest"},
    "destination": {},
    "dead_letter": {"topic": "dlq"},
}
"""What must be set: a block may show a single section."""


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub and others make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {slug(re.sub(r"[`*]", "", heading)) for heading in re.findall(r"^#+ (.+)$", plain, re.MULTILINE)}


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (name, block)
        for name, text in TEXT.items()
        for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    ]


def commands() -> list[tuple[str, list[str]]]:
    """Every call of our command in a shell block, as words; what the shell does with it is left away."""
    found = []
    for name, block in [*blocks("sh"), *blocks("")]:
        if name == "docs/reference/cli.md":
            continue  # made from the commands; its lines are usages
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("chartmogul-consumer "):
                words = shlex.split(line, comments=True)
                found.append((name, words[1 : next((n for n, w in enumerate(words) if w in (">", "|", "&")), None)]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=[*TEXT])
def test_its_links_lead_somewhere(page):
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_would_be_found():
    assert broken_links(ROOT / "README.md", "[a](nowhere.md) [b](CHANGELOG.md#nothing) [c](CHANGELOG.md)") == [
        "nowhere.md",
        "CHANGELOG.md#nothing",
    ]


@pytest.mark.parametrize(("page", "block"), blocks("yaml"))
def test_settings_on_a_page_are_settings(page, block):
    shown = yaml.safe_load(block)
    if not isinstance(shown, dict) or not shown.keys() <= Settings.model_fields.keys():
        return  # mappings, values of the chart, Prometheus' own: tested with what reads them
    joined = {name: {**LEAST.get(name, {}), **(shown.get(name) or {})} for name in LEAST}
    Settings.model_validate({**shown, **joined})


def test_settings_are_found_on_pages():
    shown = [set(yaml.safe_load(block)) for _, block in blocks("yaml")]
    assert sum("kafka" in keys for keys in shown) >= 3


@pytest.mark.parametrize(("page", "words"), commands())
def test_commands_on_a_page_are_commands(page, words):
    context = click.Context(cli)
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        name = words.pop(0)
        if name.startswith("-"):
            return
        command = command.get_command(context, name)
        assert command is not None, f"there is no {name}"
    # Arguments are checked for their number and options for their names: files are the reader's.
    command = copy.copy(command)
    command.params = [_lenient(parameter) for parameter in command.params]
    command.make_context(
        command.name, ["X" if word in ("…", "...") else word for word in words], resilient_parsing=False
    )


def test_commands_are_found_on_pages():
    assert len(commands()) > 20


def _lenient(parameter: click.Parameter) -> click.Parameter:
    changed = copy.copy(parameter)
    if isinstance(parameter.type, (click.Path, click.File)):
        changed.type = click.STRING
    return changed


def test_metrics_on_pages_are_metrics():
    known = {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        base = metric.name.removesuffix("_total")
        known.add(base)
        if metric.kind is Kind.HISTOGRAM:
            known |= {f"{base}_{part}" for part in ("bucket", "count", "sum")}
    named = {(page, name) for page, text in TEXT.items() for name in re.findall(rf"\b{PREFIX}\w+", text)}
    assert len(named) > 50
    assert {(page, name) for page, name in named if name not in known and name.rstrip("_") + "_" != PREFIX} == set()
