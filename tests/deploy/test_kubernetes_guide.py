"""What the Kubernetes guide shows works as it stands there: its values render, its files and commands are there."""

from __future__ import annotations

import re

import pytest

from tests.deploy.policy import violations
from tests.deploy.tooling import ROOT, pod_of, rendered, values, workload

PAGE = ROOT / "docs/guide/kubernetes.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
WHOLE = [block for block in BLOCKS if "settings:" in block]
PARTS = [block for block in BLOCKS if "settings:" not in block]


@pytest.mark.parametrize("block", WHOLE, ids=range(len(WHOLE)))
def test_values_that_stand_alone_render(block, tmp_path):
    (tmp_path / "values.yaml").write_text(block)
    assert list(violations(pod_of(rendered("--values", str(tmp_path / "values.yaml"))))) == []


@pytest.mark.parametrize("block", PARTS, ids=range(len(PARTS)))
def test_values_that_are_added_render(block, tmp_path):
    (tmp_path / "values.yaml").write_text(block)
    plain, more = rendered(*values("minimal")), rendered(*values("minimal"), "--values", str(tmp_path / "values.yaml"))
    assert len(more) > len(plain)


def test_the_blocks_are_seen():
    assert len(WHOLE) == 3
    assert len(PARTS) == 1


def test_the_installed_name_is_the_one_that_the_guide_asks_for(tmp_path):
    (release, chart) = re.findall(r"helm install (\S+) (\S+) --values", TEXT)[0]
    assert (ROOT / chart / "Chart.yaml").is_file()
    (tmp_path / "values.yaml").write_text(WHOLE[0])
    name = workload(rendered("--values", str(tmp_path / "values.yaml"), release=release))["metadata"]["name"]
    assert set(re.findall(r"deployment/(\S+?)`?(?: |\n)", TEXT)) == {name}


def test_its_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
