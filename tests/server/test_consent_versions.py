"""A Consent's kept versions: what its agreement was at each change, by history and one by one, as far as its reader was told."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from adapters.identity import Keys
from adapters.sql import tables as t
from server.usecases.agreement import move_agreement
from server.usecases.dataset import add_dataset
from server.usecases.draft import draft_version
from server.usecases.permit import revoke_permit
from tests.agreed import CONTENT, LOCAL, agreed, sending
from tests.builders import ACTOR
from tests.house import CALLERS, House, build
from tests.mappings.fhir.rules import held

USER, PROVIDER, CENTRE, OTHER = (CALLERS[name] for name in ("user", "provider", "operator", "other-provider"))
PATH = "/fhir/R4/Consent/DSA-LUNG"


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    """LUNG under DSA-LUNG, whose change, signed by both sides, is in force and named no purpose but training."""
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    made.runtime.clock.on(60)
    guidelines = (f"guidelines 1.0.0 {'ab' * 32}",)
    draft_version(made.runtime, LOCAL, "DSA-LUNG", replace(CONTENT, purposes=("AITRAIN",), documents=guidelines))
    built, outbox = sending(made.runtime)
    agreed(built, outbox, "DSA-LUNG")
    made.runtime.clock.on(60)
    yield made
    made.runtime.close()


def versions(house: House, who, query: str = "") -> list[dict]:
    answer = house.ask("GET", f"{PATH}/_history{query}", who)
    assert answer.status_code == 200, answer.data
    return [held(json.dumps(entry["resource"]).encode()) for entry in answer.json.get("entry", [])]


def purposes(consent: dict) -> set[str]:
    return {code["code"] for each in consent["provision"].get("provision", []) for code in each.get("purpose", ())}


@pytest.mark.parametrize("who", [USER, PROVIDER, CENTRE], ids=lambda who: who.client)
def test_every_version_is_told_as_it_was_and_the_last_as_it_is(house, who):
    told = versions(house, who)
    numbers = [int(each["meta"]["versionId"]) for each in told]
    assert numbers == sorted(set(numbers))
    assert told[-1] == house.ask("GET", PATH, who).json
    assert (purposes(told[-1]), [p["uri"] for p in told[-1]["policy"]][1][:14]) == ({"AITRAIN"}, "ni:///sha-256;")
    before = [each for each in told if each["status"] == "active" and purposes(each) == {"AIRESEARCH"}]
    assert before
    assert len(told[-1]["policy"]) == 3, "the terms, the version, and its document"
    assert {each["status"] for each in told} == ({"active"} if who is USER else {"draft", "proposed", "active"})
    for each in told:
        read = house.ask("GET", f"{PATH}/_history/{each['meta']['versionId']}", who)
        assert (read.status_code, read.json, read.headers["ETag"]) == (200, each, f'W/"{each["meta"]["versionId"]}"')


def test_a_change_that_is_drafted_changes_nothing_that_is_told(house):
    before = house.ask("GET", PATH, PROVIDER)
    house.runtime.clock.on(60)
    draft_version(house.runtime, LOCAL, "DSA-LUNG", CONTENT)
    after = house.ask("GET", PATH, PROVIDER)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    assert versions(house, PROVIDER)[-1] == after.json


def test_permits_are_in_the_versions_of_those_alone_who_are_told_of_them(house):
    revoke_permit(house.runtime, ACTOR, "LUNG", "university")
    assert "Organization/university" in str(versions(house, PROVIDER))
    assert "Organization/university" not in str(versions(house, PROVIDER)[-1])
    assert "Organization/university" not in str(versions(house, USER))


def test_pages_follow_each_other_and_since_begins_later(house):
    every, paged, query = versions(house, PROVIDER), [], "?_count=2"
    while query:
        answer = house.ask("GET", f"{PATH}/_history{query}", PROVIDER).json
        paged += [entry["resource"] for entry in answer["entry"]]
        query = next((f"?{link['url'].partition('?')[2]}" for link in answer["link"] if link["relation"] == "next"), "")
    assert paged == every
    later = versions(house, PROVIDER, f"?_since={every[-1]['meta']['lastUpdated']}")
    assert later
    assert len(later) < len(every)


def test_what_is_not_there_or_not_in_sight_has_no_version(house):
    for who, version in ((OTHER, "3"), (USER, "1"), (USER, "99"), (USER, "x")):
        assert house.ask("GET", f"{PATH}/_history/{version}", who).status_code == 404
    assert house.ask("GET", f"{PATH}/_history", OTHER).status_code == 404
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "suspend", circumstance="breach")
    assert house.ask("GET", f"{PATH}/_history/3", USER).status_code == 404


def test_where_the_record_has_a_gap_the_present_alone_is_told(house):
    add_dataset(house.runtime, ACTOR, "LUNG-B", "DSA-LUNG", "More")
    assert len(versions(house, PROVIDER)) > 1
    body, target = t.ledger_body.c, t.entry_target.c
    with house.runtime.store.write() as connection:
        erased = connection.execute(select(body.id).where(body.kind == "govern.agreement.propose")).scalars().all()
        connection.execute(delete(t.entry_target).where(target.entry.in_(erased)))
        connection.execute(delete(t.ledger_body).where(body.id.in_(erased)))
    assert versions(house, PROVIDER) == [house.ask("GET", PATH, PROVIDER).json]


def test_signatures_stand_in_the_provenance_of_the_agreement_and_name_nobody_by_its_typed_name(house):
    found = house.ask("GET", "/fhir/R4/Provenance?target=Consent/DSA-LUNG", PROVIDER).json["entry"]
    kinds = [held(json.dumps(entry["resource"]).encode())["activity"]["coding"][0]["code"] for entry in found]
    assert {"govern.agreement.sign", "govern.agreement.countersign"} <= set(kinds)
    assert "Sam Signer" not in str(found)
