"""What may come back from an OpenID provider, or who pretends to be one: only its token, for us, of this asking, is believed."""

import base64
import hmac
import json
import time
from datetime import UTC, datetime
from hashlib import sha256

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from adapters import openid_provider
from adapters.openid_provider import Begun, OpenIdProvider
from mappings.failures import Unauthenticated, Unavailable

ISSUER, CLIENT, SECRET = "https://login.example.org/realm", "accord", "s3cret"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEGUN = Begun("state", "nonce", "verifier")
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})
CURVE = ECKey.generate_key("P-256", {"kid": "two"})
CLAIMS = {"iss": ISSUER, "aud": CLIENT, "sub": "ada", "nonce": "nonce", "iat": NOW.timestamp(), "exp": NOW.timestamp() + 60}
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


def provider(given: object = None, /, *, metadata: object = None, **answers: httpx.Response) -> OpenIdProvider:
    told = {
        "/realm/.well-known/openid-configuration": httpx.Response(200, json=METADATA if metadata is None else metadata),
        "/realm/jwks": httpx.Response(200, json={"keys": [KEY.as_dict(private=False), CURVE.as_dict(private=False)]}),
        "/realm/token": httpx.Response(200, json={"access_token": "x", "token_type": "Bearer", "id_token": given}),
    } | {f"/realm/{name}": answer for name, answer in answers.items()}
    return OpenIdProvider(ISSUER, CLIENT, SECRET, "https://a/return", transport=httpx.MockTransport(lambda r: told[r.url.path]))


def signed(key=KEY, header=None, **changed: object) -> str:
    said = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    named = {"alg": "RS256", "kid": "one"} | (header or {})
    return jwt.encode(named, said, key, algorithms=[named["alg"]])


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def finish(token: object, **answer: str):
    return provider(token).finish(BEGUN, {"state": "state", "code": "c"} | answer, NOW)


def test_a_token_of_the_provider_for_us_is_an_identity():
    identity = finish(signed())
    assert (identity.issuer, identity.subject) == (ISSUER, "ada")
    assert finish(signed(CURVE, {"alg": "ES256", "kid": "two"})).subject == "ada"
    assert finish(signed(aud=[CLIENT], azp=CLIENT)).subject == "ada"


def _hs_with_public_key() -> str:
    text = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(CLAIMS)}"
    mark = hmac.new(KEY.as_pem(private=False), text.encode(), sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def _critical() -> str:
    text = f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['urn:x'], 'urn:x': 1})}.{part(CLAIMS)}"
    mark = KEY.private_key.sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


FORGED = {
    "none": lambda: f"{part({'alg': 'none'})}.{part(CLAIMS)}.",
    "none with a kid": lambda: f"{part({'alg': 'none', 'kid': 'one'})}.{part(CLAIMS)}.",
    "our secret": lambda: jwt.encode({"alg": "HS256", "kid": "one"}, CLAIMS, OctKey.import_key(SECRET * 8), algorithms=["HS256"]),
    "the public key as a secret": _hs_with_public_key,
    "another's key of that name": lambda: signed(OTHER),
    "a key in its header": lambda: signed(OTHER, {"jwk": OTHER.as_dict(private=False)}),
    "a key at a URL": lambda: signed(OTHER, {"x5u": "https://evil.example/key", "jku": "https://evil.example/jwks"}),
    "an unknown extension": _critical,
    "a key that is not there": lambda: signed(OTHER, {"kid": "three"}),
    "another issuer": lambda: signed(iss="https://login.example.org"),
    "the issuer with a slash": lambda: signed(iss=f"{ISSUER}/"),
    "no issuer": lambda: signed(iss=None),
    "another audience": lambda: signed(aud="other"),
    "more audiences": lambda: signed(aud=[CLIENT, "other"]),
    "no audience": lambda: signed(aud=None),
    "another party": lambda: signed(azp="other"),
    "another nonce": lambda: signed(nonce="other"),
    "no nonce": lambda: signed(nonce=None),
    "no subject": lambda: signed(sub=None),
    "an empty subject": lambda: signed(sub=""),
    "a long subject": lambda: signed(sub="x" * 256),
    "a subject that is a number": lambda: signed(sub=7),
    "over": lambda: signed(exp=NOW.timestamp() - 61),
    "no end": lambda: signed(exp=None),
    "an end that is no time": lambda: signed(exp=True),
    "of yesterday": lambda: signed(iat=NOW.timestamp() - 86_400),
    "of tomorrow": lambda: signed(nbf=NOW.timestamp() + 86_400),
    "cut": lambda: signed()[:-8],
    "no token": lambda: "x",
    "nothing": lambda: None,
    "a list": list,
    "deep": lambda: f"{part({'alg': 'RS256', 'kid': 'one'})}.{base64.urlsafe_b64encode(b'[' * 9000).decode()}.x",
}


@pytest.mark.parametrize("forged", FORGED)
def test_whatever_else_is_signed_is_nobody(forged):
    with pytest.raises(Unauthenticated):
        finish(FORGED[forged]())


@pytest.mark.parametrize(
    "answer",
    [
        {"state": "other"},
        {"state": ""},
        {"state": "\udce9"},
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"code": ""},
        {"error": "access_denied"},
    ],
)
def test_an_answer_of_another_asking_or_issuer_is_refused_before_its_code_is_shown_to_anybody(answer):
    asked = provider(signed(), token=httpx.Response(500))
    with pytest.raises(Unauthenticated):
        asked.finish(BEGUN, {"state": "state", "code": "c"} | answer, NOW)


def test_a_provider_that_names_itself_always_is_not_believed_without():
    asked = provider(signed(), metadata=METADATA | {"authorization_response_iss_parameter_supported": True})
    with pytest.raises(Unauthenticated):
        asked.finish(BEGUN, {"state": "state", "code": "c"}, NOW)
    assert asked.finish(BEGUN, {"state": "state", "code": "c", "iss": ISSUER}, NOW).subject == "ada"


@pytest.mark.parametrize(
    "metadata",
    [
        METADATA | {"issuer": "https://login.example.org"},
        METADATA | {"token_endpoint": "http://login.example.org/token"},
        METADATA | {"jwks_uri": None},
        [],
        {},
    ],
)
def test_metadata_of_another_issuer_or_in_the_clear_is_not_used(metadata):
    with pytest.raises(Unavailable):
        provider(metadata=metadata).begin()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(500),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b" " * (openid_provider.MOST_BYTES + 1)),
    ],
)
@pytest.mark.parametrize("where", ["token", "jwks"])
def test_who_does_not_answer_as_it_should_is_called_unavailable(answer, where):
    with pytest.raises(Unavailable):
        provider(signed(), **{where: answer}).finish(BEGUN, {"state": "state", "code": "c"}, NOW)


def test_a_code_that_is_not_known_signs_nobody_in():
    with pytest.raises(Unauthenticated):
        provider(token=httpx.Response(400, json={"error": "invalid_grant"})).finish(BEGUN, {"state": "state", "code": "c"}, NOW)


def test_an_answer_that_drips_has_a_deadline(monkeypatch):
    def drips():
        while True:
            time.sleep(0.01)
            yield b" "

    monkeypatch.setattr(openid_provider, "SECONDS", 0.1)
    slow = httpx.Response(200, stream=_Stream(drips))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        provider(signed(), token=slow).finish(BEGUN, {"state": "state", "code": "c"}, NOW)
    assert time.monotonic() - began < 2


class _Stream(httpx.SyncByteStream):
    def __init__(self, pieces) -> None:
        self._pieces = pieces

    def __iter__(self):
        yield from self._pieces()


def test_a_key_that_is_not_known_is_asked_for_once_a_minute(monkeypatch):
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return inner.handle_request(request)

    known = provider(signed(OTHER, {"kid": "three"}))
    inner = known._transport
    known._transport = httpx.MockTransport(answer)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            known.finish(BEGUN, {"state": "state", "code": "c"}, NOW)
    assert asked.count("/realm/jwks") == 1
    ahead = time.monotonic() + 61
    monkeypatch.setattr(openid_provider.time, "monotonic", lambda: ahead)
    with pytest.raises(Unauthenticated):
        known.finish(BEGUN, {"state": "state", "code": "c"}, NOW)
    assert asked.count("/realm/jwks") == 2
