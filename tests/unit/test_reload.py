"""Mappings change while the service runs: swapped whole, or refused whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumer.config.mappings import load_mappings
from consumer.config.settings import load_settings
from consumer.errors import ConfigurationError
from consumer.outcomes import Post, Reject, RejectReason, Skip
from consumer.reload import MappingsReloader, build_router

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "CHARTMOGUL_CONSUMER_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
    "CHARTMOGUL_CONSUMER_KAFKA__TOPICS": "events",
    "CHARTMOGUL_CONSUMER_KAFKA__START_FROM": "earliest",
    "CHARTMOGUL_CONSUMER_DEAD_LETTER__TOPIC": "dlq",
    "CHARTMOGUL_CONSUMER_DELIVERY__MODE": "shadow",
}
ONE = "mappings: [{name: One, action: sendContact, preset: default}]"
TWO = "mappings: [{name: Two, action: sendContact, preset: default}, {name: Three, action: sendCustomer, preset: default}]"
BAD = "mappings: [{name: Two, action: sendContcat, preset: default}]"
QUIRKY = (
    "mappings: [{name: Q, action: sendContact, preset: default, allow_hosted_quirks: true,"
    " trigger: '!(type = \"identify\")'}]"
)
EVENT = {
    "type": "identify",
    "messageId": "m",
    "timestamp": 1,
    "sentAt": 1,
    "userId": "u",
    "traits": {"email": "a@b.example"},
}


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict]] = []

    def __getattr__(self, level: str):
        return lambda event, **fields: self.lines.append((level, event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def settings(path: Path | None, **more: str):
    environ = ENVIRON | {f"CHARTMOGUL_CONSUMER_{name}": value for name, value in more.items()}
    if path is not None:
        environ["CHARTMOGUL_CONSUMER_MAPPINGS_FILE"] = str(path)
    return load_settings(None, environ)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mappings.yaml"
    path.write_text(ONE)
    return path


@pytest.fixture
def watch(file):
    """A reloader with its log, clock and file."""
    log, clock = Log(), Clock()
    reloader = MappingsReloader(settings(file), log, clock)
    reloader.log, reloader.clock = log, clock
    return reloader


def polls(reloader, number: int = 2):
    """The router of the last of several polls that gave one."""
    return [router for _ in range(number) if (router := reloader.poll()) is not None]


def test_it_starts_with_what_the_file_says(watch):
    assert watch.info.source == "mappings.yaml"
    assert watch.info.names == ("One",)
    assert watch.info.loaded_at == 1_000.0
    assert [each.spec.name for each in watch.router.mappings] == ["One"]
    assert polls(watch, 5) == []
    assert watch.log.lines == []


def test_without_a_file_there_is_nothing_to_watch():
    reloader = MappingsReloader(settings(None), Log(), Clock())
    assert reloader.info.source == "default"
    assert reloader.info.names == ("Send Contact", "Send Customer")
    assert polls(reloader) == []


def test_a_wrong_file_starts_nothing(file):
    file.write_text(BAD)
    with pytest.raises(ConfigurationError, match="sendContact"):
        MappingsReloader(settings(file), Log(), Clock())


def test_a_good_file_is_taken_once(watch, file):
    file.write_text(TWO)
    watch.clock.now = 2_000.0
    (router,) = polls(watch, 5)
    assert router is watch.router
    assert [each.spec.name for each in router.mappings] == ["Two", "Three"]
    assert (watch.info.names, watch.info.loaded_at) == (("Two", "Three"), 2_000.0)
    assert (watch.info.reloads_ok, watch.info.reloads_failed, watch.info.error) == (1, 0, "")
    assert watch.log.events == ["mappings_reloaded"]


def test_a_file_that_is_being_written_is_not_taken_half(watch, file):
    """The first half of a list of mappings is a list of mappings."""
    whole = TWO.replace("[{", "\n- {").replace(", {", "\n- {").replace("}]", "}\n")
    half = whole[: whole.rindex("- {")]
    file.write_text(half)
    assert watch.poll() is None
    file.write_text(whole)
    assert watch.poll() is None
    router = watch.poll()
    assert [each.spec.name for each in router.mappings] == ["Two", "Three"]
    assert watch.info.reloads_ok == 1


def test_a_bad_file_is_refused_once_and_the_old_one_goes_on(watch, file):
    before = watch.router
    file.write_text(BAD)
    assert polls(watch, 5) == []
    assert watch.router is before
    assert isinstance(watch.router.route(EVENT)[0], Post)
    assert (watch.info.names, watch.info.reloads_ok, watch.info.reloads_failed) == (("One",), 0, 1)
    assert "did you mean sendContact?" in watch.info.error
    (line,) = watch.log.lines
    assert line[:2] == ("error", "mappings_refused")
    assert "mappings[0].action (line 1)" in line[2]["problems"][0]


@pytest.mark.parametrize("tagged", ["!!bool default", '!!int ""', "!!timestamp foo"])
def test_a_tag_that_does_not_fit_is_refused_as_any_bad_file(watch, file, tagged):
    file.write_text(f"preset: {tagged}")
    assert polls(watch, 5) == []
    assert watch.log.events == ["mappings_refused"]
    assert "preset (line 1, column 9): has a tag" in watch.info.error


def test_another_bad_file_is_another_failure_and_a_good_one_ends_it(watch, file):
    for text in (BAD, "mappings: 1", TWO):
        file.write_text(text)
        polls(watch)
    assert (watch.info.reloads_ok, watch.info.reloads_failed, watch.info.error) == (1, 2, "")
    assert watch.info.names == ("Two", "Three")


def test_putting_the_old_file_back_clears_the_error_without_a_reload(watch, file):
    before = watch.router
    file.write_text(BAD)
    polls(watch)
    file.write_text(ONE)
    assert polls(watch, 3) == []
    assert watch.router is before
    assert (watch.info.error, watch.info.reloads_ok, watch.info.reloads_failed) == ("", 0, 1)
    assert watch.log.events == ["mappings_refused", "mappings_restored"]


def test_a_file_that_is_gone_is_an_error_until_it_is_back(watch, file):
    file.unlink()
    assert polls(watch, 3) == []
    assert watch.info.reloads_failed == 1
    assert "cannot be read" in watch.info.error
    file.write_text(TWO)
    assert len(polls(watch, 3)) == 1
    assert watch.info.error == ""


def test_a_change_that_is_taken_back_between_two_polls_is_none(watch, file):
    file.write_text(TWO)
    assert watch.poll() is None
    file.write_text(ONE)
    assert polls(watch, 3) == []
    assert watch.log.lines == []


def test_a_config_map_is_swapped_by_its_symlink(tmp_path):
    """As kubelet does it: mappings.yaml → ..data/mappings.yaml, ..data → ..<time>, and ..data is renamed over."""
    for number, text in enumerate((ONE, TWO)):
        folder = tmp_path / f"..2026_{number}"
        folder.mkdir()
        (folder / "mappings.yaml").write_text(text)
    data, path = tmp_path / "..data", tmp_path / "mappings.yaml"
    data.symlink_to("..2026_0")
    path.symlink_to("..data/mappings.yaml")
    reloader = MappingsReloader(settings(path), Log(), Clock())
    assert reloader.info.names == ("One",)
    (tmp_path / "..data_tmp").symlink_to("..2026_1")
    (tmp_path / "..data_tmp").replace(data)
    assert len(polls(reloader)) == 1
    assert reloader.info.names == ("Two", "Three")
    assert reloader.info.source == "mappings.yaml"


def test_a_touched_file_is_no_other_file(watch, file):
    file.write_text(ONE)
    assert polls(watch, 3) == []


def test_allowed_quirks_are_told_at_the_start_and_at_a_reload(watch, file):
    file.write_text(QUIRKY)
    polls(watch)
    assert watch.log.events == ["mappings_reloaded", "mappings_with_hosted_quirks"]
    log = Log()
    MappingsReloader(settings(file), log, Clock())
    assert log.events == ["mappings_with_hosted_quirks"]
    assert 'It runs as: type = "identify"' in log.lines[0][2]["quirks"][0]


def test_disabled_mappings_are_not_in_use(watch, file):
    file.write_text(TWO.replace("name: Two", "name: Two, enabled: false"))
    polls(watch)
    assert watch.info.names == ("Three",)


def test_the_router_follows_settings_and_file(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "preset: default\nfilters: [{if: 'userId = \"x\"', actions: [{type: DROP}]}]\nconsent_categories: [c]\n"
    )
    nothing = EVENT | {"traits": {}}
    company = EVENT | {"traits": {"email": "a@b.example", "company": {"name": "N"}}}
    router = build_router(settings(path, DESTINATION__REQUIRE_COMPANY_ID="true"), load_mappings(path))
    assert [each.reason.value for each in router.route(EVENT | {"userId": "x"})] == ["filtered_by_rules"]
    refused = EVENT | {"context": {"consent": {"categoryPreferences": {"c": False}}}}
    assert [each.reason.value for each in router.route(refused)] == ["filtered_by_end_user_consent"]
    assert isinstance(router.route(company)[0], Reject)
    router = build_router(settings(path), load_mappings(path))
    assert isinstance(router.route(company)[0], Post)
    assert isinstance(router.route(nothing)[0], Skip)
    router = build_router(settings(path), load_mappings(path), skip_reasons=frozenset())
    assert router.route(nothing)[0].reason is RejectReason.NO_INFORMATION
