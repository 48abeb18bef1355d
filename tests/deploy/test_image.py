"""The Dockerfile: what the linter and its own promises say. Building it takes an engine, and is no test here."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution

from consumer.cli.main import cli
from tests.deploy.tooling import DEPLOY, ROOT, run, tool

FILE = DEPLOY / "Dockerfile"
TEXT = FILE.read_text()
LINES = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
FINAL = LINES[max(n for n, line in enumerate(LINES) if line.startswith("FROM ")) :]


def instruction(name: str) -> str:
    """The argument of the last stage's one instruction of a name."""
    (found,) = [line.removeprefix(f"{name} ") for line in FINAL if line.startswith(f"{name} ")]
    return found


def test_hadolint_has_nothing_to_say():
    ran = run(tool("hadolint"), "--no-color", str(FILE))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_base_image_has_one_fixed_tag():
    assert [line for line in LINES if line.startswith("FROM ")] == [
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM ${PYTHON_IMAGE}",
    ]
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", TEXT, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)


def test_it_runs_as_a_number_that_is_not_root_and_that_the_chart_knows():
    user, group = map(int, instruction("USER").split(":"))
    assert user > 0
    text = (DEPLOY / "chart/templates/workload.yaml").read_text()
    assert f"runAsUser: {user}\n" in text
    assert f"runAsGroup: {group}\n" in text


def test_what_starts_needs_no_shell_and_is_a_command():
    entry, arguments = json.loads(instruction("ENTRYPOINT")), json.loads(instruction("CMD"))
    assert entry == ["chartmogul-consumer"]
    context = cli.make_context(entry[0], arguments)
    command = cli.get_command(context, arguments[0])
    assert command is not None
    # Within its group, as it is called: click keeps what it makes of a command's help option the first time.
    of_run = command.make_context("run", arguments[1:], parent=context)
    assert of_run.params["config"].name == "settings.yaml"


def test_everything_is_installed_by_hash():
    installs = re.findall(r"pip (?:--python \S+ )?install [^&]*", "\n".join(LINES))
    assert len(installs) == 3
    for each in installs:
        assert "--require-hashes --only-binary :all:" in each or "--no-deps --no-index" in each


def test_what_builds_the_wheel_is_picked_out_of_the_lock_whole():
    (names,) = re.findall(r"\^\(([\w|-]+)\)==", TEXT)
    wanted, todo = set(), ["hatchling"]
    while todo:
        name = todo.pop()
        wanted.add(name)
        needs = [
            each
            for each in distribution(name).requires or []
            if "extra ==" not in each and "python_version" not in each
        ]
        todo += {re.split(r"[^A-Za-z0-9._-]", each)[0].lower() for each in needs} - wanted
    assert set(names.split("|")) == wanted
    locked = (ROOT / "requirements-dev.lock").read_text()
    assert all(re.search(rf"^{name}==\S+ \\$", locked, re.MULTILINE) for name in wanted)


def test_the_context_has_what_is_copied_and_nothing_else():
    copied = {
        source for line in LINES if line.startswith("COPY ") and "--from" not in line for source in line.split()[1:-1]
    }
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_it_is_labelled():
    label = instruction("LABEL")
    for name in ("title", "description", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{name}=" in label
