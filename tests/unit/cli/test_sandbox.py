"""``sandbox``: a program that can be asked and stopped."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

from click.testing import CliRunner

from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli


def test_it_serves_says_where_and_stops(tmp_path):
    arguments = ["sandbox", "--port", "0", "--token", "abc", "--rate", "0", "--db", str(tmp_path / "sandbox.db")]
    process = subprocess.Popen([sys.executable, "-u", "-m", "consumer", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("webhook: http://127.0.0.1:")
        assert line.endswith("/hook/abc\n")
        url = line.removeprefix("webhook: ").strip()
        request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as response:
            assert (response.status, json.load(response)) == (200, {})
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == ExitCode.OK
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "sandbox.db").exists()


def test_a_port_in_use_is_one_line_with_a_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["sandbox", "--port", str(port)])
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr.startswith(f"error: 127.0.0.1:{port} cannot be listened on")
    assert "choose another --port" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be one" * 50)
    result = CliRunner().invoke(cli, ["sandbox", "--port", "0", "--db", str(tmp_path / "notes.txt")])
    assert result.exit_code == ExitCode.FAILED
    assert "cannot be used as --db" in result.stderr


def test_a_token_has_to_be_a_part_of_a_url():
    done = subprocess.run(
        [sys.executable, "-m", "consumer", "sandbox", "--port", "0", "--token", "a b"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--token" in done.stderr
