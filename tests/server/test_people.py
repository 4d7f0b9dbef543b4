"""People by API: each act as each role, through the door; who sees whom; and what nobody may do, or not alone."""

import pytest
from sqlalchemy import select

from adapters.identity import Keys
from adapters.sql import tables as t
from consent.person import ACTS, Act, Actor, PersonRole, Span, may, may_be
from mappings.failures import Conflict, Failure, Forbidden
from server.usecases.batch import close_batch
from server.usecases.party import add_party
from server.usecases.person import add_person, block_person, give_role, invite_again, take_role
from server.web import app
from tests import builders
from tests.house import CALLERS, House
from tests.signing_in import LOCAL, Browser, hidden, invited, signed_in


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    runtime, keys = builders.runtime(folder), Keys.load_or_make(folder / "keys.json")
    builders.seed(runtime)
    builders.seed(runtime, alias="BREAST", provider="hospital-b")
    add_party(runtime, builders.ACTOR, "university", "University", "user")
    made = House(runtime, keys, app.create(runtime, keys))
    invited(runtime, "first", "operator")
    yield made
    runtime.close()


@pytest.fixture(scope="module")
def people(house) -> dict[PersonRole, Browser]:
    """A person of each role: of hospital-a where it is an organisation's, else of the repository."""
    made = {}
    for role in PersonRole:
        party = "hospital-a" if may_be(role, "provider") else None
        purposes = ["AIRESEARCH"] if role is PersonRole.RESEARCHER else []
        made[role] = signed_in(house.runtime, house.flask, str(role), role, party, purposes=purposes)
    return made


def send(one: Browser, method: str, path: str, body: object = None):
    token = hidden(one.get("/account"))["csrf_token"]
    return one.client.open(path, method=method, json=body, headers={"X-CSRF-Token": token})


def acting(role: PersonRole) -> Actor:
    party = "hospital-a" if may_be(role, "provider") else None
    return Actor(f"person:{role}", party, frozenset({role}))


PARTIES = ("hospital-a", "hospital-b", None)


@pytest.mark.parametrize("role", list(PersonRole))
@pytest.mark.parametrize("party", PARTIES, ids=str)
def test_who_may_invite_and_give_roles_is_who_the_table_names(house, people, role, party):
    given = PersonRole.SIGNATORY if party else PersonRole.AUDITOR
    key = f"new-{role}-{party}"
    told = send(people[role], "POST", "/api/people", {"key": key, "name": "New", "role": given, "party": party})
    expected = may(acting(role), Act.INVITE, party) and may(acting(role), Act.ASSIGN, party)
    assert told.status_code == (201 if expected else 403), told.text
    if not expected:
        add_person(house.runtime, LOCAL, key, name="New", role=given, party=party)
    for path, act, body in (
        ("invitation", Act.INVITE, None),
        ("roles/end", Act.ASSIGN, {"role": given, "party": party}),
        ("roles", Act.ASSIGN, {"role": given, "party": party}),
    ):
        told = send(people[role], "POST", f"/api/people/{key}/{path}", body)
        assert (told.status_code in (200, 201)) == may(acting(role), act, party), (path, told.text)


@pytest.mark.parametrize("role", list(PersonRole))
def test_who_may_block_is_who_the_table_names(house, people, role):
    victim = signed_in(house.runtime, house.flask, f"victim-{role}", "signatory", "hospital-a")
    for path in ("sign-out", "block", "unblock"):
        told = send(people[role], "POST", f"/api/people/victim-{role}/{path}")
        assert told.status_code == (200 if may(acting(role), Act.BLOCK, None) else 403), told.text
    assert (victim.get("/account").status_code == 200) == (not may(acting(role), Act.BLOCK, None))


@pytest.mark.parametrize("role", list(PersonRole))
def test_each_sees_the_people_of_its_organisation_and_who_acts_for_all_everybody(people, role):
    seen = {p["key"] for p in people[role].get("/api/people").json["people"]}
    everybody = Span.ALL in ACTS[role].values()
    assert ({"signatory", "data-manager"} <= seen, "auditor" in seen, "first" in seen) == (True, everybody, everybody)


AGREEMENT, LUNG = "/api/agreements/DSA-LUNG", "/api/datasets/LUNG"
TRIED = [
    (Act.APPLY, "POST", "/api/agreements", {"key": "DSA-LUNG", "contacts": "x", "data": "x"}),
    (Act.DRAFT, "POST", f"{AGREEMENT}/versions", {"node": "central", "terms": "1.0.0", "data_use": ["CC"]}),
    (Act.PROPOSE, "POST", f"{AGREEMENT}/acts", {"verb": "propose"}),
    (Act.RESUME, "POST", f"{AGREEMENT}/acts", {"verb": "resume"}),
    (Act.SIGN, "POST", f"{AGREEMENT}/codes", None),
    (Act.SIGN, "POST", f"{AGREEMENT}/signatures", {"name": "Sam", "code": "x"}),
    (Act.MOVE_DATASET, "POST", f"{LUNG}/moves", {"agreement": "DSA-LUNG"}),
    (Act.MOVE_DATASET, "POST", f"{LUNG}/moves/answer", {"verb": "confirm"}),
    (Act.EXAMINE, "GET", "/api/batches/{batch}/waiting", None),
    (Act.REFUSE, "POST", "/api/batches/{batch}/refusal", {}),
    (Act.RELEASE, "POST", "/api/batches/{batch}/release", {}),
    (Act.ACCEPT_TERMS, "POST", "/api/acceptances", {"kind": "general", "version": "1.0.0", "sha256": "0" * 64}),
    (Act.ANSWER_TERMS, "POST", "/api/terms-tasks/1.0.0", {"party": "hospital-a", "answer": "accept"}),
    (Act.WITHDRAW, "POST", f"{LUNG}/restoration", {}),
    (Act.WITHDRAW, "POST", "/api/withdrawals", {"dataset": "LUNG", "patient": "nobody"}),
    (Act.TELL_OF_WORK, "POST", f"{LUNG}/publications", {"title": " ", "summary": "x"}),
    (Act.TELL_OF_WORK, "POST", f"{LUNG}/publications/none/doi", {}),
    (Act.TELL_OF_WORK, "POST", f"{LUNG}/publications/none/removal", None),
    (Act.ANNOUNCE, "POST", "/api/notices", {"kind": "discontinuity", "title": "x", "effective": "2001-01-01T00:00:00Z"}),
    (Act.BLOCK, "POST", "/api/exclusions/lift", {"kind": "party", "key": "hospital-a"}),
    (Act.PURGE, "POST", "/api/proposals", {"act": "purge", "arguments": {}, "reason": "why"}),
    (Act.PUBLISH, "POST", "/api/proposals", {"act": "publish", "arguments": {}, "reason": "why"}),
    (Act.RELEASE, "POST", "/api/proposals", {"act": "release", "arguments": {}, "reason": "why"}),
    (Act.ROTATE_KEYS, "POST", "/api/proposals", {"act": "rotate-keys", "arguments": {"x": "y"}, "reason": "why"}),
    (Act.ADMIT_EXTERNAL, "POST", "/api/proposals", {"act": "admit-external", "arguments": {}, "reason": "why"}),
]
"""Acts on what is hospital-a's, each refused for what it asks once who asks it may: nothing is changed."""
_COUNTERPART = {Act.SIGN: Act.COUNTERSIGN}
"""What the repository's people do by the same route."""
_UNDONE = {"act-not-yours", "no-organisation", "batch-unknown", "dataset-unknown", "role"}
"""How an act is refused to who may not do it; whose batches and datasets are not one's own are unknown to it."""


@pytest.mark.parametrize("role", list(PersonRole))
@pytest.mark.parametrize(("act", "method", "path", "body"), TRIED, ids=[f"{act} {path}" for act, _, path, _ in TRIED])
def test_who_may_do_it_is_who_the_table_names(people, batch, role, act, method, path, body):
    who = acting(role)
    told = send(people[role], method, path.format(batch=batch), body)
    meant = act if who.party else _COUNTERPART.get(act, act)
    owner = who.party if act is Act.ACCEPT_TERMS else "hospital-a"
    refused = told.json.get("title") in _UNDONE
    assert refused is not may(who, meant, owner), told.text


@pytest.fixture(scope="module")
def batch(house) -> str:
    """The key of a batch of hospital-a's in which nothing waits."""
    opened = builders.association(house.runtime)
    close_batch(house.runtime, opened.id)
    return opened.key


def test_every_act_has_a_row_here_or_no_route(house):
    """An act that gets a route of the API is to be tried as each role; some are named by a body, and not by their route."""
    document = house.ask("GET", "/api/openapi.json").json
    routed = {op["x-accord-act"] for path in document["paths"].values() for op in path.values() if "x-accord-act" in op}
    by_body = {
        Act.PROPOSE,
        Act.RESUME,
        Act.PURGE,
        Act.PUBLISH,
        Act.ROTATE_KEYS,
        Act.ADMIT_EXTERNAL,
    }  # not by its route
    named = {act for act, *_ in TRIED} - by_body
    assert routed == {Act.INVITE, Act.ASSIGN} | named


def test_programs_do_none_of_it(house):
    body = {"key": "eve", "name": "Eve", "role": "operator"}
    assert house.ask("POST", "/api/people", CALLERS["anonymous"], json=body).status_code == 401


def test_a_person_lists_and_ends_its_own_sessions_by_api(house):
    one = signed_in(house.runtime, house.flask, "hedy", "signatory", "hospital-a")
    told = one.get("/api/sessions").json
    assert [s["key"] for s in told["sessions"]] == [told["this"]]
    assert send(one, "DELETE", "/api/sessions/none").status_code == 404
    assert send(one, "DELETE", f"/api/sessions/{told['this']}").status_code == 204
    assert one.get("/api/sessions").status_code == 401


# --- what nobody may do, or not alone


def refused(kind: type[Failure], code: str, work, *arguments: object, **more: object) -> None:
    with pytest.raises(kind) as told:
        work(*arguments, **more)
    assert told.value.code == code


@pytest.fixture
def runtime(tmp_path):
    made = builders.runtime(tmp_path)
    builders.seed(made)
    add_party(made, builders.ACTOR, "university", "University", "user")
    yield made
    made.close()


def test_who_lost_a_factor_is_invited_by_somebody_else(runtime):
    for key in ("ada", "bob"):
        invited(runtime, key, "operator")
    ada = Actor("person:ada", None, frozenset({PersonRole.OPERATOR}))
    refused(Forbidden, "person-self", invite_again, runtime, ada, "ada")
    assert invite_again(runtime, ada, "bob").token


def test_a_signatory_gets_no_operator_in_its_hands(runtime):
    """Whoever opens an invitation becomes its person: with every role of that."""
    invited(runtime, "ada", "operator")
    give_role(runtime, LOCAL, "ada", "signatory", party="hospital-a")
    signatory = Actor("person:sig", "hospital-a", frozenset({PersonRole.SIGNATORY}))
    refused(Forbidden, "act-not-yours", invite_again, runtime, signatory, "ada")
    refused(Forbidden, "act-not-yours", give_role, runtime, signatory, "ada", "operator")
    refused(Forbidden, "act-not-yours", add_person, runtime, signatory, "eve", name="Eve", role="auditor")


def test_the_last_operator_stays(runtime):
    invited(runtime, "ada", "operator")
    refused(Conflict, "operator-last", take_role, runtime, LOCAL, "ada", "operator")
    refused(Conflict, "operator-last", block_person, runtime, LOCAL, "ada")
    invited(runtime, "bob", "operator")
    take_role(runtime, LOCAL, "ada", "operator")
    refused(Conflict, "operator-last", block_person, runtime, LOCAL, "bob")


@pytest.mark.parametrize(
    ("role", "party", "purposes", "code"),
    [
        ("operator", "hospital-a", [], "role-not-there"),
        ("auditor", "university", [], "role-not-there"),
        ("data-manager", "university", [], "role-not-there"),
        ("signatory", None, [], "role-not-there"),
        ("researcher", "university", [], "role-purposes"),
        ("signatory", "university", ["AITRAIN"], "role-purposes"),
        ("researcher", "university", ["TREAT"], "purpose-unknown"),
        ("king", "university", [], "role-unknown"),
        ("signatory", "nobody", [], "party-unknown"),
    ],
)
def test_a_role_stands_where_it_can_and_with_what_it_needs(runtime, role, party, purposes, code):
    with pytest.raises(Failure) as told:
        add_person(runtime, LOCAL, "ada", name="Ada", role=role, party=party, purposes=purposes)
    assert told.value.code == code
    with runtime.store.read() as connection:
        assert connection.execute(select(t.person)).all() == []


@pytest.mark.parametrize(
    ("name", "email"), [("", ""), ("x" * 201, ""), ("a\nb", ""), ("A", "ada"), ("A", "@"), ("A", "a@" + "b" * 254)]
)
def test_names_and_addresses_have_a_form(runtime, name, email):
    with pytest.raises(Failure):
        add_person(runtime, LOCAL, "ada", name=name, email=email, role="operator")


def test_the_record_names_no_name_and_no_address(runtime):
    add_person(runtime, LOCAL, "ada", name="Ada Lovelace", email="ada@example.org", role="operator")
    with runtime.store.read() as connection:
        bodies = b"".join(bytes(row.body) for row in connection.execute(select(t.ledger_body)))
    assert b'"person":"ada"' in bodies
    assert b"Lovelace" not in bodies
    assert b"example.org" not in bodies
