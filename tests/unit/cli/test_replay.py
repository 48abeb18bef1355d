"""``replay``: its options, the question before it sends, and what it shows."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import consumer.cli.replay as command
import consumer.replay.run as run_module
from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.cli.replay_view import Display
from consumer.delivery.messages import Partition
from consumer.replay.dry_run import Counts, Forecast, Group
from consumer.replay.run import Progress, Result
from consumer.replay.selection import LEFT_PLACES, Origin, Selection, Sieve, Stretch
from consumer.replay.survey import Scope

SETTINGS = """\
kafka: {bootstrap_servers: "broker:9092", topics: [events], start_from: earliest, group_id: group}
destination: {webhook_url: "https://hooks.example.com/secret"}
dead_letter: {topic: dlq}
delivery: {requests_per_second: 30}
"""
RESULT = Result(selected=3, delivered=3, skipped=0, dead_lettered=0, left=0, merged=0, seconds=1.5, complete=True)
SCOPE = Scope({Partition("dlq", 0): 2}, {Partition("dlq", 0): 62}, {})


class Replays:
    """The command with everything behind it taken out; what it was asked for is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
        self.result, self.scope, self.terminal = RESULT, SCOPE, True
        self.ran = self.abandoned = False
        self.settings: Any = None
        self.selection: Selection
        self._file = folder / "settings.yaml"
        self.write = self._file.write_text
        self.write(SETTINGS)

        def open_source(settings: Any, selection: Selection, _: Any) -> Any:
            self.settings, self.selection = settings, selection
            return SimpleNamespace(survey=lambda: self.scope, sieve=Sieve(selection, "", {}))

        def replay(*_: Any) -> Any:
            return SimpleNamespace(abandon=lambda: setattr(self, "abandoned", True))

        async def run(*_: Any) -> tuple[Result, bool]:
            self.ran = True
            return self.result, False

        monkeypatch.setattr(command, "_somebody_is_there", lambda: self.terminal)
        monkeypatch.setattr(command, "_run", run)
        monkeypatch.setattr(run_module, "open_source", open_source)
        monkeypatch.setattr(run_module, "open_planner", lambda *_: None)
        monkeypatch.setattr(run_module, "Replay", replay)

    def __call__(self, *options: str, answer: str = "") -> Any:
        return CliRunner().invoke(cli, ["replay", "--config", str(self._file), *options], input=answer)

    def selects(self, *options: str) -> Selection:
        done = self("--yes", *options)
        assert done.exit_code == ExitCode.OK, done.output
        return self.selection


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Replays:
    return Replays(monkeypatch, tmp_path)


# ---- options


def test_without_options_it_takes_every_dead_letter_at_a_tenth_of_the_rate(replays):
    assert replays.selects() == Selection(Origin.DEAD_LETTERS, ("dlq",), groups=frozenset({"group"}))
    assert replays.settings.delivery.requests_per_second == 3.0
    assert replays.settings.delivery.dedupe.max_entries == 0
    assert replays.settings.kafka.group_id.startswith("group.replay.")


def test_a_dry_run_needs_no_webhook(replays, monkeypatch):
    monkeypatch.setattr(command, "_dry_run", lambda *_: None)
    replays.write(SETTINGS.replace("https://hooks.example.com/secret", "").replace("webhook_url", "webhook_url_file"))
    assert replays("--dry-run").exit_code == ExitCode.OK
    assert replays.settings.kafka.group_id.startswith("group.replay.")
    assert replays("--yes").exit_code == ExitCode.CONFIGURATION


def test_each_option_narrows(replays):
    selection = replays.selects(
        *("--reason", "http_rejected", "--reason", "invalid_json", "--stage", "deliver", "--mapping", "leads"),
        *("--group", "one", "--group", "other"),
        *("--since", "2026-01-31T00:00:00Z", "--until", "2026-01-31T02:00:00+01:00", "--key", "k1", "--key", "ü"),
    )
    assert selection == Selection(
        Origin.DEAD_LETTERS,
        ("dlq",),
        reasons=frozenset({"http_rejected", "invalid_json"}),
        stages=frozenset({"deliver"}),
        groups=frozenset({"one", "other"}),
        mappings=frozenset({"leads"}),
        since_ms=1_769_817_600_000,
        until_ms=1_769_821_200_000,
        keys=frozenset({b"k1", "ü".encode()}),
    )


@pytest.mark.parametrize(
    ("options", "stretches"),
    [
        (["--partition", "events/0"], [Stretch(Partition("events", 0))]),
        (["--partition", "events/0", "--offsets", "7"], [Stretch(Partition("events", 0), 7, 8)]),
        (["--partition", "events/0", "--offsets", "7-9"], [Stretch(Partition("events", 0), 7, 10)]),
        (["--partition", "events/0", "--offsets", "7-"], [Stretch(Partition("events", 0), 7)]),
        (
            ["--partition", "a.b/1", "--partition", "c/2", "--offsets", "1", "--offsets", "2-"],
            [Stretch(Partition("a.b", 1), 1, 2), Stretch(Partition("c", 2), 2)],
        ),
    ],
)
def test_places(replays, options, stretches):
    selection = replays.selects("--from", "source", *options)
    assert (selection.topics, selection.stretches) == (("events",), tuple(stretches))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "source"], "say --since, --until, --key or --partition"),
        (["--from", "source", "--key", "k", "--stage", "deliver"], "are about dead letters"),
        (["--from", "source", "--key", "k", "--group", "g"], "are about dead letters"),
        (["--reason", "no such"], "--reason"),
        (["--since", "2026-01-31T00:00:00"], "no ISO 8601 time with a zone"),
        (["--until", "yesterday"], "no ISO 8601 time with a zone"),
        (["--partition", "events"], "--partition takes TOPIC/N"),
        (["--partition", "events/0", "--offsets", "x"], "--offsets takes 7, 7-9"),
        (["--partition", "events/0", "--offsets", "9-7"], "ends before it begins"),
        (["--offsets", "7"], "each --partition takes one --offsets"),
        (["--partition", "a/0", "--partition", "a/1", "--offsets", "7"], "each --partition takes one --offsets"),
        (["--requests-per-second", "0"], "--requests-per-second"),
        (["--run-id", "mine"], "the id that the interrupted run has printed"),
        (["--run-id", "20260131T020304056Z-00000000"], "another selection"),
    ],
)
def test_mistakes_are_told_before_anything_is_opened(replays, options, said):
    done = replays("--yes", *options)
    assert done.exit_code == ExitCode.CONFIGURATION
    assert said in done.stderr
    assert replays.settings is None


def test_a_run_is_continued_in_its_group(replays):
    replays.selects("--key", "k")
    run_id = replays.settings.kafka.group_id.removeprefix("group.replay.")
    replays.selects("--key", "k", "--run-id", run_id, "--requests-per-second", "0.5")
    assert replays.settings.kafka.group_id == f"group.replay.{run_id}"
    assert replays.settings.delivery.requests_per_second == 0.5


# ---- the question


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("y\n", ExitCode.OK),
        ("n\n", ExitCode.WORK_LEFT),
        ("\n", ExitCode.WORK_LEFT),
        ("", ExitCode.INTERRUPTED),  # the input ends, as after Ctrl-C
    ],
)
def test_it_asks_before_it_sends(replays, answer, code):
    done = replays(answer=answer)
    ran = code is ExitCode.OK
    assert (replays.ran, replays.abandoned) == (ran, not ran)
    assert done.exit_code == code
    assert done.stderr.endswith("nothing was sent\n") is not ran
    assert "older data may overwrite it" in done.stderr
    assert "60 records to look through; 3 POSTs a second: 20 s if each is sent once" in done.stderr
    assert "Send them?" in done.stderr
    assert "Send them?" not in done.stdout


def test_with_nobody_to_ask_it_does_not_begin(replays):
    replays.terminal = False
    done = replays()
    assert (done.exit_code, replays.settings) == (ExitCode.CONFIGURATION, None)
    assert "give --yes" in done.stderr


def test_there_is_nothing_to_ask_where_there_is_nothing_to_read(replays):
    replays.scope = Scope({}, {}, {})
    assert replays().exit_code == ExitCode.OK
    assert replays.ran


# ---- how it ends


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ExitCode.OK),
        ({"dead_lettered": 2}, ExitCode.OK),
        ({"left": 1}, ExitCode.WORK_LEFT),
        ({"left": 1, "complete": False, "problem": "too much failed again"}, ExitCode.FAILED),
    ],
)
def test_exit_codes(replays, changes, code):
    values = {name: getattr(RESULT, name) for name in Result.__slots__} | changes
    replays.result = Result(**values)
    done = replays("--yes", "--json")
    assert done.exit_code == code
    said = json.loads(done.stdout)
    assert (said.pop("run_id")[-9], said["left"], said["seconds"]) == ("-", changes.get("left", 0), 1.5)
    assert done.stderr == ("error: too much failed again\n" if "problem" in changes else "")


# ---- what it shows


def progress(seconds: float, **changes: Any) -> Progress:
    return Progress(**{"total": 60, "done": 6, "selected": 5, "seconds": seconds, **changes})


def test_elsewhere_than_on_a_terminal_it_is_a_line_now_and_then(capsys):
    display = Display(as_json=False)
    for seconds in range(12):
        display.show(progress(float(seconds), held_by="rate" if seconds > 5 else ""))
    display.close()
    assert capsys.readouterr().err.splitlines() == [
        "looked through 6/60  selected 5  seconds 5",
        "looked through 6/60  selected 5  seconds 10  held by rate",
    ]


def test_before_json_there_are_complaints_only(capsys):
    display = Display(as_json=True)
    display.announce("id", None, None, None)  # type: ignore[arg-type] # nothing is looked at
    display.show(progress(60.0))
    display.say("webhook answers 503")
    assert capsys.readouterr().err == "webhook answers 503\n"


def test_on_a_terminal_it_is_a_bar_and_complaints_above_it(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    display = Display(as_json=False)
    display.show(progress(1.0))
    display.say("webhook answers 503")
    display.show(progress(2.0, held_by="retry_after"))
    display.close()
    shown = capsys.readouterr().err
    assert "━" in shown
    assert "6/60" in shown
    assert "retry_after" in shown
    assert "webhook answers 503" in shown


def test_the_selection_is_said_without_keys(replays):
    done = replays("--yes", "--from", "source", "--partition", "events/3", "--offsets", "7-9")
    assert "source of events; events/3 from 7 to 9" in done.stderr
    done = replays("--yes", "--key", "ada@example.com", "--stage", "map", "--until", "2026-01-31T00:00:00Z")
    assert "dead-letters of dlq; stage map; until 2026-01-31T00:00:00+00:00; 1 keys; of group group" in done.stderr
    assert "ada" not in done.output


def test_a_result_says_why_and_how_to_go_on(capsys):
    sieve = Sieve(Selection(Origin.DEAD_LETTERS, ("dlq",)), "", {})
    sieve.foreign, sieve.left, sieve.others, sieve.other_groups = 2, LEFT_PLACES + 1, 3, {"billing", "audit"}
    sieve.left_places = [f"events/0/{n}" for n in range(LEFT_PLACES)]
    reasons = {("dead_lettered", "leads", "http_rejected"): 4, ("skipped", "", "unsupported_type"): 1}
    Display(as_json=False).result(
        "id",
        Result(20, 3, 2, 4, 11, 1, 2.0, complete=False, problem="too much failed again", reasons=reasons),
        sieve,
    )
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "dead-lettered: http_rejected 4 (leads)",
        "skipped: unsupported_type 1 (before any mapping)",
        "skipped: 1 letters of a delivery that another letter stands for",
        "selected 20  delivered 3  skipped 2  dead_lettered 4  left 11  seconds 2.0",
    ]
    assert "no dead letters of this software: 2" in shown.err
    assert "services of other groups wrote them (audit, billing): 3; see --group" in shown.err
    assert "events/0/9, …: --from source" in shown.err
    assert "error: too much failed again" in shown.err
    assert "with the same options and --run-id id" in shown.err


def test_a_forecast_is_a_table_of_groups(capsys):
    sieve = Sieve(Selection(Origin.DEAD_LETTERS, ("dlq",)), "", {})
    found = Forecast({Group("leads", "deliver", "http_rejected"): Counts(3, 2, 0, 1)}, 4, 1, 0, 0.25)
    Display(as_json=False).forecast(found, sieve)
    *rows, last = capsys.readouterr().out.splitlines()
    assert any("deliver │ http_rejected │        3 │          2" in row for row in rows), "nothing is cut off"
    assert last == "selected 4  merged 1  left 0  seconds 0.25"
    hostile = Forecast({Group("[/b]\x1b[31m", "[red]", ""): Counts(1)}, 1, 0, 0, 0.25)
    Display(as_json=False).forecast(hostile, sieve)
    drawn = capsys.readouterr().out
    assert r"[/b]\x1b[31m" in drawn
    assert "[red]" in drawn
    Display(as_json=True).forecast(found, sieve)
    said = json.loads(capsys.readouterr().out)
    assert said["groups"] == [
        {
            "mapping": "leads",
            "stage": "deliver",
            "reason": "http_rejected",
            "selected": 3,
            "would_send": 2,
            "would_skip": 0,
            "would_dead_letter": 1,
        }
    ]
