from __future__ import annotations

import subprocess
import sys

from consumer.webhook.client import Headers, Options, Response


def test_headers_are_a_mapping_by_lower_case_name():
    headers = Headers(iter, [(b"Retry-After", b"7"), (b"X-A", b" 1 "), (b"x-a", b"\xe9")])
    assert headers == {"retry-after": "7", "x-a": "1, \xe9"}
    assert headers["retry-after"] == "7"
    assert headers.get("Retry-After") is None
    assert list(headers) == ["retry-after", "x-a"]
    assert len(headers) == 2


def test_reprs_hold_neither_bodies_nor_passwords():
    assert "pr1vate" not in repr(Response(400, Headers(list, [(b"x", b"pr1vate")]), b"pr1vate"))
    options = Options(1.0, 1, None, "http://user:pr1vate@proxy", "agent", "type")
    assert "pr1vate" not in repr(options)


def test_the_lean_client_does_not_import_httpx():
    """It is what makes a start slow."""
    code = (
        "import sys\nfrom consumer.webhook.client import open_client\n"
        "open_client('lean', url='https://h/')\nsys.exit('httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
