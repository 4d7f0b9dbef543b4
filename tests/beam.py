"""A Beam proxy in its place, as one application sees it (samply/beam, `beam-lib`): it hands out tasks, and keeps the results."""

import base64
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

APP, KEY, SPOT = "focus.site1.localhost", "k1", "spot.central.localhost"
_NAMES = UUID("6f2f0b0e-7d5e-4e0c-9a0a-0f2f6a4d6f11")


def task(name: str, ast: object) -> dict[str, Any]:
    """The task that Spot makes of the explorer's question: three encodings, one in the other."""
    search = str(uuid5(_NAMES, name))
    asked = {"ast": ast, "id": f"{search}__search__{search}"}
    return {
        "id": search,
        "from": SPOT,
        "to": [APP],
        "body": encoded({"lang": "ast", "query": encoded(asked)}),
        "ttl": "360s",
        "failure_strategy": {"retry": {"backoff_millisecs": 1000, "max_tries": 5}},
        "metadata": {"project": "eucaim", "transform": "none"},
    }


def encoded(value: object) -> str:
    """As the explorer encodes: base64 of compact JSON."""
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


@dataclass
class Beam:
    """What waits to be fetched, and what was reported: each task's results, in their order."""

    url: str = ""
    todo: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    results: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def ask(self, asked: dict[str, Any], seconds: float = 60) -> list[dict[str, Any]]:
        """The results of one task, to the last; raises queue.Empty where none came in time."""
        self.todo.put(asked)
        found = [self.results.get(timeout=seconds)]
        while found[-1]["status"] == "claimed":
            found.append(self.results.get(timeout=seconds))
        return found


@contextmanager
def beam() -> Iterator[Beam]:
    """A proxy on loopback until the block ends."""
    made = Beam()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"beam": made}))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    beam: Beam

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/v1/health":
            self._answer(200, {})
        elif self._known() and asked.path == "/v1/tasks":
            self._tasks()
        else:
            self._answer(404 if self._known() else 401, {})

    def do_PUT(self) -> None:
        result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self._known() and self.path == f"/v1/tasks/{result['task']}/results/{APP}"
        if known:
            self.beam.results.put(result)
        self._answer(201 if known else 401, {})

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _known(self) -> bool:
        return self.headers["Authorization"] == f"ApiKey {APP} {KEY}"

    def _tasks(self) -> None:
        """A task within a moment, else none; whoever has gone meanwhile is told nothing."""
        try:
            found = [self.beam.todo.get(timeout=0.1)]
        except queue.Empty:
            found = []
        with suppress(ConnectionError):
            self._answer(200 if found else 504, found)

    def _answer(self, status: int, body: object) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
