"""The reference pages and the settings' schema say what the code says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from consumer.config.model import Settings
from consumer.ops.catalogue import CATALOGUE
from consumer.ops.reasons import REASONS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_is_current(generate):
    assert generate.stale() == [], "run docs/generate.py"


def test_a_page_that_differs_or_is_missing_is_found(generate, tmp_path):
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / "docs" / "reference" / "cli.md").write_text("old")
    assert list(generate.PAGES) == generate.stale(tmp_path)


@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
def test_every_reason_is_explained(kind):
    assert set(kind) == set(REASONS[kind])
    for text in REASONS[kind].values():
        assert text[0].isupper()
        assert text.endswith((".", ")"))


def test_pages_name_everything(generate):
    metrics, reasons = generate.metrics_page(), generate.reasons_page()
    assert [metric.name for metric in CATALOGUE if f"`{metric.name}`" not in metrics] == []
    assert [member.value for kind in REASONS for member in kind if f"`{member.value}`" not in reasons] == []


def _leaves(model, path=""):
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from _leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", field


def test_every_setting_has_its_line_of_reason_and_is_on_the_page(generate):
    page = generate.settings_page()
    for path, field in _leaves(Settings):
        assert field.description, path
        assert f"| `{path.rpartition('.')[2]}` |" in page


def test_the_schema_has_every_setting_and_refuses_others(generate):
    schema = json.loads(generate.settings_schema())
    for path, _ in _leaves(Settings):
        at = schema
        for name in path.split("."):
            assert at["additionalProperties"] is False
            at = at["properties"][name]
            at = schema["$defs"][at["$ref"].rpartition("/")[2]] if "$ref" in at else at
    assert "webhook_url" not in schema["$defs"]["Destination"].get("required", [])
