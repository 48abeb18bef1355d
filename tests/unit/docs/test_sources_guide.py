"""What the guide to sources shows can be set, and it names everything that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from consumer.config.source import Envelope, GroupUserIdSource, SentAtSource, Source, SourceFormat
from consumer.config.source_rules import check_source
from consumer.decoding import make_decoder
from consumer.ops.catalogue import FALLBACKS, PREFIX, SCHEMA_WAITING

PAGE = (Path(__file__).parents[3] / "docs" / "guide" / "sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_can_be_set(block):
    source = Source.model_validate(yaml.safe_load(block)["source"])
    problems = {problem.path for problem in check_source(source)}
    assert problems <= {"source.avro_schema_file"}, "only the file is not there"
    if source.avro_schema_file is None:
        make_decoder(source, source.format)


def test_everything_is_named():
    words = [*Envelope, *SentAtSource, *GroupUserIdSource, *SourceFormat]
    assert [word for word in words if word.value not in PAGE] == []
    for metric in (FALLBACKS, SCHEMA_WAITING):
        assert metric.name.removeprefix(PREFIX) in PAGE
