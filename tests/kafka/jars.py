"""Fetches the jars of Apache Kafka from Maven Central, once, into a cache folder.

The versions stand in ``pom.xml``. The folder's name carries the Kafka version and the pom's digest: a changed pom is
fetched anew, and once fetched, neither Maven nor a network is needed again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_SECONDS = 300
_JAVA_NEEDED = 17  # Kafka 4's broker


class KafkaNotToBeHadError(Exception):
    """Apache Kafka cannot be run on this machine; the message says what is missing."""


def kafka_version() -> str:
    """The Kafka version that ``pom.xml`` names."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text(encoding="utf-8"))
    assert found is not None, "pom.xml names no kafka.version"
    return found[1]


def java_version(java: str) -> int:
    """The major version of the Java runtime at ``java`` (1.8 counts as 8)."""
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise KafkaNotToBeHadError(f"java does not start: {error}") from error
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    if found is None:
        raise KafkaNotToBeHadError("java -version says nothing that can be read")
    return int(found[1])


def find_java() -> str:
    """The path of a Java runtime that Kafka 4's broker accepts: JAVA_HOME's, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java") if home else shutil.which("java")
    if java is None:
        raise KafkaNotToBeHadError("no java on PATH")
    if (version := java_version(java)) < _JAVA_NEEDED:
        raise KafkaNotToBeHadError(f"java is {version}, Kafka's broker needs {_JAVA_NEEDED} or later")
    return java


def kafka_jars() -> Path:
    """The folder with the broker's jars; the first call on a machine downloads some 45 MB.

    Raises:
        KafkaNotToBeHadError: they are not in the cache, and there is no mvn, or it could not fetch them.
    """
    folder = _folder()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaNotToBeHadError("no mvn on PATH to fetch Apache Kafka with")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Into a folder beside it, then renamed: an interrupted download is never taken for a whole one, and two test
    # runs at once do not see each other's halves.
    fetched = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _fetch(maven, fetched)
        try:
            fetched.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return folder


def in_cache() -> bool:
    """Whether ``kafka_jars`` would find them without Maven."""
    return _folder().is_dir()


def _folder() -> Path:
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "segment-chartmogul-consumer" / f"kafka-{kafka_version()}-{digest}"


def _fetch(maven: str, into: Path) -> None:
    command = [maven, "-q", "-B", "-ntp", "--strict-checksums", "-f", str(POM), _PLUGIN]
    command += [f"-DoutputDirectory={into}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise KafkaNotToBeHadError(f"mvn did not fetch Apache Kafka within {_FETCH_SECONDS} s") from error
    if done.returncode != 0:
        last = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line][:1]
        raise KafkaNotToBeHadError(f"mvn could not fetch Apache Kafka: {' '.join(last) or done.returncode}")
