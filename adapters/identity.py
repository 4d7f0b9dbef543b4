"""Keys and the signed texts made with them (JOSE, by joserfc): our access tokens, clients' registered keys and assertions.

Whatever is read, the key decides the algorithm (RSA: RS384, P-384: ES384), never the text; no key is ever taken from a text
(`jwk`, `x5c`) or fetched because it says so (`jku`, `x5u`), and `crit` is refused (RFC 7515 section 4.1.11). Our own tokens have
`alg`, `kid` and `typ` in their header and nothing else; in an assertion's, members that we don't know are ignored (section 4).
"""

import contextlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, cast

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

from mappings import json_text
from mappings.failures import Invalid, Unauthenticated, Unavailable

Key = RSAKey | ECKey
Claims = Mapping[str, Any]

MOST_CHARACTERS = 8192
MOST_JTI = 128
ASSERTION_SECONDS = 300
SKEW_SECONDS = 60
ALGORITHMS = ("RS384", "ES384")
"""The two SMART asks for (SMART App Launch 2.2, asymmetric client authentication)."""
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1
_ASSERTION_TYPES = ("JWT", "client-authentication+jwt", None)
_HEADERS = frozenset({"alg", "kid", "typ"})
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEPT_TOKENS = 4096
_JWK_BITS = 2048
KINDS_OF_KEYS = "RSA keys of 2048 bits or more (signing RS384) and EC keys on P-384 (ES384)"
"""What a client may prove itself with."""


class Keys:
    """The server's signing keys: the first signs, all verify. Safe for many threads.

    We sign with RS384 because every request verifies and only a token request signs: RSA verifies ten times faster than P-384.
    """

    def __init__(self, keys: Iterable[Key], path: Path | None = None) -> None:
        self._keys = {_kid(k): k for k in keys}
        self._signer = next(iter(self._keys))
        self._path, self._read_at = path, path.stat().st_mtime_ns if path else 0
        self._proven: dict[bytes, Claims] = {}
        self._lock = threading.Lock()

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """The keys in the private key set at `path` (0600), made if none is there: processes started at once agree.

        Raises Unavailable where there is another file.
        """
        if not path.exists():
            made = RSAKey.generate_key(_JWK_BITS, {"use": "sig", "alg": "RS384"}, auto_kid=True)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            publish_once(path, json.dumps({"keys": [made.as_dict(private=True)]}))
        with _read_as_keys(path):
            return cls((signing_key(k) for k in _kept(path)), path)

    def _renew(self) -> None:
        """Read the keys anew where they were rotated since, also by another process."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # a disk that does not answer now takes no key away
            at = self._path.stat().st_mtime_ns
            if at != self._read_at:
                self._read_again(self._path, at)

    def _read_again(self, path: Path, at: int) -> None:
        with self._lock, _read_as_keys(path):
            keys = {_kid(k): k for k in (signing_key(k) for k in _kept(path))}
            self._keys, self._signer, self._read_at = keys, next(iter(keys)), at
            self._proven.clear()

    def public(self) -> dict[str, Any]:
        """The public key set (RFC 7517 section 5)."""
        self._renew()
        return {"keys": [k.as_dict(private=False) for k in self._keys.values()]}

    def mint(self, claims: Claims) -> str:
        """A signed access token (RFC 9068) of these claims."""
        self._renew()
        keys, signer = self._keys, self._signer
        return signed(keys[signer] if signer in keys else next(iter(keys.values())), TOKEN_TYPE, claims)

    def read(self, token: str, issuer: str, now: datetime) -> Claims:
        """The claims of an access token that `issuer` made for itself and that is in force now.

        Raises Unauthenticated: `token-invalid` or `token-expired`. A signature is verified once, then known by the token's hash.
        """
        self._renew()
        mark = sha256(token.encode("utf-8", "replace")).digest()
        claims = self._proven.get(mark)
        if claims is None:
            claims = _proven(token, self._keys, _check_own_header, "token-invalid")
        _check_token(claims, issuer, now.timestamp())
        self._keep(mark, claims)
        return claims

    def _keep(self, mark: bytes, claims: Claims) -> None:
        if mark in self._proven:
            return
        with self._lock:
            while len(self._proven) >= _KEPT_TOKENS:
                del self._proven[next(iter(self._proven))]  # the oldest: it expires first
            self._proven[mark] = claims


def _check_token(claims: Claims, issuer: str, now: float) -> None:
    if claims.get("iss") != issuer or claims.get("aud") != issuer or not isinstance(claims.get("client_id"), str):
        raise Unauthenticated("token-invalid", "The token was not issued by this server for this server.")
    if not _is_time(claims.get("exp")) or not _is_time(claims.get("nbf", 0)) or claims.get("nbf", 0) > now:
        raise Unauthenticated("token-invalid", "The token is not in force.")
    if claims["exp"] <= now:
        raise Unauthenticated("token-expired", "The token has expired. Get a new one from the token endpoint.")


_RETIRED = "retired"
"""Member of a kept key: since when (seconds since 1970) it only verifies."""
RETIRED_SECONDS = 900
"""How long a key verifies after a rotation: a token's five minutes, and what caches of our key set may add."""


def _kept(path: Path) -> list[dict[str, Any]]:
    """The private keys in a file, the one that signs first."""
    return [{name: said for name, said in key.items() if name != _RETIRED} for key in json.loads(path.read_text())["keys"]]


def rotate(path: Path, now: datetime) -> tuple[str, tuple[str, ...]]:
    """Make a new signing key; (its kid, the kids that verify on). Keys retired long enough are forgotten.

    Every process of this data directory signs with it from its next token on. Raises Unavailable where the keys can't be read.
    """
    made = RSAKey.generate_key(_JWK_BITS, {"use": "sig", "alg": "RS384"}, auto_kid=True)
    with _read_as_keys(path):
        kept = [{_RETIRED: int(now.timestamp())} | key for key in json.loads(path.read_text())["keys"]]
        kept = [key for key in kept if key[_RETIRED] > now.timestamp() - RETIRED_SECONDS]
        retired = tuple(_kid(signing_key({n: v for n, v in key.items() if n != _RETIRED})) for key in kept)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        publish_once(draft, json.dumps({"keys": [made.as_dict(private=True), *kept]}))
        draft.replace(path)
    return _kid(made), retired


def load_or_make_secret(path: Path, size: int = 32) -> bytes:
    """The installation's secret of so many bytes, in hex at `path` (0600), made if none is there: processes agree on one.

    Raises Unavailable where there is another file.
    """
    if not path.exists():
        publish_once(path, secrets.token_hex(size))
    with _read_as_keys(path):
        secret = bytes.fromhex(path.read_text())
        if len(secret) != size:
            raise ValueError("another number of bytes")
    return secret


@contextlib.contextmanager
def _read_as_keys(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, StopIteration, JoseError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no key file of Accord's"
        raise Unavailable("key-unusable", f"The keys in {path} can't be used: {why}. Put the file back from a backup.") from error


def asserted_client(assertion: str) -> str:
    """The client an assertion speaks of, not proven yet.

    Raises Unauthenticated `assertion-invalid`, and Invalid `assertion-unreadable` where it holds what is no text.
    """
    try:
        claims = _object(_parts(assertion)[1])
        json.dumps(claims, ensure_ascii=False).encode()
        return str(claims["sub"])
    except UnicodeEncodeError:  # no database takes it either
        raise Invalid("assertion-unreadable", "The client assertion holds half a surrogate pair.", "client_assertion") from None
    except (ValueError, KeyError):
        raise _refused("The client assertion is no JSON Web Token whose sub is the client_id.") from None


def read_assertion(
    assertion: str, client_id: str, jwks: str, audiences: tuple[str, ...], now: datetime, jku: str | None = None
) -> Claims:
    """The claims of a client assertion (RFC 7523 section 3, SMART backend services) signed by a key of the registered `jwks`.

    `aud` must be one string, one of `audiences`; it may live for 300 s at most; a header that names a key set must name `jku`,
    the registered one. Raises Unauthenticated `assertion-invalid`. Whether it was used before is the caller's question, to be
    asked after this.
    """
    claims = _proven(assertion, _key_set(jwks), partial(_check_client_header, jku), "assertion-invalid")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise _refused("iss and sub of the client assertion must both be the client_id.")
    if not isinstance(claims.get("aud"), str) or claims["aud"] not in audiences:
        raise _refused(f"aud of the client assertion must be exactly one string: {' or '.join(audiences)}.")
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= MOST_JTI:
        raise _refused(f"jti of the client assertion must be 1 to {MOST_JTI} characters.")
    _check_times(claims, now.timestamp())
    return claims


def _check_times(claims: Claims, now: float) -> None:
    expires, issued, starts = claims.get("exp"), claims.get("iat", now), claims.get("nbf", now)
    if not (_is_time(expires) and _is_time(issued) and _is_time(starts)):
        raise _refused("exp of the client assertion is required, and exp, iat and nbf are seconds since 1970.")
    if not now - SKEW_SECONDS < cast("float", expires) <= now + ASSERTION_SECONDS + SKEW_SECONDS:
        raise _refused(f"exp of the client assertion must lie ahead of this server's clock, by {ASSERTION_SECONDS} s at most.")
    if not now - ASSERTION_SECONDS - SKEW_SECONDS <= issued <= now + SKEW_SECONDS or starts > now + SKEW_SECONDS:
        raise _refused("iat or nbf of the client assertion does not fit this server's clock.")


_refused = partial(Unauthenticated, "assertion-invalid")


def registered_jwks(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """A client's public key set as it is registered: RSA keys from 2048 bits and P-384 keys, each with a `kid`.

    Raises Invalid `jwks-invalid`: for a private key, another kind of key, one `kid` twice, no key at all.
    """
    try:
        listed = jwks["keys"]
        keys = [signing_key(k) for k in listed if not _PRIVATE & set(k)]
    except (ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
        why = f": {error}" if type(error) is ValueError else ""
        raise _jwks_invalid(f"It is no JSON Web Key Set of {KINDS_OF_KEYS}{why}.") from None
    if len(keys) != len(listed):
        raise _jwks_invalid("It holds a private or secret key: register public keys only, and take new ones.")
    if not keys or len({_kid(k) for k in keys}) != len(keys):
        raise _jwks_invalid("It needs at least one key, each with its own kid.")
    return {"keys": [k.as_dict(private=False) for k in keys]}


def read_public_keys(text: bytes) -> dict[str, Any]:
    """The public key set in a file: a JSON Web Key Set, one JSON Web Key, or one PEM (`openssl pkey -pubout`).

    Raises Invalid `jwks-invalid`, also where a PEM is private.
    """
    if text.lstrip().startswith(b"-----BEGIN"):
        return registered_jwks({"keys": [_from_pem(text)]})
    try:
        document = json.loads(text)
    except ValueError:
        raise _jwks_invalid(f"It is neither JSON nor PEM. Taken are {KINDS_OF_KEYS}.") from None
    single = isinstance(document, dict) and "kty" in document
    return registered_jwks({"keys": [document]} if single else document)


def _from_pem(text: bytes) -> dict[str, Any]:
    if b"PRIVATE KEY" in text:
        raise _jwks_invalid(
            "It is a private key: register its public half (openssl pkey -in FILE -pubout), and keep this secret."
        )
    for kind in (ECKey, RSAKey):
        with contextlib.suppress(ValueError, JoseError, TypeError):
            return dict(kind.import_key(text).as_dict(private=False))
    raise _jwks_invalid(f"It is no public key in PEM. Taken are {KINDS_OF_KEYS}.")


def thumbprints(jwks: Mapping[str, Any]) -> str:
    """The keys of a registered set by their thumbprints (RFC 7638), by blanks."""
    return " ".join(sorted(signing_key(k).thumbprint() for k in jwks["keys"]))


_jwks_invalid = partial(Invalid, "jwks-invalid", where="jwks")


def publish_once(path: Path, text: str) -> bool:
    """Put a file there whole, readable by its owner only, unless one is there: a link is made by exactly one process."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            return True
        return False
    finally:
        draft.unlink(missing_ok=True)


def signed(key: Key, kind: str, claims: Claims) -> str:
    """These claims as a signed JSON Web Token of this kind (its `typ`)."""
    algorithm = _algorithm(key)
    return jwt.encode({"alg": algorithm, "typ": kind, "kid": _kid(key)}, dict(claims), key, [algorithm])


def asserted_key(assertion: str) -> str:
    """The key that an assertion says it was signed by, not proven yet; empty where it says none."""
    try:
        return str(_object(_parts(assertion)[0]).get("kid", ""))
    except ValueError:
        return ""


def _proven(text: str, keys: Mapping[str, Key], check: Callable[[Claims], None], code: str) -> Claims:
    """The claims of a signed text whose `kid` names one of `keys`, its header checked. Raises Unauthenticated with this code."""
    try:
        header = _object(_parts(text)[0])
        check(header)
        key = _named(header, keys)
        jws.deserialize_compact(text, key, registry=jws.JWSRegistry(algorithms=[_algorithm(key)], strict_check_header=False))
        return _object(_parts(text)[1])
    except JoseError:
        raise Unauthenticated(code, "The signature does not fit.") from None
    except ValueError as error:
        raise Unauthenticated(code, str(error)) from None


def _check_own_header(header: Claims) -> None:
    if not set(header) <= _HEADERS or header.get("typ") != TOKEN_TYPE:
        raise ValueError(f"The header may hold alg, kid and typ only, and typ is {TOKEN_TYPE}.")


def _check_client_header(jku: str | None, header: Claims) -> None:
    if "crit" in header:
        raise ValueError("The header says crit, and no extension is understood here.")
    if header.get("typ") not in _ASSERTION_TYPES:
        raise ValueError(f"typ should be {_ASSERTION_TYPES[0]}.")
    if header.get("jku", jku) != jku:
        raise ValueError("jku is not the URL of the key set that is registered for this client.")


def _named(header: Claims, keys: Mapping[str, Key]) -> Key:
    key = keys.get(str(header.get("kid")))
    if key is None:
        raise ValueError("kid names no key that is registered for this.")
    if header.get("alg") != _algorithm(key):
        raise ValueError(f"This key is used with {_algorithm(key)} only.")
    return key


def _parts(text: str) -> list[str]:
    parts = text.split(".") if len(text) <= MOST_CHARACTERS and text.isascii() else []
    if len(parts) != 3:
        raise ValueError("It is no signed JSON Web Token within 8 kB.")
    return parts


def _object(part: str) -> dict[str, Any]:
    try:
        claims = json_text.loads(urlsafe_b64decode(part.encode()))
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise ValueError("Its header and payload must be JSON objects in base64url.")  # noqa: TRY004 - a text, not an argument
    return claims


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and 0 <= cast("float", value) < 2**53  # NaN is no time


def _key_set(jwks: str) -> dict[str, Key]:
    return {_kid(k): k for k in map(signing_key, json.loads(jwks)["keys"])}


def signing_key(jwk: Mapping[str, Any]) -> Key:
    """Import a signing key of one of the two kinds. Raises ValueError that says which it is instead, or JoseError."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("RSA", None) and len(str(jwk.get("n", ""))) * 6 < _JWK_BITS:
        raise ValueError("this is an RSA key of fewer bits")
    if kind not in (("RSA", None), ("EC", "P-384")):
        raise ValueError(f"this is of {kind[1] or kind[0] or 'no kind'}" if _is_word(*kind) else "a key has a kty")
    key = (RSAKey if kind[0] == "RSA" else ECKey).import_key(dict(jwk))
    key.check_use("sig")
    key.ensure_kid()
    return key


def _is_word(*names: object) -> bool:
    """Whether these may be repeated to who wrote them."""
    return all(name is None or (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9-]{1,20}", name)) for name in names)


def _kid(key: Key) -> str:
    return str(key.kid)


def _algorithm(key: Key) -> str:
    return "RS384" if isinstance(key, RSAKey) else "ES384"
