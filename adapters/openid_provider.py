"""An OpenID provider, of which Accord is a client (OpenID Connect Core 1.0 section 3.1; RFC 9700): whom it proves, signs in here.

The code flow alone, with PKCE by S256, state and nonce; the issuer is compared whole, in the metadata, the answer (RFC 9207) and
the ID token. Who somebody is, is (iss, sub) and nothing else. Each call has a deadline and a size, and follows no redirect.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from mappings import json_text
from mappings.failures import Failure, Unauthenticated, Unavailable

log = logging.getLogger("accord.openid")
SECONDS, MOST_BYTES = 10, 262_144
"""Of one call, in all."""
KEPT_SECONDS, LEAST_SECONDS = 3600, 60
"""How long what the provider says of itself is kept; for a key that is not known its keys are asked for again, no more often."""
SKEW_SECONDS = 60
MOST_NAME = 255
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones: what is signed by `none`, or by a secret that is our own, proves nobody."""
SCOPE = "openid"
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider proved: its issuer and what it calls the person. `claims` are facts, and never a yes."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def username(self) -> str | None:
        """What the provider calls the person now (Core section 5.1): no proof of who that is, since it may change."""
        said = self.claims.get("preferred_username")
        return said if isinstance(said, str) and 0 < len(said) <= MOST_NAME and said.isprintable() else None


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser that was sent to the provider keeps until it comes back."""

    state: str
    nonce: str
    verifier: str


class OpenIdProvider:
    """One provider and our registration with it. Safe for many threads; nothing is asked before somebody signs in."""

    def __init__(
        self, issuer: str, client_id: str, secret: str, redirect_uri: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.issuer, self._client_id, self._secret, self._redirect_uri = issuer, client_id, secret, redirect_uri
        self._transport = transport
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @property
    def origin(self) -> str:
        """Where forms that lead to it go."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def begin(self) -> tuple[str, Begun]:
        """Where to send the browser, and what it keeps meanwhile. Raises Unavailable."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415 - for who serves the web alone
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

        begun = Begun(*(secrets.token_urlsafe(32) for _ in range(3)))
        asked = {
            "nonce": begun.nonce,
            "code_challenge": create_s256_code_challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
        endpoint, known = self._described()["authorization_endpoint"], {"redirect_uri": self._redirect_uri, "scope": SCOPE}
        return str(prepare_grant_uri(endpoint, self._client_id, "code", state=begun.state, **known, **asked)), begun

    def finish(self, begun: Begun, answer: Mapping[str, str], now: datetime) -> Identity:
        """Whom the provider proved by what the browser brought back. Raises Unauthenticated, or Unavailable."""
        metadata = self._described()
        self._check_answer(begun, answer, metadata)
        token = self._exchanged(metadata["token_endpoint"], answer["code"], begun.verifier)
        claims = self._claims(str(token.get("id_token", "")), begun.nonce, now.timestamp())
        return Identity(self.issuer, claims["sub"], claims)

    def _check_answer(self, begun: Begun, answer: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        """The answer is of this browser's asking, and of this provider (RFC 9207 section 2.4)."""
        if not secrets.compare_digest(answer.get("state", "").encode("utf-8", "surrogatepass"), begun.state.encode()):
            raise _refused("state", "This answer belongs to no sign-in of this browser.")
        said = answer.get("iss")
        if said != self.issuer and (said is not None or metadata.get("authorization_response_iss_parameter_supported") is True):
            raise _refused("iss", "This answer is not of the provider that was asked.")
        if "error" in answer or not answer.get("code"):
            raise _refused("error", "Your provider did not sign you in.")

    def _exchanged(self, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        """What the provider gives for a code (RFC 6749 section 4.1.3), to who proves itself by its secret (section 2.3.1)."""
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": verifier}
        # blanks as %20: some providers don't read a + (section 2.3.1 asks for form encoding, which reads both)
        proof = httpx.BasicAuth(quote(self._client_id, ""), quote(self._secret, ""))
        status, token = self._asked("POST", endpoint, data=asked, auth=proof)
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise _refused(f"code: {str(token.get('error', status))[:40]!r}", "Your provider does not know this code.")
        return _object(status, token)

    def _claims(self, token: str, nonce: str, now: float) -> dict[str, Any]:
        """The claims of an ID token that is of this provider, for us, of this asking and of now (Core section 3.1.3.7)."""
        try:
            claims = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise _refused("signature", "What your provider signed can't be verified.") from None
        checks = {
            "iss": claims.get("iss") == self.issuer,
            "aud": claims.get("aud") in (self._client_id, [self._client_id]),
            "azp": claims.get("azp", self._client_id) == self._client_id,
            "nonce": claims.get("nonce") == nonce,
            "sub": isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= MOST_NAME,
            "exp": _is_time(claims.get("exp")) and claims["exp"] > now - SKEW_SECONDS,
            "iat": _is_time(claims.get("iat")) and abs(claims["iat"] - now) < KEPT_SECONDS,
            "nbf": _is_time(claims.get("nbf", now)) and claims.get("nbf", now) <= now + SKEW_SECONDS,
        }
        if wrong := [name for name, holds in checks.items() if not holds]:
            raise _refused(" ".join(wrong), "What your provider signed is not for this sign-in.")
        return claims

    def _key(self, signed: Any) -> Any:
        """The provider's keys; asked for again where none has the key id."""
        kid = signed.headers().get("kid")
        keys = self._known_keys(KEPT_SECONDS)
        if kid is not None and all(key.kid != kid for key in keys.keys):
            keys = self._known_keys(LEAST_SECONDS)
        return keys

    def _known_keys(self, seconds: float) -> KeySet:
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys[0] > seconds:
                self._keys = time.monotonic(), KeySet.import_key_set(self._fetched(self._unlocked()["jwks_uri"]))  # type: ignore[arg-type]
            return self._keys[1]

    def _described(self) -> dict[str, Any]:
        with self._lock:
            return self._unlocked()

    def _unlocked(self) -> dict[str, Any]:
        """What the provider says of itself (Discovery 1.0 section 4.3: of exactly this issuer)."""
        if self._metadata is None or time.monotonic() - self._metadata[0] > KEPT_SECONDS:
            said = self._fetched(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if said.get("issuer") != self.issuer or not all(_is_safe(said.get(name)) for name in _NEEDED):
                raise _silent(ValueError("its metadata is of another issuer, or lacks an endpoint by https"))
            self._metadata = time.monotonic(), said
        return self._metadata[1]

    def _fetched(self, url: str) -> dict[str, Any]:
        return _object(*self._asked("GET", url))

    def _asked(self, method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """(status, JSON object) of an answer within its size and time. Raises Unavailable."""
        bounded = _Bounded(self._transport or httpx.HTTPTransport(trust_env=False))
        try:
            with httpx.Client(transport=bounded, timeout=SECONDS, follow_redirects=False, trust_env=False) as http:
                answer = http.request(method, url, headers={"Accept": "application/json"}, **more)
            document = json_text.loads(answer.content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise _silent(error) from None
        return answer.status_code, document if isinstance(document, dict) else {}


def _object(status: int, document: dict[str, Any]) -> dict[str, Any]:
    if status != httpx.codes.OK or not document:
        raise _silent(ValueError(f"status {status}"))
    return document


def _is_safe(url: object) -> bool:
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53  # type: ignore[operator]


def _refused(what: str, sentence: str) -> Failure:
    log.warning("provider's answer refused", extra={"why": what})
    return Unauthenticated("openid-refused", sentence)


def _silent(error: BaseException) -> Failure:
    log.warning("provider not reached", extra={"cause": f"{type(error).__name__}: {error}"[:200]})
    return Unavailable("openid-unavailable", "Your provider does not answer as it should. Try again, or ask the operator.")


class _Bounded(httpx.BaseTransport):
    """A transport whose answers have a size and a deadline, whatever their server does."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + SECONDS
        answer = self._transport.handle_request(request)
        answer.stream = _Counted(answer.stream, until)  # type: ignore[arg-type]
        return answer

    def close(self) -> None:
        self._transport.close()


class _Counted(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, until: float) -> None:
        self._stream, self._until = stream, until

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._stream:
            size += len(piece)
            if size > MOST_BYTES or time.monotonic() > self._until:
                raise httpx.ReadError(f"more than {MOST_BYTES} bytes, or {SECONDS} s")
            yield piece

    def close(self) -> None:
        self._stream.close()
