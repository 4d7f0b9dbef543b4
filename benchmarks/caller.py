"""A caller of one URL, or of several in turn, in a process of its own so that no other side's work is counted as the server's.

Reads a JSON object from standard input: urls, headers, connections, seconds. Keeps its connections alive, asks on each again as
soon as it was answered in full, and writes what it saw as JSON. Answers other than 200 are errors. A body that has no length and
isn't chunked ends with its connection (RFC 9112 section 6.3), and a new one is made.
"""

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from urllib.parse import urlsplit

BUFFER = bytearray(1 << 20)
WARM = 0.2
LAST = b"\r\n0\r\n\r\n"
"""How a chunked body ends (RFC 9112 7.1). No JSON text has CRLF within, so it ends nowhere else."""


class Connection:
    """One kept connection and the answer it waits for."""

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.address, self.requests, self.closes = address, requests, True
        self.ask()

    def ask(self) -> None:
        """Send the next request."""
        if self.closes:
            self.socket = socket.create_connection(self.address, timeout=60)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head, self.missing, self.size, self.tail, self.closes = b"", -1, 0, b"", False
        self.asked = time.perf_counter()
        self.socket.sendall(next(self.requests))

    def read(self) -> bool:
        """Take what has come; whether the answer is whole."""
        count = self.socket.recv_into(BUFFER)
        if self.closes:
            self.size, self.missing = self.size + count, count
        elif not count:
            raise ConnectionError("closed before the answer was whole")
        elif self.tail:
            self._chunked(count, bytes(BUFFER[max(count - len(LAST), 0) : count]))
        elif self.missing >= 0:
            self.missing -= count
        else:
            self._begin(bytes(BUFFER[:count]))
        return self.missing == 0

    def _begin(self, came: bytes) -> None:
        self.head += came
        head, ended, body = self.head.partition(b"\r\n\r\n")
        if not ended:
            return
        status, *lines = head.split(b"\r\n")
        if status.split()[1] != b"200":
            raise ConnectionError(head.decode("latin-1"))
        fields = dict(line.lower().split(b":", 1) for line in lines)
        if b"transfer-encoding" in fields:
            self.missing = 1
            self._chunked(len(body), b"\r\n" + body)
            return
        if b"content-length" not in fields:
            self.closes, self.size, self.missing = True, len(body), 1
            return
        self.size = int(fields[b"content-length"])
        self.missing = self.size - len(body)

    def _chunked(self, count: int, last: bytes) -> None:
        """So much came, and these are the last bytes of it; the size counts the chunks' own lengths too."""
        self.size += count
        self.tail = (self.tail + last)[-len(LAST) :]
        self.missing = int(self.tail != LAST)


def drive(urls: list[str], headers: dict[str, str], connections: int, seconds: float) -> dict[str, float]:
    """Ask one server for `seconds`, after a moment that is not counted."""
    parts, requests = urlsplit(urls[0]), cycle([_request(url, headers) for url in urls])
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection((parts.hostname or "", parts.port or 80), requests)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    return _told(*_asked(selector, seconds))


def _request(url: str, headers: dict[str, str]) -> bytes:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _asked(selector: selectors.BaseSelector, seconds: float) -> tuple[list[float], int, int, float]:
    """How long each answer took, answers in all, the size of one, and the seconds that counted: more for who is slow."""
    took: list[float] = []
    answers = size = 0
    counted = time.perf_counter() + WARM
    while (now := time.perf_counter()) < counted + seconds or len(took) < 2 * len(selector.get_map()):
        for key, _ in selector.select(60):
            connection: Connection = key.data
            if connection.read():
                if connection.asked >= counted:
                    took.append(time.perf_counter() - connection.asked)
                answers, size = answers + 1, connection.size
                connection.ask()
            if connection.socket is not key.fileobj:
                selector.unregister(key.fileobj)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
    return sorted(took), answers, size, now - counted


def _told(took: list[float], answers: int, size: int, seconds: float) -> dict[str, float]:
    p50, p99 = (1000 * took[min(int(len(took) * at), len(took) - 1)] for at in (0.5, 0.99))
    return {"rate": len(took) / seconds, "p50": p50, "p99": p99, "answers": answers, "size": size}


if __name__ == "__main__":
    json.dump(drive(**json.load(sys.stdin)), sys.stdout)
