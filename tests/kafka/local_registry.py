"""A schema registry in a thread: the part of Confluent's API that producers and this consumer use, and its faults.

Written down from Confluent's API reference: ids are global and begin with 1, the same schema has the same id, and what
is not there is a 404 with error code 40401 (subject), 40402 (version) or 40403 (schema).
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import unquote

if TYPE_CHECKING:
    import ssl


@dataclass
class LocalRegistry:
    """``with LocalRegistry() as registry: registry.register(...)``.

    Attributes:
        status: what every request is answered with instead, as long as it is not 0.
        authorization: what requests have to say; "" takes all.
        asked: paths, in order.
        tls: makes it https.
    """

    status: int = 0
    authorization: str = ""
    asked: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        registry = self
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}

        class Handler(_Handler):
            owner = registry

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def register(
        self,
        schema: Any,
        kind: str = "AVRO",
        subject: str = "events-value",
        references: list[dict[str, Any]] | None = None,
    ) -> int:
        """The id of a schema, new or not."""
        held = {"schema": json.dumps(schema)}
        if kind != "AVRO":  # left out for Avro, as Confluent's does
            held["schemaType"] = kind
        whole: dict[str, Any] = held | ({"references": references} if references else {})
        found = next((number for number, each in self.schemas.items() if each == whole), len(self.schemas) + 1)
        self.schemas[found] = whole
        self.subjects.setdefault(subject, []).append(found)
        return found

    def require_basic(self, username: str, password: str) -> None:
        """Refuse requests without these."""
        self.authorization = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and document of a GET."""
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["schemas", "ids", number]:
                if int(number) in self.schemas:
                    return 200, self.schemas[int(number)]
                return 404, {"error_code": 40403, "message": f"Schema {number} not found"}
            case ["subjects", subject, "versions", version]:
                if subject not in self.subjects:
                    return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
                ids = self.subjects[subject]
                if not 1 <= int(version) <= len(ids):
                    return 404, {"error_code": 40402, "message": f"Version {version} not found."}
                number = ids[int(version) - 1]
                return 200, self.schemas[number] | {"subject": subject, "version": int(version), "id": number}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[LocalRegistry]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        owner = self.owner
        owner.asked.append(self.path)
        if owner.status:
            status, document = owner.status, {"error_code": owner.status * 100, "message": "Register operation failed"}
        elif owner.authorization and self.headers.get("authorization") != owner.authorization:
            status, document = 401, {"error_code": 401, "message": "Unauthorized"}
        else:
            status, document = owner.answer(self.path)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return
