"""What the benchmarks of the whole service share: events in a topic, a sink for the POSTs, the service, its CPU.

The service runs as people run it, as a process of its own (``python -m consumer run``); its CPU is what the kernel has
booked for it, all threads, user and system. Broker and sink are other processes and count for nothing. Kafka is found
as the tests find it; the sink is nginx, which answers every POST with 200 and an empty object.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import timeit
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import confluent_kafka
import orjson
import yaml
from confluent_kafka import Producer

from benchmarks.mapping import event
from tests.kafka.discover import real_kafka
from tests.kafka.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tests.kafka.client import Broker

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
RESULTS = ROOT / "benchmarks" / "results"
START_SECONDS = 30
SAMPLE_SECONDS = 0.2


def machine() -> dict[str, Any]:
    """Where and with what a figure was measured."""
    info, shown = Path("/proc/cpuinfo"), event(1)
    model = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
        "orjson": version("orjson"),
        "httptools": version("httptools"),
        # The speed of the machine at this moment, for comparing runs: one thread, best of many, and 1.6 KB of JSON.
        "orjson_loads_us": round(min(timeit.repeat(lambda: orjson.loads(shown), number=200, repeat=50)) / 200 * 1e6, 2),
        "commit": _output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "date": time.strftime("%Y-%m-%d"),
    }


def report(name: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> None:
    """Print a table, and write it as JSON (``benchmarks/results/<name>.json``) with the machine beside it."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    print()
    for line in cells:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    result = {"benchmark": name, "machine": machine(), **more, "rows": list(rows)}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{json.dumps(result['machine'])}\nwritten: benchmarks/results/{name}.json")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


# ---- events


def wanted(count: int, keys: int = 5_000) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of identify (3 of 5) and group events of 1.5 KB, over so many users and companies."""
    shown = [event(number) for number in range(keys)]
    for number in range(count):
        made = shown[number % keys]
        yield str(number % keys).encode(), made


def unwanted(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Of the same size, and of a type that no default mapping wants."""
    shown = [event(number, "track") for number in range(1_000)]
    return ((str(number % 1_000).encode(), shown[number % 1_000]) for number in range(count))


def fill(broker: Broker, events: Iterable[tuple[bytes, bytes]], partitions: int = 4) -> str:
    """A new topic that holds them; its name."""
    topic = broker.unique("bench")
    broker.create_topic(topic, partitions)
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 20, "queue.buffering.max.kbytes": 262_144}
    )
    for key, value in events:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(120)
    return topic


# ---- the sink


class Nginx:
    """Answers every POST with 200, plainly and over TLS; ``requests`` says how many it has answered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.http_port, self.tls_port, self._status_port = free_port(), free_port(), free_port()
        self.ca_file = folder / "cert.pem"
        certificate = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(self.ca_file)]
        subprocess.run(["openssl", "req", *certificate, *names, *files], check=True, capture_output=True)
        answer = "location / { default_type application/json; return 200 '{}'; }"
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 2048; }}
            http {{ access_log off; keepalive_requests 1000000000; client_max_body_size 64m; {temporary}
            server {{ listen 127.0.0.1:{self.http_port}; {answer} }}
            server {{ listen 127.0.0.1:{self.tls_port} ssl; ssl_certificate {self.ca_file};
                      ssl_certificate_key {folder}/key.pem; {answer} }}
            server {{ listen 127.0.0.1:{self._status_port}; location / {{ stub_status; }} }} }}"""
        )

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(["nginx", "-e", "stderr", "-p", str(self._folder), "-c", "nginx.conf"])
        wait_until(lambda: connects(self._status_port), "nginx listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def url(self, *, tls: bool) -> str:
        """Where to post."""
        return f"https://127.0.0.1:{self.tls_port}/hook" if tls else f"http://127.0.0.1:{self.http_port}/hook"

    def requests(self) -> int:
        """Requests answered so far, its own status page's left out."""
        text = get(f"http://127.0.0.1:{self._status_port}/")
        self._asked = getattr(self, "_asked", 0) + 1
        return int(text.splitlines()[2].split()[2]) - self._asked


# ---- the service


@dataclass(frozen=True, slots=True)
class Sample:
    """The service at one moment: monotonic seconds, its CPU seconds so far, events ended so far."""

    at: float
    cpu: float
    ended: int


class Service:
    """``chartmogul-consumer run`` with these settings, or another program that does the same (``command``).

    How far it is, ``ended`` says, or else its metrics: with many partitions a scrape costs milliseconds, and no
    Prometheus asks five times a second.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        folder: Path,
        command: Sequence[str] = (),
        ended: Callable[[], int] | None = None,
    ) -> None:
        self._ended = ended
        self._settings = dict(settings)
        self._folder = folder
        self._command = list(command) or [sys.executable, "-m", "consumer"]
        self.port = self._settings["http"]["port"]

    def __enter__(self) -> Self:
        config = self._folder / f"settings-{time.monotonic_ns()}.yaml"
        config.write_text(yaml.safe_dump(self._settings))
        self.log = config.with_suffix(".log")
        with self.log.open("wb") as log:
            self.started_at = time.monotonic()
            self._process = subprocess.Popen(
                [*self._command, "run", "--config", str(config)], stdout=log, stderr=log, cwd=ROOT
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def sample(self) -> Sample | None:
        """How far it is; None before its endpoints answer."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the service ended:\n{self.log.read_text()[-2000:]}")
        try:
            ended = self._ended() if self._ended else ended_of(get(f"http://127.0.0.1:{self.port}/metrics"))
        except OSError:
            return None
        return Sample(time.monotonic(), cpu_seconds(self.pid), ended)

    def measure(self, count: int, seconds: float = 240.0) -> list[Sample]:
        """Samples until ``count`` events have ended."""
        samples: list[Sample] = []
        deadline = time.monotonic() + seconds
        while not samples or samples[-1].ended < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{samples[-1:]} after {seconds} s:\n{self.log.read_text()[-2000:]}")
            time.sleep(SAMPLE_SECONDS)
            if (sample := self.sample()) is not None:
                samples.append(sample)
        return samples


def rates(samples: Sequence[Sample], count: int) -> dict[str, float]:
    """Events a second and CPU microseconds an event, from the steady part: its start and its end are left out."""
    steady = [sample for sample in samples if count * 0.1 <= sample.ended < count]
    if len(steady) < 3:
        raise RuntimeError(f"too few events to measure: {len(steady)} samples of the steady part")
    first, last = steady[0], steady[-1]
    events = last.ended - first.ended
    return {
        "events_per_second": round(events / (last.at - first.at)),
        "cpu_us_per_event": round((last.cpu - first.cpu) / events * 1e6, 1),
        "cpu_share": round((last.cpu - first.cpu) / (last.at - first.at), 2),
    }


def settings(broker: Broker, topic: str, url: str, folder: Path, **sections: Mapping[str, Any] | str) -> dict[str, Any]:
    """Settings of a run without a rate limit; ``sections`` are laid over them."""
    (folder / "url").write_text(url)
    result: dict[str, Any] = {
        "kafka": {
            "bootstrap_servers": broker.bootstrap_servers,
            "group_id": broker.unique("bench"),
            "topics": [topic],
            "start_from": "earliest",
        },
        "destination": {"webhook_url_file": str(folder / "url")},
        "delivery": {"requests_per_second": None, "concurrency": 64, "drain_timeout_seconds": 2},
        "dead_letter": {"topic": "bench-dead-letters", "create": True},
        "http": {"host": "127.0.0.1", "port": free_port()},
    }
    for name, section in sections.items():
        result[name] = section if isinstance(section, str) else {**result.get(name, {}), **section}
    return result


@contextmanager
def rig() -> Iterator[tuple[Broker, Nginx, Path]]:
    """Kafka, nginx and a folder for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as name, real_kafka() as broker, Nginx(Path(name)) as nginx:
        yield broker, nginx, Path(name)


# ---- processes


def cpu_seconds(pid: int) -> float:
    """User and system of a process, all its threads and the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICK


def thread_seconds(pid: int) -> dict[str, float]:
    """CPU by thread: ``main``, and the names of the others (those that share one added up)."""
    result: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = "main" if task.name == str(pid) else (task / "comm").read_text().strip()
            nanoseconds = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        result[name] = result.get(name, 0.0) + nanoseconds / 1e9
    return result


def machine_seconds() -> tuple[float, float]:
    """What the machine's cores have worked, and that with what they have idled."""
    fields = [int(field) / TICK for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return sum(fields) - sum(fields[3:5]), sum(fields)


def rss_mb(pid: int, field: str = "VmHWM") -> float:
    """Resident memory, in MB of 1,000,000 bytes: VmHWM its peak, VmRSS now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


def ended_of(metrics: str) -> int:
    """Deliveries ended, whatever their outcome, in a scrape's text."""
    name = "chartmogul_consumer_deliveries_ended_total{"
    return int(sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(name)))


def quantile(values: Sequence[float], part: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * part))]


def get(url: str) -> str:
    """A page's text."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: bytes = answer.read()
    return text.decode()


def connects(port: int) -> bool:
    """Whether something listens on the loopback's port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Ask until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    return done.stdout.strip()


def load_json(path: Path) -> Any:
    """A result's file."""
    return orjson.loads(path.read_bytes())
