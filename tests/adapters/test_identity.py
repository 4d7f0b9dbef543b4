"""Keys, access tokens and client assertions, on real signatures."""

import base64
import hashlib
import hmac
import json
import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from adapters.client_file import ClientFile, assertion, new_client_key
from adapters.identity import Keys, read_assertion, registered_jwks
from mappings.failures import Failure, Invalid, Unauthenticated

ISSUER = "https://accord.example"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
GOOD = {
    "iss": ISSUER,
    "aud": ISSUER,
    "sub": "c",
    "client_id": "c",
    "exp": AT + 300,
    "iat": AT,
    "jti": "1",
    "scope": "system/*.rs",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("keys") / "private" / "signing.json"


@pytest.fixture(scope="module")
def keys(path) -> Keys:
    return Keys.load_or_make(path)


def signed(path: Path, claims: object, **header: object) -> str:
    """A text signed with the server's own key, its header as we like it."""
    jwk = json.loads(path.read_text())["keys"][0]
    key = RSAKey.import_key({k: v for k, v in jwk.items() if k != "alg"})
    protected = {"alg": "RS384", "kid": jwk["kid"], "typ": "at+jwt"} | header
    registry = jws.JWSRegistry(algorithms=["RS384", "RS256", "PS384"], strict_check_header=False)
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    return jws.serialize_compact({k: v for k, v in protected.items() if v is not None}, payload, key, registry=registry)


def code(refused: pytest.ExceptionInfo[Failure]) -> str:
    return refused.value.code


def test_the_private_keys_are_the_owners_only_and_stay_the_same(path, keys):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert Keys.load_or_make(path).public() == keys.public()


def test_no_private_part_is_published(keys):
    (jwk,) = keys.public()["keys"]
    assert set(jwk) == {"kty", "n", "e", "kid", "use", "alg"}


def _kid(path: Path) -> str:
    return str(Keys.load_or_make(path).public()["keys"][0]["kid"])


def test_processes_that_start_at_once_end_with_the_same_keys(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(_kid, [tmp_path / "k.json"] * 6, chunksize=1))) == 1


def test_a_token_comes_back_as_its_claims(keys):
    assert keys.read(keys.mint(GOOD), ISSUER, NOW) == GOOD


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "https://other.example"}, "token-invalid"),
        ({"aud": "https://other.example"}, "token-invalid"),
        ({"aud": [ISSUER]}, "token-invalid"),
        ({"client_id": None}, "token-invalid"),
        ({"nbf": AT + 1}, "token-invalid"),
        ({"exp": None}, "token-invalid"),
        ({"exp": str(AT + 300)}, "token-invalid"),
        ({"exp": True}, "token-invalid"),
        ({"exp": float("nan")}, "token-invalid"),
        ({"exp": 10**400}, "token-invalid"),
        ({"exp": AT}, "token-expired"),
    ],
)
def test_a_token_that_is_signed_but_not_for_here_or_now_is_refused(path, keys, change, expected):
    with pytest.raises(Unauthenticated) as refused:
        keys.read(signed(path, GOOD | change), ISSUER, NOW)
    assert code(refused) == expected


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256"},
        {"alg": "PS384"},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": "another"},
        {"kid": None},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": RSAKey.generate_key(2048).as_dict(private=False)},
    ],
)
def test_a_token_whose_header_is_not_ours_is_refused(path, keys, header):
    with pytest.raises(Unauthenticated) as refused:
        keys.read(signed(path, GOOD, **header), ISSUER, NOW)
    assert code(refused) == "token-invalid"


def test_critical_headers_are_refused(path, keys):
    with pytest.raises(Unauthenticated):
        keys.read(signed(path, GOOD, crit=["typ"]), ISSUER, NOW)


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(path: Path, alg: str) -> str:
    """Header and payload of a good token, with another algorithm."""
    header = {"alg": alg, "kid": _kid(path), "typ": "at+jwt"}
    return ".".join(base64url(json.dumps(part).encode()) for part in (header, GOOD))


def test_our_public_key_is_no_shared_secret(path, keys):
    pem = RSAKey.import_key(keys.public()["keys"][0]).as_pem(private=False)
    forged = unsigned(path, "HS256")
    mac = base64url(hmac.new(pem, forged.encode(), hashlib.sha256).digest())
    with pytest.raises(Unauthenticated) as refused:
        keys.read(f"{forged}.{mac}", ISSUER, NOW)
    assert code(refused) == "token-invalid"


def test_an_unsigned_token_is_refused(path, keys):
    for text in (unsigned(path, "none") + ".", unsigned(path, "RS384") + "."):
        with pytest.raises(Unauthenticated) as refused:
            keys.read(text, ISSUER, NOW)
        assert code(refused) == "token-invalid"


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "..", "é.é.é", "a.b", "W10.W10.W10", "x" * 9000, "\ud800.a.b", "eyJhbGciOjF9.e30.AA"]
)
def test_what_is_no_token_is_refused_like_one(keys, text):
    with pytest.raises(Unauthenticated) as refused:
        keys.read(text, ISSUER, NOW)
    assert code(refused) == "token-invalid"


def test_a_payload_nested_too_deep_to_read_is_refused(path, keys):
    with pytest.raises(Unauthenticated) as refused:
        keys.read(signed(path, "[" * 5000), ISSUER, NOW)
    assert code(refused) == "token-invalid"


def test_a_known_token_still_expires_and_still_belongs_to_its_issuer(keys):
    token = keys.mint(GOOD)
    keys.read(token, ISSUER, NOW)
    with pytest.raises(Unauthenticated) as refused:
        keys.read(token, ISSUER, NOW + timedelta(seconds=300))
    assert code(refused) == "token-expired"
    with pytest.raises(Unauthenticated):
        keys.read(token, "https://other.example", NOW)


def test_a_known_token_is_not_verified_again_and_few_are_kept(path, monkeypatch):
    monkeypatch.setattr("adapters.identity._KEPT_TOKENS", 2)
    keys, verified = Keys.load_or_make(path), []
    real = jws.deserialize_compact
    monkeypatch.setattr("adapters.identity.jws.deserialize_compact", lambda *a, **k: verified.append(a[0]) or real(*a, **k))
    one, two, three = (keys.mint(GOOD | {"jti": j}) for j in "123")
    for token in (one, one, two, three, three, one):
        keys.read(token, ISSUER, NOW)
    assert verified == [one, two, three, one]


CLIENT_KEY = new_client_key()
CLIENT = ClientFile("c1", ISSUER, "system/*.rs", "AITRAIN", CLIENT_KEY[0])
AUDIENCES = (ISSUER + "/oauth/token", ISSUER)


def read(text: str, jwks: dict | None = None) -> dict:
    return dict(read_assertion(text, "c1", json.dumps(jwks or CLIENT_KEY[1]), AUDIENCES, NOW))


def test_a_clients_assertion_proves_it_for_a_minute():
    claims = read(assertion(CLIENT, AUDIENCES[0], NOW))
    assert (claims["iss"], claims["sub"], claims["exp"] - AT) == ("c1", "c1", 60)
    assert read(assertion(CLIENT, AUDIENCES[0], NOW))["jti"] != claims["jti"]


def test_an_rsa_client_proves_itself_with_rs384():
    rsa = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    client = ClientFile("c1", ISSUER, "", None, dict(rsa.as_dict(private=True)), audience=ISSUER)
    assert read(assertion(client, AUDIENCES[0], NOW), {"keys": [rsa.as_dict(private=False)]})["aud"] == ISSUER


def test_an_access_token_is_no_assertion(keys):
    with pytest.raises(Unauthenticated):
        read(keys.mint({**GOOD, "iss": "c1", "sub": "c1"}), keys.public())


@pytest.mark.parametrize(
    "bad",
    [
        {"keys": []},
        {},
        {"keys": [CLIENT_KEY[0]]},
        {"keys": [CLIENT_KEY[1]["keys"][0], CLIENT_KEY[1]["keys"][0]]},
        {"keys": [OctKey.generate_key(256).as_dict()]},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]},
        {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
        {"keys": [CLIENT_KEY[1]["keys"][0] | {"use": "enc"}]},
        {"keys": ["text"]},
        {"keys": 1},
    ],
)
def test_only_public_keys_of_the_two_kinds_are_registered(bad):
    with pytest.raises(Invalid) as refused:
        registered_jwks(bad)
    assert code(refused) == "jwks-invalid"


def test_a_public_key_set_is_registered_as_it_is():
    assert registered_jwks(CLIENT_KEY[1]) == CLIENT_KEY[1]
