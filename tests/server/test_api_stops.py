"""Stops over HTTP, as people and providers' clients make, undo and are told of them."""

import pytest
from jsonschema import Draft202012Validator

from adapters.identity import Keys
from consent.person import Actor
from server.usecases import proposal, withdraw
from server.web import api_document, context
from tests import builders
from tests.builders import ACTOR, OPERATOR
from tests.house import CALLERS, build
from tests.usecases.test_two_persons import SECOND

PURGE = {"act": "purge", "arguments": {"study": "1.2.999"}, "reason": "erasure"}


@pytest.fixture
def house(tmp_path):
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture
def acting(monkeypatch):
    """Who the caller is, as one that acts."""
    from dataclasses import replace  # noqa: PLC0415

    who, known = {"actor": OPERATOR}, context.caller
    for module in ("api_stops",):
        monkeypatch.setattr(f"server.web.{module}.caller", lambda: replace(known(), actor=who["actor"]))

    def act(actor: Actor) -> None:
        who["actor"] = actor

    return act


def valid(house, path, told, method="get", status="200"):
    document = house.ask("GET", api_document.PATH).json
    schema = document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": document["components"]}).validate(told)
    return told


def test_the_facts_of_a_stop_are_told_by_api_as_they_are_by_410(house):
    withdraw.withdraw_study(house.runtime, ACTOR, house.study)
    told = house.ask("GET", f"/api/studies/{house.study}/stop", CALLERS["user"])
    assert valid(house, "/api/studies/{study}/stop", told.json)["cause"] == "provider"
    assert house.ask("GET", f"/api/studies/{house.study}/stop", CALLERS["other-provider"]).status_code == 404
    gone = house.ask("GET", f"/dicom-web/studies/{house.study}", CALLERS["user"])
    assert (gone.status_code, gone.json["stopped"][:10], gone.json["cause"]) == (410, told.json["at"][:10], "provider")


def test_a_provider_s_client_withdraws_its_dataset_and_has_it_back(house):
    asked, provider = "/api/datasets/LUNG", CALLERS["provider"]
    assert house.ask("POST", f"{asked}/withdrawal", provider, json={"reason": "we stop"}).status_code == 200
    assert house.ask("GET", "/dicom-web/studies", CALLERS["user"]).json == []
    told = house.ask("GET", f"{asked}/stop", CALLERS["anonymous"])
    assert valid(house, "/api/datasets/{alias}/stop", told.json)["cause"] == "provider"
    assert house.ask("POST", f"{asked}/restoration", CALLERS["other-provider"], json={}).status_code == 404
    back = house.ask("POST", f"{asked}/restoration", provider, json={})
    assert (back.status_code, back.json["title"]) == (409, "grace-over"), "the house has no grace"


def test_a_blocked_organisation_gets_no_token_and_its_live_one_says_nothing_more(house, acting):
    who, operator = CALLERS["user"], CALLERS["operator"]
    assert house.ask("GET", "/dicom-web/studies", who).status_code == 200
    said = {"kind": "party", "key": "university", "circumstance": "breach", "reason": "it shared its key"}
    assert house.ask("POST", "/api/exclusions", operator, json=said).status_code == 201
    refused = house.ask("GET", "/dicom-web/studies", who)
    assert (refused.status_code, refused.json["title"]) == (401, "excluded")
    listed = valid(house, "/api/exclusions", house.ask("GET", "/api/exclusions", operator).json)
    assert [(one["key"], one["by"]) for one in listed["exclusions"]] == [("university", OPERATOR.id)]
    assert house.ask("POST", "/api/exclusions/lift", operator, json={"kind": "party", "key": "university"}).status_code == 200
    assert house.ask("GET", "/dicom-web/studies", who).status_code == 200


def test_two_people_decide_by_api_and_one_is_not_two(house, acting):
    builders.person(house.runtime, "olga")
    builders.person(house.runtime, "sven")
    operator = CALLERS["operator"]
    made = house.ask("POST", "/api/proposals", operator, json=PURGE)
    assert made.status_code == 201
    path = f"/api/proposals/{made.json['key']}"
    assert house.ask("POST", f"{path}/confirmation", operator).json["title"] == "proposal-refused"
    acting(SECOND)
    waiting = valid(house, "/api/proposals", house.ask("GET", "/api/proposals", operator).json)
    assert [one["digest"] for one in waiting["proposals"]] == [made.json["digest"]]
    assert house.ask("POST", f"{path}/confirmation", operator).status_code == 404, "no such study is withdrawn"
    assert house.ask("POST", f"{path}/refusal", operator, json={"reason": "no such study"}).status_code == 200
    assert proposal.list_proposals(house.runtime, OPERATOR) == []


def test_notices_are_announced_read_and_acknowledged_by_api(house, acting):
    said = {"kind": "discontinuity", "title": "Storage moves", "effective": "2999-01-01T00:00:00Z", "party": "hospital-a"}
    assert house.ask("POST", "/api/notices", CALLERS["operator"], json=said).status_code == 201
    acting(Actor("pacs-a", "hospital-a"))
    told = valid(house, "/api/notices", house.ask("GET", "/api/notices", CALLERS["provider"]).json)["notices"]
    assert [(one["title"], one["acknowledged"]) for one in told] == [("Storage moves", None)]
    assert house.ask("POST", f"/api/notices/{told[0]['id']}/acknowledgement", CALLERS["provider"]).status_code == 200
    assert builders.ACTOR
