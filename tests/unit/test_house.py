"""The house rules that a machine can hold: which way imports run, what a pure package may know, how long a module is.

Each check is a function from a module's name and source to complaints, so that the tests at the end can show it a
module that breaks the rule: a check that never complains would hold nothing.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]

PURE: Final = ("segment", "chartmogul", "delivery")
"""These decide, and decide the same for the same input: no I/O, no clock, no chance of their own."""

MAY_IMPORT: Final[dict[str, tuple[str, ...]]] = {
    "errors": ("outcomes",),
    "outcomes": (),
    "resources": (),
    "reads": (),
    "segment": ("errors", "outcomes", "reads"),
    "chartmogul": ("segment", "errors", "outcomes", "reads"),
    "delivery": ("errors", "outcomes"),
    "config": ("segment", "chartmogul", "errors", "outcomes", "resources", "webhook.target"),
    "webhook": ("errors", "outcomes"),
    "kafka": ("delivery", "errors", "outcomes", "reads", "resources", "config.owned"),
    "ops": ("delivery", "errors", "outcomes", "resources"),
    "sandbox": ("errors", "outcomes", "resources"),
    "sandbox.demo": ("app", "config", "errors", "kafka.embedded", "ops.snapshot", "outcomes", "resources"),  # it wires
}
"""Per part of the package (or module of it), the other parts it may know. What is not listed (cli, service, ...) wires, and may know all
parts but those of ONLY_FOR."""

ONLY_FOR: Final[dict[str, tuple[str, ...]]] = {
    "sandbox": ("sandbox", "cli.demo", "cli.sandbox"),
    "cli": ("cli", "__main__"),
}
"""Parts that nobody else may import: the stand-in must not come into the service, nor the service lean on a command."""

IMPURE: Final = frozenset(
    [
        "asyncio",
        "concurrent",
        "ctypes",
        "fcntl",
        "glob",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
    ]
)
PURE_THIRD_PARTY: Final = frozenset({"liquid", "msgspec", "orjson"})
CONSOLE: Final = frozenset({"click", "rich"})
LONGEST: Final = 400
LONGEST_TESTS: Final = 600  # tables of cases are long, and simple
LONGER: Final = {
    "consumer/delivery/machine.py": "one state machine: its invariants are read together",
}


@dataclass(frozen=True, slots=True)
class Imported:
    name: str
    line: int
    for_types_only: bool


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """Every node of a module, parsed once: each check asks anew."""
    return tuple(ast.walk(ast.parse(source)))


def imports(source: str) -> Iterator[Imported]:
    """Every import of a module, those inside functions too."""
    types_only = {
        id(inner)
        for node in nodes(source)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, node.lineno, id(node) in types_only)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides which way an arrow points"
            for alias in node.names:
                yield Imported(f"{node.module}.{alias.name}", node.lineno, id(node) in types_only)


@cache
def calls(source: str) -> tuple[tuple[int, str], ...]:
    """Line and dotted name of every call that has one: ``datetime.now``."""
    found = []
    for node in nodes(source):
        if isinstance(node, ast.Call):
            parts, function = [], node.func
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name):
                found.append((node.lineno, ".".join(reversed([*parts, function.id]))))
    return tuple(found)


def within(module: str, part: str) -> bool:
    """Whether a name, relative to the package, is a part or lies in it."""
    return module == part or module.startswith(f"{part}.")


def wrong_arrows(module: str, source: str) -> list[str]:
    """``module`` is relative to the package: ``kafka.poll``."""
    own = module.split(".", maxsplit=1)[0]
    complaints = []
    for imported in imports(source):
        target = imported.name.removeprefix("consumer").removeprefix(".")
        if not within(imported.name, "consumer") or target in ("", "__version__") or within(target, own):
            continue
        where = f"{module}:{imported.line} imports consumer.{target}"
        allowed = MAY_IMPORT.get(module, MAY_IMPORT.get(own))
        if allowed is not None and not any(within(target, part) for part in allowed):
            complaints.append(f"{where}: it may know {', '.join(allowed) or 'no other part'} only")
        for part, users in ONLY_FOR.items():
            if within(target, part) and not any(within(module, user) for user in users):
                complaints.append(f"{where}: only {', '.join(users)} may")
    return complaints


def impurities(module: str, source: str) -> list[str]:
    """Clocks, chance, files, network, threads and libraries that a pure package uses."""
    complaints = []
    for imported in imports(source):
        top = imported.name.split(".")[0]
        if imported.for_types_only or top in {"consumer", "__future__"} | PURE_THIRD_PARTY:
            continue
        if any(within(imported.name, impure) for impure in IMPURE):
            complaints.append(
                f"{module}:{imported.line} imports {imported.name}: pass in what it needs (time as `now`)"
            )
        elif top not in sys.stdlib_module_names:
            complaints.append(
                f"{module}:{imported.line} imports {top}: only {sorted(PURE_THIRD_PARTY)} are known as pure"
            )
    for line, called in calls(source):
        if called in {"open", "input"} or re.fullmatch(r"(.*\.)?(datetime|date)\.(now|utcnow|today)", called):
            complaints.append(f"{module}:{line} calls {called}: a pure package reads no file and no clock")
    return complaints


def console_writes(module: str, source: str) -> list[str]:
    """What only commands may do: write to a terminal. The service logs."""
    complaints = [
        f"{module}:{imported.line} imports {imported.name}: only cli writes to a console"
        for imported in imports(source)
        if imported.name.split(".")[0] in CONSOLE
    ]
    return complaints + [
        f"{module}:{line} calls {called}: only cli writes to a console"
        for line, called in calls(source)
        if re.fullmatch(r"print|sys\.std(out|err)\..*", called)
    ]


# Written apart, so that this file does not complain of itself.
OUT_OF_PLACE: Final = {
    "a path of somebody's machine": re.compile(r"(?<![\w.$}])/(?:" + r"work|root|home/\w+|Users/\w+" + r")/"),
    "a temporary path of somebody's machine": re.compile(r"(?<![\w.$}])/tmp" + r"/\w"),
    "a registry's host": re.compile(
        r"\b(?:"
        r"pypi|pythonhosted|npmjs|crates|maven|proxy\.golang|deb\.debian"
        r")\.(?:org|io|com)\b(?<!maven\.apache\.org)"
    ),
    "an index setting": re.compile(r"^--?(?:(?:extra-)?index-url|find-links|trusted-host)\b", re.MULTILINE),
}


def out_of_place(path: str, text: str) -> list[str]:
    """Paths and hosts that hold on one machine only."""
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1} has {what}: {found[0]}"
        for what, pattern in OUT_OF_PLACE.items()
        for found in pattern.finditer(text)
    ]


@cache
def tree() -> tuple[Path, ...]:
    """Every file of the project: what git tracks or would; without git (a source archive) what is not hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(p.startswith(".") for p in path.relative_to(ROOT).parts)]
    return tuple(path for path in paths if path.is_file())


def package() -> Iterator[tuple[str, str]]:
    """Name, relative to the package, and source of each of its modules."""
    for path in sorted((ROOT / "consumer").rglob("*.py")):
        parts = path.relative_to(ROOT / "consumer").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path.read_text(encoding="utf-8")


def show(complaints: list[str]) -> str:
    return "\n" + "\n".join(complaints)


def test_imports_run_one_way() -> None:
    complaints = [each for name, source in package() for each in wrong_arrows(name, source)]
    assert not complaints, show(complaints)


def test_pure_packages_are_pure() -> None:
    complaints = [
        each for name, source in package() if any(within(name, p) for p in PURE) for each in impurities(name, source)
    ]
    assert not complaints, show(complaints)


def test_the_service_never_brings_the_sandbox_in() -> None:
    """Along every import that ``run`` can reach; the command table (cli.main) names all commands and is no part of it."""
    sources = dict(package())
    reached, todo = set(), [name for name in sources if name in ("app", "service", "cli.run")]
    while todo:
        module = todo.pop()
        if module in reached:
            continue
        reached.add(module)
        for imported in imports(sources[module]):
            target = imported.name.removeprefix("consumer.")
            # `from consumer.a import b`: b is a module, or a name in the module a.
            todo += [name for name in (target, target.rpartition(".")[0]) if name in sources and name != "cli.main"]
    assert not [name for name in reached if within(name, "sandbox")]


def test_only_commands_write_to_a_console() -> None:
    complaints = [
        each for name, source in package() if not within(name, "cli") for each in console_writes(name, source)
    ]
    assert not complaints, show(complaints)


def too_long(path: str, lines: int) -> str | None:
    """``path`` is relative to the project."""
    most = LONGEST_TESTS if path.startswith("tests/") else LONGEST
    if path in LONGER:
        return None if lines > most else f"{path} is in LONGER, and need not be"
    return f"{path} has {lines} lines: at most {most}" if lines > most else None


def test_modules_are_short() -> None:
    modules = [path for path in tree() if path.suffix == ".py"]
    assert modules
    complaints = [
        complaint
        for path in modules
        if (complaint := too_long(str(path.relative_to(ROOT)), len(path.read_text(encoding="utf-8").splitlines())))
    ]
    assert not complaints, show(complaints)


def test_nothing_names_a_machine_or_a_registry() -> None:
    complaints = []
    for path in tree():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        complaints += out_of_place(str(path.relative_to(ROOT)), text)
    assert not complaints, show(complaints)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    page = (ROOT / "docs" / "decisions" / "001-dependencies.md").read_text(encoding="utf-8")
    missing = [name for each in named if f"`{(name := re.split(r'[^A-Za-z0-9-]', each)[0])}`" not in page]
    assert named
    assert not missing, f"not in docs/decisions/001-dependencies.md: {', '.join(missing)}"


@pytest.mark.parametrize("package_name", [*PURE, "kafka", "webhook", "sandbox", "ops", "cli", "config"])
def test_each_package_says_what_it_owns(package_name: str) -> None:
    source = (ROOT / "consumer" / package_name / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("segment.fql", "from consumer.chartmogul import fields"),
        ("segment.fql", "import consumer.delivery.machine"),
        ("delivery.gate", "from consumer.kafka.poll import Poll"),
        ("delivery.gate", "def f():\n    from consumer import config"),
        ("kafka.poll", "from consumer.webhook.stock import StockClient"),
        ("webhook.stock", "from consumer.sandbox import server"),
        ("service", "from consumer.sandbox.server import Sandbox"),
        ("service", "from consumer.cli import app"),
        ("cli.run", "from consumer import sandbox"),
    ],
)
def test_a_wrong_arrow_is_seen(module: str, source: str) -> None:
    assert wrong_arrows(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("chartmogul.router", "from consumer.segment.mapping import Mapping\nfrom consumer.outcomes import Post"),
        ("chartmogul.router", "from consumer.chartmogul.fields import FIELDS"),
        ("webhook.stock", "from consumer import __version__"),
        ("cli.demo", "from consumer.sandbox.server import Sandbox\nfrom consumer.service import Service"),
        ("service", "from consumer.kafka.poll import Poll\nfrom consumer.webhook.stock import StockClient"),
    ],
)
def test_a_right_arrow_is_left_alone(module: str, source: str) -> None:
    assert wrong_arrows(module, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "def f():\n    from asyncio import sleep",
        "import os.path",
        "from urllib import request",
        "import random",
        "import httpx",
        "from datetime import datetime, UTC\nNOW = datetime.now(UTC)",
        "text = open('mappings.json').read()",
    ],
)
def test_an_impurity_is_seen(source: str) -> None:
    assert impurities("delivery.gate", source)


def test_a_type_is_no_impurity() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from random import Random\nimport orjson, urllib.parse"
    assert impurities("delivery.retry", source) == []


@pytest.mark.parametrize("source", ["print('x')", "import sys\nsys.stderr.write('x')", "from rich.table import Table"])
def test_a_console_write_is_seen(source: str) -> None:
    assert console_writes("service", source)


@pytest.mark.parametrize(
    ("path", "lines", "complains"),
    [
        ("consumer/kafka/poll.py", LONGEST, False),
        ("consumer/kafka/poll.py", LONGEST + 1, True),
        ("tests/unit/test_poll.py", LONGEST + 1, False),
        ("tests/unit/test_poll.py", LONGEST_TESTS + 1, True),
        (next(iter(LONGER)), LONGEST + 1, False),
        (next(iter(LONGER)), LONGEST, True),
    ],
)
def test_a_long_module_is_seen(path: str, lines: int, complains: bool) -> None:
    assert complains == (too_long(path, lines) is not None)


@pytest.mark.parametrize(
    "text",
    [
        "see /" + "home/anna/project/notes",
        '"/' + 'root/.cache/x"',
        "open('/" + "tmp/x.json')",
        "https://" + "pypi." + "org/simple",
        "image: x\n--extra-" + "index-url https://example.com",
    ],
)
def test_a_machine_or_a_registry_is_seen(text: str) -> None:
    assert out_of_place("README.md", text)


@pytest.mark.parametrize(
    "text", ["$HOME/tmp/x", "https://example.com/home/", "a framework/root/", "docs/work/x", "/tmp"]
)
def test_a_path_of_no_machine_is_left_alone(text: str) -> None:
    assert out_of_place("README.md", text) == []
