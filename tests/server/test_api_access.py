"""`datasetAccessCheck`: a person's use of datasets in a workspace, as the agreements, permits and roles of the moment have it."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest

from adapters.identity import Keys
from adapters.openid_provider import Identity, OpenIdProvider
from adapters.sql import access
from adapters.sql import person as people
from consent.person import Actor, PersonRole
from consent.terms import DocumentKind
from mappings.api.access import MOST_DATASETS
from server.usecases.acceptance import accept
from server.usecases.agreement import move_agreement
from server.usecases.dataset import set_dataset
from server.usecases.permit import revoke_permit
from server.usecases.person import block_person
from server.usecases.sign_in import link, sign_in_as
from server.web import app
from tests import builders
from tests.house import CALLERS, House, build
from tests.signing_in import LOCAL, invited, join

URL = "/api/datasetAccessCheck"
INSIDE = CALLERS["inside"]
ISSUER = "https://login.example.org"
RESEARCHER = {"party": "university", "purposes": ["AIRESEARCH"]}


def with_ada(folder) -> House:
    """Ada, who researches at the university, has accepted the terms; where LUNG is, she may process it by a permit."""
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    join(made.runtime, made.flask, invited(made.runtime, "ada", "researcher", **RESEARCHER))
    ada = Actor("person:ada", "university", frozenset({PersonRole.RESEARCHER}))
    accept(made.runtime, ada, DocumentKind.GENERAL, builders.TERMS, sha256(b"Never for diagnosis.\n").hexdigest())
    return made


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    """A house in which nothing changes."""
    made = with_ada(tmp_path_factory.mktemp("access"))
    yield made
    made.runtime.close()


@pytest.fixture
def fresh(tmp_path) -> Iterator[House]:
    """A house of one's own."""
    made = with_ada(tmp_path)
    yield made
    made.runtime.close()


def check(house, who=INSIDE, user: str = "ada", *datasets: str):
    told = house.ask("POST", URL, who, json={"userName": user, "datasets": datasets or ["LUNG"]})
    return told.status_code, told.json if told.data else None


def test_who_may_process_a_dataset_inside_is_let(house):
    assert check(house) == (204, None)


def test_what_it_may_not_is_named_and_what_is_not_there_is_told_alike(fresh):
    move_agreement(fresh.runtime, builders.ACTOR, "DSA-BREAST", "suspend")
    assert check(fresh, INSIDE, "ada", "LUNG", "BREAST", "NONE", "BREAST") == (403, ["BREAST", "NONE"])


def test_a_stop_a_revoked_permit_or_a_block_binds_the_next_question(fresh):
    move_agreement(fresh.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert check(fresh) == (403, ["LUNG"])
    move_agreement(fresh.runtime, builders.ACTOR, "DSA-LUNG", "resume")
    assert check(fresh) == (204, None)
    block_person(fresh.runtime, LOCAL, "ada")
    assert check(fresh) == (403, ["LUNG"])


def test_without_a_permit_where_one_is_needed_nobody_is_let(fresh):
    revoke_permit(fresh.runtime, builders.ACTOR, "LUNG", "university")
    assert check(fresh) == (403, ["LUNG"])


def test_who_accepted_no_terms_and_who_is_not_known_is_not_let(fresh):
    join(fresh.runtime, fresh.flask, invited(fresh.runtime, "eve", "researcher", **RESEARCHER))
    assert check(fresh, INSIDE, "eve") == check(fresh, INSIDE, "nobody") == (403, ["LUNG"])


def test_a_dataset_is_asked_for_by_the_id_that_eucaims_catalogue_has_too(fresh):
    uri = "https://catalogue.example/dataset/1a1a6653"
    set_dataset(fresh.runtime, builders.ACTOR, "LUNG", {"identifier": uri})
    assert check(fresh, INSIDE, "ada", "LUNG", "1a1a6653") == (204, None)
    set_dataset(fresh.runtime, builders.ACTOR, "BREAST", {"identifier": uri})
    assert check(fresh, INSIDE, "ada", "LUNG", "1a1a6653") == (204, None), "both are hers"
    move_agreement(fresh.runtime, builders.ACTOR, "DSA-BREAST", "suspend")
    assert check(fresh, INSIDE, "ada", "LUNG", "1a1a6653") == (403, ["1a1a6653"]), "one of two is hers"


@pytest.mark.parametrize("name", ["user", "provider", "inside-from-elsewhere", "operator", "anonymous"])
def test_only_a_client_inside_or_the_operator_is_told(house, name):
    expected = {"operator": 204, "anonymous": 401}.get(name, 403)
    told = house.ask("POST", URL, CALLERS[name], json={"userName": "ada", "datasets": ["LUNG"]})
    assert told.status_code == expected
    assert expected != 403 or told.json["title"] == "not-inside"


def link_new(house: House, key: str, identity: Identity) -> None:
    token = invited(house.runtime, key, "researcher", **RESEARCHER).rpartition("/")[2]
    link(house.runtime, token, identity, agent="")


def called(house: House, issuer: str, name: str) -> str | None:
    with house.runtime.store.read() as connection:
        row = people.find_called(connection, issuer, name)
    return row and row.key


def test_a_person_is_who_the_provider_calls_so_now(fresh):
    """A name that the provider has given to another is the other's: she is known by issuer and subject, and not by it."""
    link_new(fresh, "bob", named("1", "alice"))
    at = replace(fresh, runtime=replace(fresh.runtime, openid=OpenIdProvider(ISSUER, "accord", "s", "https://a.example")))
    at.flask = app.create(at.runtime, at.keys)
    assert check(at, INSIDE, "ada") == (403, ["LUNG"]), "a local account's name is no name of the provider's"
    assert (called(at, ISSUER, "alice"), called(at, "https://other.example", "alice")) == ("bob", None)
    link_new(at, "eve", named("2", "alice"))
    assert called(at, ISSUER, "alice") == "eve"
    sign_in_as(at.runtime, named("1", "bob2"), agent="")
    assert (called(at, ISSUER, "alice"), called(at, ISSUER, "bob2")) == ("eve", "bob")


@pytest.mark.parametrize("said", ["", "x" * 300, 7, None, "a\nb"])
def test_what_is_no_name_is_kept_as_none(said):
    assert named("1", said).username is None


def named(subject: str, username: object) -> Identity:
    return Identity(ISSUER, subject, {"preferred_username": username})


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "ada"},
        {"userName": "ada", "datasets": []},
        {"userName": "ada", "datasets": ["x"] * (MOST_DATASETS + 1)},
        {"userName": "ada", "datasets": ["x" * 201]},
        {"userName": "x" * 501, "datasets": ["LUNG"]},
        {"userName": 1, "datasets": ["LUNG"]},
    ],
    ids=["none", "empty", "many", "long", "long-name", "number"],
)
def test_what_is_no_question_is_refused(house, body):
    assert house.ask("POST", URL, INSIDE, json=body).status_code == 400


def test_who_asked_about_whom_is_recorded(house):
    check(house, INSIDE, "ada", "LUNG", "NONE")
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        assert access.targets(connection, "compute", 1) == ["datasetAccessCheck ada LUNG NONE"]
