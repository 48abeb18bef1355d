"""What is released: wheel and source archive carry what they need and nothing else, under one version."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from consumer import __version__

ROOT = Path(__file__).parents[2]
NAME = f"segment_chartmogul_consumer-{__version__}"
DATA = {".json", ".jsonl", ".yaml", ".avsc"}
"""What the wheel takes of schemas/; the package itself holds Python and one marker."""


def files(folder: str) -> set[str]:
    """Every file below a folder of the checkout but caches, as paths from its root."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with both archives, the wheel built from the source archive, as those who package it do."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


def test_the_wheel_is_the_package_and_the_schemas(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    own = {name for name in names if name.startswith(f"{NAME}.dist-info/")}
    schemas = {
        name.replace("schemas/", "consumer/_schemas/", 1) for name in files("schemas") if Path(name).suffix in DATA
    }
    assert names - own == files("consumer") | schemas
    assert {name.removeprefix(f"{NAME}.dist-info/") for name in own} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_source_archive_is_what_the_wheel_is_built_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.removeprefix(f"{NAME}/") for member in archive.getmembers() if member.isfile()}
    told = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", ".gitignore"}
    assert names == files("consumer") | files("schemas") | told


def test_nothing_lies_in_the_packages_that_is_neither_code_nor_schema():
    assert {Path(name).suffix for name in files("consumer") - {"consumer/py.typed"}} == {".py"}
    assert {name for name in files("schemas") if Path(name).suffix not in DATA} == {"schemas/examples/generate.py"}


def test_the_version_stands_in_one_place(built):
    assert {path.name.removesuffix("-py3-none-any.whl").removesuffix(".tar.gz") for path in built.iterdir()} == {NAME}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    # Helm reads nothing outside a chart, so that is the one copy, and it is held to this one.
    chart = yaml.safe_load((ROOT / "deploy/chart/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_lock_files_name_every_dependency_with_hashes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["dependency-groups"]["dev"],
        "requirements-release.lock": project["dependency-groups"]["release"],
    }
    for name, wanted in groups.items():
        text = (ROOT / name).read_text()
        locked = set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
        assert {re.split(r"[^A-Za-z0-9_.-]", each)[0].lower() for each in wanted} <= locked, name
        assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:])
