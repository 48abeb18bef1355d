"""The original implementation as a process that answers cases: the installed npm packages behind ``oracle.mjs``.

It is looked for in this order: the folder that ORACLE_DIR names (``oracle.mjs`` with its packages installed), else the
optional ``shared/oracle`` beside the checkout, copied to a cache folder and installed there with npm, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Self
from zlib import crc32

from consumer.segment import js_json

BESIDE_THE_CHECKOUT = Path(__file__).parents[3] / "shared" / "oracle"


class OriginalNotToBeHadError(Exception):
    """Why the original cannot be run here."""


def find_original() -> Path:
    """The folder with ``oracle.mjs`` and its packages.

    Raises:
        OriginalNotToBeHadError: there is no node, no folder, or the packages cannot be installed.
    """
    if shutil.which("node") is None:
        raise OriginalNotToBeHadError("node is not installed")
    named = os.environ.get("ORACLE_DIR")
    if named:
        if not (Path(named) / "node_modules").is_dir():
            raise OriginalNotToBeHadError("ORACLE_DIR names a folder without installed packages (npm install)")
        return Path(named)
    if not (BESIDE_THE_CHECKOUT / "package.json").is_file() or shutil.which("npm") is None:
        raise OriginalNotToBeHadError(
            "ORACLE_DIR is not set, and there is no ../shared/oracle, or no npm to install it"
        )
    return _install()


def _install() -> Path:
    files = sorted(path for path in BESIDE_THE_CHECKOUT.iterdir() if path.is_file())
    version = crc32(b"".join(path.read_bytes() for path in files))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = cache / "segment-chartmogul-consumer" / f"original-{version:08x}"
    if not (target / ".installed").exists():
        target.mkdir(parents=True, exist_ok=True)
        for path in files:
            shutil.copy(path, target)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=target, capture_output=True, check=False, timeout=100)
        if done.returncode:
            raise OriginalNotToBeHadError("npm could not install the original's packages (no network?)")
        (target / ".installed").touch()
    return target


class Original:
    """The running process; ``ask`` may be called any number of times until the ``with`` block ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["node", "oracle.mjs"], cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(timeout=20)

    def ask(self, lines: list[str]) -> list[dict[str, Any]]:
        """Its result for each case, a line of JSON each."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        # It answers while it is still asked: with one thread both sides could wait for the other to read.
        writer = threading.Thread(target=lambda: (sink.write("\n".join(lines) + "\n"), sink.flush()))
        writer.start()
        answers = [js_json.decode(source.readline()) for _ in lines]
        writer.join()
        return answers

    def defaults(self) -> Any:
        """Its default subscriptions: trigger, action and mapping of each action."""
        script = (
            "import { loadImpl, defaultSubscriptions } from './lib.mjs';"
            "console.log(JSON.stringify(defaultSubscriptions(loadImpl().chartmogul)))"
        )
        command = ["node", "--input-type=module", "-e", script]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, check=True, encoding="utf-8")
        return js_json.decode(done.stdout)
