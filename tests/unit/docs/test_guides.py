"""What the guides show of mappings works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumer.chartmogul import contact, customer
from consumer.config.mappings import parse_mappings
from consumer.config.mappings_presets import PRESETS
from consumer.errors import ConfigurationError
from consumer.ops.catalogue import MAPPINGS_RELOADS
from consumer.segment.directives import DIRECTIVES

GUIDES = Path(__file__).parents[3] / "docs" / "guide"
PAGES = {name: (GUIDES / f"{name}.md").read_text(encoding="utf-8") for name in ("mappings", "engage")}
BLOCKS = [block for page in PAGES.values() for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_mappings_file_in_the_guides_is_right(block):
    file = parse_mappings(block)
    assert file.specs
    assert file.quirks == ()


def test_the_guide_names_every_field_and_directive():
    for fields in (contact.fields(require_company_id=False), customer.FIELDS):
        for field in fields:
            assert f"`{field.name}" in PAGES["mappings"], field.name
    for name in DIRECTIVES:
        assert f"`{name}`" in PAGES["mappings"]


def test_the_guide_has_every_alternative_of_segment_spec():
    for spec, default in zip(PRESETS["segment-spec"], PRESETS["default"], strict=True):
        paths, known = (set(re.findall(r"\$\.([\w.]+)", str(each.mapping))) for each in (spec, default))
        for path in paths - known:
            assert f"`{path}`" in PAGES["mappings"], path


def test_the_trap_that_the_guide_shows_is_one():
    text = "mappings: [{name: A, action: sendContact, preset: default, trigger: 'type = \"identify\" and groupId != null'}]"
    with pytest.raises(ConfigurationError) as error:
        parse_mappings(text)
    (problem,) = error.value.problems
    shown = " ".join(PAGES["mappings"].split())
    for part in (
        problem.message.split("; only")[0],
        'It runs as: type = "identify". allow_hosted_quirks: true lets it pass.',
    ):
        assert part.removesuffix(", which widens the trigger or leaves nothing of it") in shown


def test_the_metric_is_called_so():
    assert MAPPINGS_RELOADS.name in PAGES["mappings"]
