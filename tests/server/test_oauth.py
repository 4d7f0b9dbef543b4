"""The authorization server through its door, and the callers its tokens make."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from flask import Flask
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import make_server

from adapters.client_file import ClientFile, assertion, new_client_key, write_client
from adapters.identity import Keys
from adapters.key_sets import KeySets
from adapters.sql import governance
from adapters.sql import party as parties
from adapters.sql import tables as t
from consent.conditions import Action, Purpose
from consent.policy import SENTENCES
from consent.subject import Role
from mappings.failures import Invalid, Unauthenticated, Unavailable
from server.cli.tokens import fetch
from server.throttle import FAILURES
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.client import add_client, set_client
from server.usecases.dataset import add_dataset
from server.usecases.identify import BearerToken, identify
from server.usecases.issue_token import authenticate
from server.usecases.node import add_node, list_nodes, move_node
from server.usecases.party import add_party
from server.usecases.runtime import Runtime
from server.usecases.terms import publish_terms
from server.web import context, errors, oauth
from server.web.bulkheads import Bulkhead, Bulkheads
from server.web.proxies import TrustedProxies
from tests import builders

BASE = "http://127.0.0.1:8080"
URL = BASE + "/oauth/token"
RSA = RSAKey.generate_key(2048, auto_kid=True)
EC = ECKey.generate_key("P-384", auto_kid=True)
STRANGER = ECKey.generate_key("P-384", {"kid": EC.kid})
JWKS = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}
INSIDE, OUTSIDE, PROXY = "10.1.2.3", "192.0.2.7", "10.9.0.1"


@dataclass
class House:
    """An Accord with its OAuth door and one route that says who called, and what is needed to speak with it."""

    runtime: Runtime
    keys: Keys
    clock: builders.Clock
    app: Flask

    def claims(self, client: str = "researcher", **changes: object) -> dict[str, object]:
        at = int(self.clock().timestamp())
        good = {"iss": client, "sub": client, "aud": URL, "iat": at, "exp": at + 300, "jti": f"{time.monotonic_ns()}"}
        return {k: v for k, v in (good | changes).items() if v is not None}

    def assertion(
        self, client: str = "researcher", *, key: RSAKey | ECKey = EC, alg: str | None = None, header=None, **changes
    ) -> str:
        algorithm = alg or ("ES384" if isinstance(key, ECKey) else "RS384")
        protected = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | (header or {})
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jwt.encode(protected, self.claims(client, **changes), key, registry=registry)

    def post(self, path: str = "/oauth/token", made: str | None = None, **fields: object):
        given = {
            "grant_type": "client_credentials",
            "client_assertion_type": oauth.ASSERTION_TYPE,
            "client_assertion": made or self.assertion(),
            "scope": "system/ImagingStudy.rs",
            "purpose": "AIRESEARCH",
        }
        return self.app.test_client().post(path, data={k: v for k, v in (given | fields).items() if v is not None})

    def token(self, client: str = "researcher", **fields: object) -> str:
        answer = self.post(made=self.assertion(client), **fields)
        assert answer.status_code == 200, answer.json
        return answer.json["access_token"]

    def who(self, token: str, address: str = OUTSIDE, forwarded: str | None = None):
        headers = {"Authorization": f"Bearer {token}"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
        return self.app.test_client().get("/who", headers=headers, environ_base={"REMOTE_ADDR": address})


def _app(runtime: Runtime, keys: Keys) -> Flask:
    app = Flask(__name__)
    context.install(app, runtime, partial(identify, runtime, keys=keys), Bulkheads(dict.fromkeys(Bulkhead, 8)))
    errors.install(app, oauth.door(runtime, keys))

    @context.serves(app, "/who", Action.QUERY, scope="ImagingStudy.s")  # type: ignore[arg-type] - an app adds routes as a blueprint does
    def who():
        asked = context.caller()
        return {"role": asked.subject.role, "id": asked.subject.id, "party": asked.subject.party, "purpose": asked.purpose}

    return app


def _clients(runtime: Runtime) -> None:
    """A researcher, one that computes at node `central`, a repository, a provider, an operator, and two that lack something."""
    for key, role, approved in (
        ("university", "user", True),
        ("startup", "user", False),
        ("other", "repository", True),
        ("us", "operator", True),
    ):
        add_party(runtime, builders.ACTOR, key, key, role, approved=approved)
    add_node(
        runtime, builders.ACTOR, "edge", kind="folder", hosting="federated", url="edge", networks=["10.1.0.0/16", "fd00::/8"]
    )
    common = {"jwks": JWKS, "scopes": ["system/ImagingStudy.rs", "system/Patient.read"], "terms": builders.TERMS}
    users = common | {"purposes": ["AIRESEARCH", "AITRAIN"]}
    for client_id, more in {
        "researcher": users | {"party": "university"},
        "compute": users | {"party": "university", "node": "edge"},
        "repository": users | {"party": "other"},
        "unapproved": users | {"party": "startup"},
        "unread": users | {"party": "university", "terms": None},
        "provider": common | {"party": "hospital-a", "node": "edge"},
        "provider-unread": common | {"party": "hospital-a", "terms": None},
        "operator": common | {"party": "us", "terms": None},
    }.items():
        add_client(runtime, builders.ACTOR, client_id, **more)


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "signing.json")


@pytest.fixture
def house(tmp_path, keys) -> House:
    clock = builders.Clock()
    runtime = builders.runtime(tmp_path, clock=clock, token_seconds=900, trusted_proxies="10.9.0.0/24, ::1")
    builders.seed(runtime)
    _clients(runtime)
    yield House(runtime, keys, clock, _app(runtime, keys))
    runtime.close()


def refused(answer) -> tuple[int, str, str]:
    return answer.status_code, answer.json["error"], answer.json["code"]


# What no client gets a token by.


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "RS256", "key": RSA},
        {"alg": "PS384", "key": RSA},
        {"key": STRANGER},
        {"header": {"kid": "another"}},
        {"header": {"kid": RSA.kid}},
        {"header": {"typ": "at+jwt"}},
        {"header": {"jku": "https://evil.example/jwks"}},
        {"header": {"jwk": STRANGER.as_dict(private=False)}, "key": STRANGER},
        {"header": {"crit": ["b64"], "b64": True}},
        {"iss": "compute"},
        {"aud": "https://evil.example/oauth/token"},
        {"aud": [URL]},
        {"aud": [URL, "https://evil.example"]},
        {"aud": URL + "/"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 129},
    ],
)
def test_an_assertion_that_proves_nothing_is_refused(house, changes):
    answer = house.post(made=house.assertion(**changes))
    assert refused(answer) == (401, "invalid_client", "assertion-invalid")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["error_description"].isascii()


def test_a_client_with_the_wrong_algorithm_is_told_the_right_one(house):
    said = house.post(made=house.assertion(key=RSA, alg="RS256")).json["error_description"]
    assert said == "This key is used with RS384 only."


@pytest.mark.parametrize(
    "header",
    [
        {"kty": "EC"},
        {"jwk": STRANGER.as_dict(private=False)},
        {"x5u": "https://evil.example/cert"},
        {"x5t": "AA"},
        {'"\\é': "hostile"},
        {"kty": {"deep": [1]}},
    ],
)
def test_a_member_of_the_header_that_is_not_known_is_ignored(house, header):
    """As the field's clients send them (RFC 7515 section 4)."""
    assert house.post(made=house.assertion(header=header)).status_code == 200


@pytest.mark.parametrize(
    ("claim", "seconds"),
    [("exp", 361), ("exp", 10 * 365 * 86400), ("exp", -60), ("exp", -61), ("iat", 61), ("iat", -361), ("nbf", 61)],
)
def test_an_assertion_that_is_too_old_too_young_or_lives_too_long_is_refused(house, claim, seconds):
    at = int(house.clock().timestamp()) + seconds
    assert refused(house.post(made=house.assertion(**{claim: at}))) == (401, "invalid_client", "assertion-invalid")


@pytest.mark.parametrize("seconds", [360, -59])
def test_a_clock_may_differ_by_a_minute(house, seconds):
    at = int(house.clock().timestamp()) + seconds
    assert house.post(made=house.assertion(exp=at)).status_code == 200


@pytest.mark.parametrize("made", ["x", "a.b.c", "....", "é", "x" * 9000, f"e30.{'W1tbW1tb' * 500}.AA"])
def test_what_is_no_assertion_is_refused(house, made):
    assert refused(house.post(made=made)) == (401, "invalid_client", "assertion-invalid")


def test_a_request_without_an_assertion_is_refused_whatever_secret_it_brings(house):
    fields = {"client_assertion": None, "client_assertion_type": None, "client_id": "researcher", "client_secret": "x"}
    assert refused(house.post(**fields)) == (401, "invalid_client", "assertion-missing")


def test_an_unknown_client_is_not_told_from_a_wrong_key_nor_a_disabled_one(house):
    wrong = {"key": STRANGER, "header": {"kid": "another"}}
    set_client(house.runtime, builders.ACTOR, "compute", enabled=False)
    told = [house.post(made=house.assertion(client, **wrong)) for client in ("nobody", "researcher", "compute")]
    assert [refused(answer) for answer in told] == [(401, "invalid_client", "assertion-invalid")] * 3
    assert len({answer.data for answer in told}) == 1
    assert refused(house.post(made=house.assertion("compute")))[2] == "client-disabled", "its own key is its own to ask with"


def test_a_refusal_carries_a_challenge(house):
    assert house.post(made="x").headers["WWW-Authenticate"].startswith("Bearer ")
    lacking = house.who(house.token(scope="system/Patient.r"))
    assert lacking.status_code == 403
    assert 'error="insufficient_scope", scope="system/ImagingStudy.s"' in lacking.headers["WWW-Authenticate"]


def test_two_proofs_are_one_too_many(house):
    given = {"grant_type": "client_credentials", "client_assertion_type": oauth.ASSERTION_TYPE}
    answer = house.app.test_client().post(
        "/oauth/token", data=given | {"client_assertion": house.assertion()}, headers={"Authorization": "Basic eDp5"}
    )
    assert refused(answer) == (400, "invalid_request", "two-proofs")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_of_a_token_is_written_in_any_case(house, scheme):
    header = {"Authorization": f"{scheme} {house.token()}"}
    assert house.app.test_client().get("/who", headers=header).status_code == 200


def test_a_client_id_that_is_not_the_assertions_is_refused(house):
    assert refused(house.post(client_id="compute")) == (401, "invalid_client", "assertion-invalid")


@pytest.mark.parametrize("claim", ["sub", "jti"])
def test_half_a_surrogate_pair_is_no_text(house, claim):
    claims = json.dumps(house.claims("researcher") | {claim: "\ud800"}).encode()
    made = jws.serialize_compact({"alg": "ES384", "kid": EC.kid, "typ": "JWT"}, claims, EC, ["ES384"])
    assert refused(house.post(made=made)) == (400, "invalid_request", "assertion-unreadable")


def test_an_assertion_is_good_once(house):
    made = house.assertion()
    assert house.post(made=made).status_code == 200
    assert refused(house.post(made=made)) == (401, "invalid_client", "assertion-replayed")


def test_an_assertion_used_at_the_same_time_is_good_once(house):
    _good_once(house)


def test_an_assertion_used_at_the_same_time_is_good_once_on_postgresql(tmp_path, keys, postgresql):
    runtime = builders.runtime(tmp_path, url=postgresql(), clock=builders.Clock())
    builders.seed(runtime)
    _clients(runtime)
    _good_once(House(runtime, keys, runtime.clock, _app(runtime, keys)))
    runtime.close()


def _good_once(house: House) -> None:
    made, together = house.assertion(), threading.Barrier(6)

    def use(_: int) -> str:
        together.wait()
        try:
            return authenticate(house.runtime, made, (URL, BASE), OUTSIDE).row.client_id
        except Unauthenticated as failure:
            return failure.code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == ["assertion-replayed"] * 5 + ["researcher"]


def test_a_stranger_elsewhere_locks_no_client_out(house):
    def tried(address: str, made: str):
        fields = {"grant_type": "client_credentials", "client_assertion_type": oauth.ASSERTION_TYPE, "client_assertion": made}
        return house.app.test_client().post("/oauth/token", data=fields, environ_base={"REMOTE_ADDR": address})

    answers = [tried(OUTSIDE, house.assertion(key=STRANGER)) for _ in range(FAILURES + 1)]
    assert [answer.status_code for answer in answers] == [401] * FAILURES + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert tried(OUTSIDE, house.assertion()).status_code == 429
    assert tried(INSIDE, house.assertion(purpose="AIRESEARCH")).status_code == 400  # proven; a purpose was not asked for


def test_nobody_uses_up_anothers_assertion(house):
    house.post(made=house.assertion(key=STRANGER, jti="mine"))
    assert house.post(made=house.assertion(jti="mine")).status_code == 200


def test_a_used_assertion_is_forgotten_only_when_it_has_expired(house):
    made = house.assertion()
    assert house.post(made=made).status_code == 200
    house.clock.on(359)
    house.post()
    assert refused(house.post(made=made))[2] == "assertion-replayed"
    house.clock.on(1)
    assert refused(house.post(made=made))[2] == "assertion-invalid"


def test_a_disabled_client_gets_no_token_and_its_token_opens_nothing_more(house):
    token = house.token()
    assert house.who(token).status_code == 200
    set_client(house.runtime, builders.ACTOR, "researcher", enabled=False)
    answer = house.who(token)
    assert (answer.status_code, answer.json["title"]) == (401, "client-disabled")
    assert refused(house.post()) == (401, "invalid_client", "client-disabled")


@pytest.mark.parametrize(
    ("client", "code"),
    [("unapproved", "not-approved"), ("unread", "terms-not-accepted"), ("provider-unread", "terms-not-accepted")],
)
def test_who_is_not_approved_or_did_not_accept_the_terms_gets_no_token(house, client, code):
    assert refused(house.post(made=house.assertion(client), purpose=None)) == (400, "unauthorized_client", code)


def test_a_refusal_for_terms_says_which_version_and_whom_to_ask(house):
    said = house.post(made=house.assertion("unread")).json["error_description"]
    assert builders.TERMS in said
    assert house.runtime.settings.contact in said


def test_who_accepted_nothing_that_is_shared_gets_no_token_and_four_sentences(house):
    publish_terms(house.runtime, builders.ACTOR, "2.0.0", b"Other terms.\n")
    add_party(house.runtime, builders.ACTOR, "clinic", "Clinic", "provider")
    agreed = {"provider": "clinic", "terms": "2.0.0", "node": list_nodes(house.runtime)[0].name}
    add_agreement(house.runtime, builders.ACTOR, "NEW", **agreed, starts=house.clock())
    add_dataset(house.runtime, builders.ACTOR, "NEW", "NEW", "New")
    assert house.post().status_code == 200, "nothing is open under it"
    for verb in ("propose", "activate"):
        move_agreement(house.runtime, builders.ACTOR, "NEW", verb)
    assert house.post().status_code == 200, "LUNG is open under what it accepted"
    move_agreement(house.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert refused(house.post()) == (400, "unauthorized_client", "terms-not-accepted")
    said = house.post().json["error_description"]
    assert said == (
        "You have not accepted terms of use that data here is shared under. Accepted: 1.0.0. "
        "To accept: General terms of use 2.0.0. "
        f"Read it at {BASE}/terms/2.0.0 and what changed at {BASE}/terms/2.0.0/changes. "
        f"Accept it signed in here, or tell {house.runtime.settings.contact}, who keeps it for researcher."
    )
    set_client(house.runtime, builders.ACTOR, "researcher", terms="2.0.0")
    assert house.post().status_code == 200


@pytest.mark.parametrize(
    ("client", "purpose", "expected"),
    [
        ("researcher", None, ("invalid_request", "purpose-missing")),
        ("researcher", "TREAT", ("invalid_request", "purpose-clinical")),
        ("researcher", "etreat", ("invalid_request", "purpose-clinical")),
        ("researcher", "AITRAIN AIRESEARCH", ("invalid_request", "purpose-unknown")),
        ("researcher", "FEDLEARN", ("unauthorized_client", "purpose-not-registered")),
        ("repository", "MARKETING", ("invalid_request", "purpose-unknown")),
        ("provider", "TREAT", ("invalid_request", "purpose-clinical")),
        ("provider", "AITRAIN", ("invalid_request", "purpose-not-carried")),
        ("operator", "CLINTRCH", ("invalid_request", "purpose-clinical")),
        ("operator", "FEDLEARN", ("invalid_request", "purpose-not-carried")),
    ],
)
def test_a_purpose_that_may_not_be_claimed_is_refused(house, client, purpose, expected):
    answer = house.post(made=house.assertion(client), purpose=purpose)
    assert refused(answer) == (400, *expected)
    assert answer.json["error_description"] == SENTENCES.get(expected[1], answer.json["error_description"])


@pytest.mark.parametrize(
    "scope",
    [
        "system/Consent.rs",
        "system/ImagingStudy.c",
        "system/ImagingStudy.rs?x=y",
        "system/ImagingStudy.rs system/Patient.sr",
        "openid",
        "",
        " ",
        "system/ImagingStudy.rs \u00e9",
    ],
)
def test_a_scope_that_is_malformed_or_leaves_nothing_is_refused(house, scope):
    assert refused(house.post(scope=scope))[:2] == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/ImagingStudy.read", "system/ImagingStudy.read"),
        ("system/Patient.search", "system/Patient.search"),
        ("system/ImagingStudy.s launch/patient fhirUser openid offline_access", "system/ImagingStudy.s"),
        ("system/Observation.read system/*.read patient/*.rs", "system/ImagingStudy.rs system/Patient.rs"),
        ("user/ImagingStudy.rs system/Patient.r", "system/Patient.r"),
        (None, "system/ImagingStudy.rs system/Patient.rs"),
    ],
)
def test_what_is_granted_is_answered_in_the_words_it_was_asked_in(house, asked, granted):
    answer = house.post(scope=asked)
    assert (answer.status_code, answer.json["scope"]) == (200, granted)
    assert house.who(answer.json["access_token"]).status_code == (200 if "ImagingStudy" in granted else 403)


def test_a_purpose_may_be_said_in_the_assertion_and_a_single_one_is_given_unasked(house):
    def purpose(stated: object, **fields: object) -> object:
        made = house.assertion(extensions=stated)
        answer = house.post(made=made, **{"purpose": None} | fields)
        return answer.json.get("purpose", answer.json.get("code"))

    assert purpose({"hl7-b2b": {"purpose_of_use": ["AITRAIN"]}}) == "AITRAIN"
    assert purpose({"hl7-b2b": {"purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#AIRESEARCH"]}}) == "AIRESEARCH"
    assert purpose({"hl7-b2b": {"purpose_of_use": "AITRAIN"}}, purpose="AIRESEARCH") == "AIRESEARCH"
    assert purpose({"hl7-b2b": {"purpose_of_use": ["TREAT"]}}) == "purpose-clinical"
    for unread in ({}, [], "x", {"hl7-b2b": []}, {"hl7-b2b": {"purpose_of_use": ["AITRAIN", "AIRESEARCH"]}}):
        assert purpose(unread) == "purpose-missing"
    set_client(house.runtime, builders.ACTOR, "researcher", purposes=["AITRAIN"])
    assert purpose(None) == "AITRAIN"


def test_other_grants_are_refused(house):
    for grant_type in ("password", "authorization_code", "implicit", "x" * 99):
        answer = house.post(grant_type=grant_type)
        assert (answer.status_code, answer.json["error"]) == (400, "unsupported_grant_type")
    assert refused(house.post(grant_type=None)) == (400, "invalid_request", "grant-type-missing")


def test_a_repeated_parameter_is_refused(house):
    made = house.assertion()
    fields = {"grant_type": "client_credentials", "client_assertion_type": oauth.ASSERTION_TYPE, "client_assertion": made}
    answer = house.app.test_client().post("/oauth/token", data=fields | {"purpose": ["AIRESEARCH", "AITRAIN"]})
    assert refused(answer) == (400, "invalid_request", "parameter-repeated")


def test_a_form_that_is_too_large_or_no_form_is_refused(house):
    assert refused(house.post(scope="x" * oauth.MOST_BYTES)) == (413, "invalid_request", "form-too-large")
    assert refused(house.app.test_client().post("/oauth/token", json={})) == (400, "invalid_request", "form-expected")


def test_parameters_in_the_url_are_not_read(house):
    answer = house.app.test_client().post("/oauth/token", query_string={"grant_type": "client_credentials"}, data={"x": "y"})
    assert refused(answer) == (400, "invalid_request", "grant-type-missing")
    assert house.app.test_client().get("/oauth/token").status_code == 405


def test_no_token_is_given_over_clear_http_to_the_world(tmp_path, keys):
    runtime = builders.runtime(tmp_path, public_url="http://accord.example")
    answer = _app(runtime, keys).test_client().post("/oauth/token", data={"grant_type": "client_credentials"})
    runtime.close()
    assert (answer.status_code, answer.json["error"]) == (400, "insecure_transport")


def test_a_host_header_changes_no_url(house):
    answer = house.app.test_client().get("/.well-known/oauth-authorization-server", headers={"Host": "evil.example"})
    assert "evil" not in answer.text


# What a client gets.


@pytest.mark.parametrize(("key", "aud"), [(RSA, URL), (EC, BASE)])
def test_a_registered_client_gets_a_token_of_five_minutes_for_what_it_asked(house, key, aud):
    answer = house.post(made=house.assertion(key=key, aud=aud), scope="system/*.cruds")
    assert (answer.status_code, answer.headers["Cache-Control"], answer.mimetype) == (200, "no-store", "application/json")
    assert (answer.json["token_type"], answer.json["expires_in"], answer.json["purpose"]) == ("Bearer", 300, "AIRESEARCH")
    claims = house.keys.read(answer.json["access_token"], BASE, house.clock())
    assert claims["scope"] == answer.json["scope"] == "system/ImagingStudy.rs system/Patient.rs"
    assert (claims["iss"], claims["aud"], claims["sub"], claims["client_id"]) == (BASE, BASE, "researcher", "researcher")
    assert (claims["exp"] - claims["iat"], claims["purpose"], len(claims["jti"]) > 16) == (300, "AIRESEARCH", True)


@pytest.mark.parametrize("client", ["provider", "operator"])
def test_providers_and_the_operator_get_tokens_without_a_purpose(house, client):
    assert "purpose" not in house.keys.read(house.token(client, purpose=None), BASE, house.clock())


def test_tokens_verify_with_the_published_keys(house):
    published = RSAKey.import_key(house.app.test_client().get("/oauth/jwks").json["keys"][0])
    token = jwt.decode(house.token(), published, algorithms=["RS384"])
    assert (token.header["typ"], token.header["alg"]) == ("at+jwt", "RS384")


def test_discovery_says_what_is_there_and_nothing_more(house):
    asked = house.app.test_client()
    metadata = asked.get("/.well-known/oauth-authorization-server").json
    smart = asked.get("/fhir/R4/.well-known/smart-configuration", headers={"Accept": "text/html"})
    assert smart.mimetype == "application/json"
    assert smart.json | metadata == smart.json
    assert metadata["issuer"] == BASE
    assert metadata["grant_types_supported"] == ["client_credentials", oauth.DEVICE_GRANT, "refresh_token"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "none"]
    assert metadata["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert metadata["purposes_supported"] == [str(p) for p in Purpose]
    assert "plain" not in smart.json["code_challenge_methods_supported"]
    paths = {rule.rule for rule in house.app.url_map.iter_rules()}
    assert {metadata[name].removeprefix(BASE) for name in metadata if name.endswith(("_endpoint", "_uri"))} <= paths


# Who a token makes of its bearer.


def test_a_token_names_its_client_its_organisation_and_its_purpose(house):
    assert house.who(house.token()).json == {"role": "user", "id": "researcher", "party": "university", "purpose": "AIRESEARCH"}


def test_a_request_without_a_token_or_with_a_useless_one_is_asked_for_a_better(house, tmp_path):
    stranger = Keys.load_or_make(tmp_path / "others.json")
    token = house.token()
    forged = stranger.mint(house.keys.read(token, BASE, house.clock()))
    assert house.app.test_client().get("/who").json["title"] == "token-missing"
    assert house.who(forged).json["title"] == "token-invalid"
    assert house.who(house.assertion()).json["title"] == "token-invalid"
    house.clock.on(300)
    assert (house.who(token).status_code, house.who(token).json["title"]) == (401, "token-expired")


def test_a_token_without_the_routes_scope_is_forbidden(house):
    assert house.who(house.token(scope="system/Patient.rs")).json["title"] == "insufficient-scope"


@pytest.mark.parametrize(
    ("client", "address", "role"),
    [
        ("compute", INSIDE, Role.INSIDE),
        ("compute", "::ffff:10.1.2.3", Role.INSIDE),
        ("compute", "fd00::1", Role.INSIDE),
        ("compute", OUTSIDE, Role.USER),
        ("compute", "", Role.USER),
        ("compute", "unix:", Role.USER),
        ("researcher", INSIDE, Role.USER),
        ("repository", INSIDE, Role.USER),
        ("provider", INSIDE, Role.PROVIDER),
        ("operator", INSIDE, Role.OPERATOR),
    ],
)
def test_only_a_nodes_own_client_calling_from_its_network_is_inside(house, client, address, role):
    token = house.token(client, purpose="AITRAIN" if role in (Role.USER, Role.INSIDE) else None)
    assert house.who(token, address).json["role"] == role


def test_a_client_of_a_node_that_is_not_linked_is_not_inside(house):
    token = house.token("compute")
    assert house.who(token, INSIDE).json["role"] == Role.INSIDE
    move_node(house.runtime, builders.ACTOR, "edge", "suspend")
    assert house.who(token, INSIDE).json["role"] == Role.USER


def test_what_governance_says_of_a_client_binds_its_next_request(house):
    token = BearerToken(house.token(), OUTSIDE)
    assert identify(house.runtime, token, keys=house.keys).subject.approved
    with house.runtime.store.write() as connection:
        party = parties.find_id(connection, "university")
        governance.update_row(connection, t.party, party, house.clock(), approved=False)
    assert not identify(house.runtime, token, keys=house.keys).subject.approved


def test_a_scope_that_is_taken_from_a_client_opens_nothing_more(house):
    token = house.token()
    assert house.who(token).status_code == 200
    set_client(house.runtime, builders.ACTOR, "researcher", scopes=["system/Patient.rs"])
    assert house.who(token).json["title"] == "insufficient-scope"
    set_client(house.runtime, builders.ACTOR, "researcher", scopes=["system/*.rs"])
    assert house.who(token).status_code == 200


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        (OUTSIDE, None, OUTSIDE),
        (OUTSIDE, INSIDE, OUTSIDE),
        (PROXY, None, PROXY),
        (PROXY, INSIDE, INSIDE),
        (PROXY, f"{INSIDE}, {OUTSIDE}", OUTSIDE),
        (PROXY, f"{INSIDE},{OUTSIDE} , 10.9.0.2", OUTSIDE),
        (PROXY, f"{INSIDE}, garbage", PROXY),
        (PROXY, f"{INSIDE}, ", PROXY),
        ("::1", "::ffff:192.0.2.7", OUTSIDE),
        ("::ffff:10.9.0.1", INSIDE, INSIDE),
        ("::ffff:192.0.2.7", INSIDE, OUTSIDE),
        ("", INSIDE, ""),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(remote, forwarded, found):
    assert TrustedProxies("10.9.0.0/24, ::1").address(remote, forwarded) == found


def test_a_forwarded_address_does_not_let_anybody_inside(house):
    token = house.token("compute")
    assert house.who(token, OUTSIDE, forwarded=INSIDE).json["role"] == Role.USER
    assert house.who(token, PROXY, forwarded=INSIDE).json["role"] == Role.INSIDE


def test_a_proxy_that_is_no_network_stops_the_start():
    with pytest.raises(ValueError, match="nonsense"):
        TrustedProxies("nonsense")


# Introspection.


def test_a_client_is_told_of_its_own_tokens_and_the_operator_of_all(house):
    token = house.token()
    mine = house.post("/oauth/introspect", token=token)
    assert (mine.json["active"], mine.json["client_id"], mine.headers["Cache-Control"]) == (True, "researcher", "no-store")
    assert house.post("/oauth/introspect", house.assertion("operator"), token=token).json["purpose"] == "AIRESEARCH"
    assert house.post("/oauth/introspect", house.assertion("compute"), token=token).json == {"active": False}


def test_a_token_that_would_not_be_let_in_is_inactive(house):
    token = house.token("compute")
    set_client(house.runtime, builders.ACTOR, "compute", enabled=False)
    for text in (token, "nonsense", ""):
        assert house.post("/oauth/introspect", house.assertion("operator"), token=text).json == {"active": False}


def test_introspection_needs_proof_of_the_client(house):
    answer = house.post("/oauth/introspect", house.assertion(key=STRANGER), token=house.token())
    assert refused(answer) == (401, "invalid_client", "assertion-invalid")


# `accord token`, over a real connection.


@pytest.fixture
def client_file(tmp_path, keys, free_port) -> Path:
    """The file of a client of an Accord that listens."""
    base = f"http://127.0.0.1:{free_port}"
    runtime = builders.runtime(tmp_path, public_url=base)
    builders.seed(runtime)
    add_party(runtime, builders.ACTOR, "university", "University", "user")
    private, public = new_client_key()
    add_client(
        runtime,
        builders.ACTOR,
        "c1",
        party="university",
        jwks=public,
        scopes=["system/*.rs"],
        purposes=["AITRAIN"],
        terms=builders.TERMS,
    )
    write_client(tmp_path / "c1.json", ClientFile("c1", base, "system/*.rs", "AITRAIN", private))
    server = make_server("127.0.0.1", free_port, _app(runtime, keys), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "c1.json"
    server.shutdown()
    thread.join()
    server.server_close()
    runtime.close()


def test_a_client_file_is_all_it_takes_to_get_a_token(client_file, keys):
    base = json.loads(client_file.read_text())["base_url"]
    now = builders.wiring.now
    claims = keys.read(fetch(client_file), base, now())
    assert (claims["client_id"], claims["scope"], claims["purpose"]) == ("c1", "system/*.rs", "AITRAIN")
    assert keys.read(fetch(client_file, scope="system/Patient.r"), base, now())["scope"] == "system/Patient.r"
    with pytest.raises(Unauthenticated, match="Clinical purposes are refused") as refusal:
        fetch(client_file, purpose="TREAT")
    assert refusal.value.code == "purpose-clinical"


def test_a_token_endpoint_that_does_not_answer_is_said_to(tmp_path, free_port):
    base, key = f"http://127.0.0.1:{free_port}", new_client_key()[0]
    files = ClientFile("c1", base, "", None, key), ClientFile("c1", base, "", None, key, token_url=f"{base}/oauth/token")
    for name, file in {"a": files[0], "b": files[1], "c": replace(files[1], token_url="nonsense")}.items():
        write_client(tmp_path / name, file)
        with pytest.raises(Unavailable):
            fetch(tmp_path / name)


def test_an_assertion_of_the_client_file_is_what_the_server_takes(house):
    private = dict(EC.as_dict(private=True))
    assert house.post(made=assertion(ClientFile("researcher", URL, "", None, private), URL, house.clock())).status_code == 200


def test_bodies_that_do_not_come_hold_no_search(house):
    token, bulkheads = house.token(), house.app.extensions["accord"].bulkheads
    for _ in range(8):
        bulkheads.enter(Bulkhead.FORM)  # as eight strangers who have sent the head of a token request and nothing more
    assert house.who(token).status_code == 200
    assert house.app.test_client().post("/oauth/token").json["title"] == "busy"


def test_a_route_that_takes_a_body_takes_no_place_of_a_search(house):
    places = {rule.endpoint: context.declaration(house.app, rule.endpoint) for rule in house.app.url_map.iter_rules()}
    taking = [rule.endpoint for rule in house.app.url_map.iter_rules() if rule.methods & {"POST", "PUT", "PATCH"}]
    assert taking
    assert all(places[endpoint].bulkhead is Bulkhead.FORM for endpoint in taking)


# Keys by URL.


@pytest.fixture
def lab(house):
    """A client whose keys are published at a URL: what is asked of it, and what it answers."""
    published, asked = {"keys": [EC.as_dict(private=False)]}, []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=published)

    clock = lambda: house.clock().timestamp()  # noqa: E731
    sets = KeySets(["lab.example"], transport=httpx.MockTransport(answer), clock=clock)
    runtime = replace(house.runtime, key_sets=sets)
    add_client(runtime, builders.ACTOR, "lab", party="university", jwks_url=LAB, purposes=["AITRAIN"], terms=builders.TERMS)
    return replace(house, runtime=runtime, app=_app(runtime, house.keys)), published, asked


LAB = "https://lab.example/jwks.json"


def test_a_client_proves_itself_by_keys_that_it_publishes(lab):
    house, published, asked = lab
    for header in ({}, {"jku": LAB}):
        assert house.post(made=house.assertion("lab", header=header), purpose=None).json["purpose"] == "AITRAIN"
    assert asked == [LAB]
    for header in ({"jku": "https://lab.example/other"}, {"jku": LAB + "/"}):
        assert refused(house.post(made=house.assertion("lab", header=header)))[2] == "assertion-invalid"
    house.clock.on(60)
    published["keys"] = [RSA.as_dict(private=False)]
    assert house.post(made=house.assertion("lab", key=RSA), purpose=None).status_code == 200
    assert refused(house.post(made=house.assertion("lab", key=EC)))[2] == "assertion-invalid"
    assert asked == [LAB] * 2


def test_a_client_is_registered_by_keys_or_by_their_url_and_not_by_both(lab):
    house, *_ = lab
    for keys in ({}, {"jwks": JWKS, "jwks_url": LAB}, {"jwks_url": "https://other.example/jwks.json"}):
        with pytest.raises(Invalid):
            add_client(house.runtime, builders.ACTOR, "x", party="university", **keys)
    set_client(house.runtime, builders.ACTOR, "lab", jwks=JWKS)
    assert refused(house.post(made=house.assertion("lab", header={"jku": LAB})))[2] == "assertion-invalid"
    assert house.post(made=house.assertion("lab"), purpose=None).status_code == 200
    set_client(house.runtime, builders.ACTOR, "lab", jwks_url=LAB)
    assert house.post(made=house.assertion("lab", header={"jku": LAB}), purpose=None).status_code == 200
