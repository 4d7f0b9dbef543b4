"""Clients' public key sets by URL (SMART App Launch 2.2, "Registering a client"; RFC 7517 section 5), fetched and kept.

Only from https and the hosts that the operator lists, without redirects, in bounded time and size. A key that is not in what is
kept makes it fetched once more, at most once a minute: clients rotate their keys, and strangers name any.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.identity import registered_jwks
from mappings import json_text
from mappings.failures import Failure, Invalid

log = logging.getLogger("accord.keys")
SECONDS = 5
"""Until a key set must be here."""
MOST_BYTES = 65_536
MOST_URLS = 1000
LEAST_SECONDS, DEFAULT_SECONDS, MOST_SECONDS = 60, 300, 86_400
"""How long what was fetched is kept: as its Cache-Control says, within bounds."""
NONE: dict[str, Any] = {"keys": []}
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})")


@dataclass(slots=True)
class _Kept:
    """What was fetched last, when that was tried, and how long it is good."""

    jwks: dict[str, Any] = field(default_factory=lambda: dict(NONE))
    tried: float = float("-inf")
    until: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySets:
    """The key sets of one process, by their URLs. Safe for many threads."""

    def __init__(
        self,
        hosts: Collection[str],
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts, self._transport, self._clock = frozenset(hosts), transport, clock
        self._kept: dict[str, _Kept] = {}

    def check(self, url: str) -> None:
        """Raises Invalid for a URL from which no keys are fetched."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.username or parts.fragment or parts.hostname not in self._hosts:
            told = ", ".join(sorted(self._hosts)) or "none; ACCORD_JWKS_HOSTS lists them"
            raise Invalid("jwks-url", f"A key set is fetched by https from these hosts only: {told}.", "jwks_url")

    def read(self, url: str, kid: str) -> dict[str, Any]:
        """The key set at a registered URL, fetched anew where what is kept is old or lacks the key called `kid`.

        Without any key where it can't be had; the log says why.
        """
        kept = self._of(url)
        if self._is_good(kept, kid) or not kept.lock.acquire(blocking=not kept.jwks["keys"]):
            return kept.jwks  # somebody else fetches it: whoever can do without does not wait
        try:
            if not self._is_good(kept, kid):
                self._fetch(url, kept)
            return kept.jwks
        finally:
            kept.lock.release()

    def _of(self, url: str) -> _Kept:
        if url not in self._kept and len(self._kept) >= MOST_URLS:
            self._kept.pop(next(iter(self._kept)), None)
        return self._kept.setdefault(url, _Kept())

    def _is_good(self, kept: _Kept, kid: str) -> bool:
        now = self._clock()
        if now - kept.tried < LEAST_SECONDS:
            return True
        return now < kept.until and any(key.get("kid") == kid for key in kept.jwks["keys"])

    def _fetch(self, url: str, kept: _Kept) -> None:
        kept.tried = now = self._clock()
        try:
            self.check(url)  # the hosts may have been listed otherwise when it was registered
            answer, body = self._asked(url)
            kept.jwks, kept.until = registered_jwks(json_text.loads(body)), now + _good_for(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, Failure) as error:
            if now >= kept.until:  # what is kept is good for its time, whatever its server does meanwhile
                kept.jwks = dict(NONE)
            log.warning("key set not fetched", extra={"url": url, "cause": f"{type(error).__name__}: {error}"[:200]})

    def _asked(self, url: str) -> tuple[httpx.Response, bytes]:
        until = time.monotonic() + SECONDS
        with (
            httpx.Client(timeout=SECONDS, transport=self._transport, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"status {answer.status_code}")
            body = bytearray()
            for piece in answer.iter_bytes(8192):
                body += piece
                if len(body) > MOST_BYTES or time.monotonic() > until:
                    raise ValueError(f"more than {MOST_BYTES} bytes, or {SECONDS} s")
            return answer, bytes(body)


def _good_for(answer: httpx.Response) -> float:
    """Seconds, as RFC 9111 section 5.2.2 has it of an answer's Cache-Control."""
    said = answer.headers.get("Cache-Control", "").lower()
    if "no-store" in said or "no-cache" in said:
        return LEAST_SECONDS
    age = _MAX_AGE.search(said)
    return min(max(int(age[1]), LEAST_SECONDS), MOST_SECONDS) if age else DEFAULT_SECONDS
