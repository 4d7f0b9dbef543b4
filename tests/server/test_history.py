"""What the histories of FHIR's door tell: what came, changed and went, as each caller saw it."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from adapters.identity import Keys
from mappings.fhir.resources import RESOURCES
from mappings.study import patient_key, study_key
from server.usecases import follow, sights
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.document import rebuild
from server.usecases.feeds import FEEDS
from server.usecases.follow import read_losses
from server.usecases.identify import BearerToken, identify
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR, made
from tests.house import CALLERS, House, Who, build
from tests.mappings.fhir.rules import held

USER, PROVIDER, OPERATOR, OTHER = (CALLERS[name] for name in ("user", "provider", "operator", "other-provider"))
ONE, TWO = study_key("1.2.3"), study_key("1.2.4")
PERSON = patient_key("hospital-a", "P1")
Told = list[tuple[str, str]]


@pytest.fixture(scope="module")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture
def house(tmp_path, signing) -> Iterator[House]:
    """With the studies 1.2.3 and 1.2.4 of P1, beside the one that is there; the user has searched."""
    built = build(tmp_path, signing)
    for study in ("1.2.3", "1.2.4"):
        deposit(built, study)
    built.ask("GET", "/fhir/R4/ImagingStudy", USER)
    built.runtime.clock.on(5)
    yield built
    built.runtime.close()


def deposit(
    house: House, study: str, number: int = 1, alias: str = "LUNG", provider: str = "hospital-a", **elements: object
) -> None:
    """One more image of a study, and its document."""
    batch = builders.batch(house.runtime, alias, provider=provider)
    assert str(take(house.runtime, batch, "a", made(f"{study}.1.{number}", study=study, **elements)).outcome) == "pass"
    close_batch(house.runtime, batch.id)
    house.runtime.clock.on(10)
    rebuild(house.runtime)


def history(house: House, who: Who, path: str = "ImagingStudy", **arguments: object) -> dict:
    query = "&".join(f"{name}={quote(str(value))}" for name, value in arguments.items())
    answer = house.ask("GET", f"/fhir/R4/{path}/_history?{query}".replace("/R4//", "/R4/"), who)
    assert answer.status_code == 200, answer.data
    return held(answer.data)


def told(bundle: dict) -> Told:
    """(method, what it was done to), in order."""
    return [tuple(entry["request"].values()) for entry in bundle.get("entry", ())]


def now(house: House) -> str:
    return house.runtime.clock().isoformat()


def test_what_is_there_is_told_as_it_is_with_when_it_was_published(house):
    bundle = history(house, USER)
    entry = next(e for e in bundle["entry"] if e["resource"]["id"] == ONE)
    read = house.ask("GET", f"/fhir/R4/ImagingStudy/{ONE}", USER)
    assert (bundle["type"], "total" in bundle) == ("history", False)
    assert entry["fullUrl"].endswith(f"/fhir/R4/ImagingStudy/{ONE}")
    assert entry["resource"] == read.json
    assert entry["request"] == {"method": "PUT", "url": f"ImagingStudy/{ONE}"}
    said = {"status": "201 Created", "etag": read.headers["ETag"], "lastModified": read.json["meta"]["lastUpdated"]}
    assert entry["response"] == said
    deposit(house, "1.2.3", 2)
    last = history(house, USER)["entry"][-1]
    assert (last["resource"]["id"], last["response"]["status"], last["response"]["etag"]) == (ONE, "200 OK", 'W/"2"')


def test_what_was_withdrawn_is_named_and_its_patient_stays_until_the_last_study_goes(house):
    since = now(house)
    withdraw_study(house.runtime, ACTOR, "1.2.3")
    gone = history(house, USER, _since=since)["entry"]
    assert [sorted(entry) for entry in gone] == [["fullUrl", "request", "response"]]
    assert told(history(house, USER, _since=since)) == [("DELETE", f"ImagingStudy/{ONE}")]
    assert gone[0]["response"]["status"] == "204 No Content"
    assert told(history(house, USER, "Patient", _since=since)) == [("PUT", f"Patient/{PERSON}")]
    withdraw_study(house.runtime, ACTOR, "1.2.4")
    assert told(history(house, USER, "Patient", _since=since)) == [("DELETE", f"Patient/{PERSON}")]


@pytest.mark.parametrize("who", [USER, PROVIDER, OPERATOR], ids=lambda who: who.client)
def test_a_suspension_takes_everything_away_and_its_end_gives_it_back_once(house, who):
    every, since = sorted(url for _, url in told(history(house, who))), now(house)
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "suspend")
    lost = history(house, who, _since=since)
    assert sorted(told(lost)) == [("DELETE", url) for url in every]
    house.runtime.clock.on(100)
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "resume")
    again = history(house, who, _since=since)
    assert sorted(told(again)) == [("PUT", url) for url in every]
    assert all(entry["resource"]["meta"]["lastUpdated"] < entry["response"]["lastModified"] for entry in again["entry"])
    pages = [("PUT", url) for _, url in paged(house, who, f"/fhir/R4/ImagingStudy/_history?_count=1&_since={quote(since)}")]
    assert sorted(pages) == [("PUT", url) for url in every]
    from_the_start = [url for _, url in paged(house, who, "/fhir/R4/ImagingStudy/_history?_count=1")]
    assert sorted(from_the_start) == every


def paged(house: House, who: Who, following: str) -> Told:
    every: Told = []
    while following:
        bundle = house.ask("GET", following, who).json
        every += told(bundle)
        parts = [urlsplit(link["url"]) for link in bundle["link"] if link["relation"] == "next"]
        following = f"{parts[0].path}?{parts[0].query}" if parts else ""
    return every


def test_a_reader_is_known_from_its_first_search_on(house):
    """It never asked for a history before the loss."""
    since = now(house)
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "suspend")
    assert len(told(history(house, USER, _since=since))) == 3
    assert told(history(house, CALLERS["inside"], _since=since)) == []


def test_a_permit_that_ends_is_entered_by_the_worker_and_what_came_later_is_not_named(house):
    revoke_permit(house.runtime, ACTOR, "LUNG", "university")
    add_permit(house.runtime, ACTOR, "LUNG", "university", ends=house.runtime.clock().replace(second=59))
    since = now(house)
    house.runtime.clock.on(60)
    deposit(house, "1.2.5")
    deposit(house, "1.2.6")
    withdraw_study(house.runtime, ACTOR, "1.2.6")
    assert sights.renew(house.runtime) == 1
    entered = house.runtime.clock()
    house.runtime.clock.on(600)
    assert sights.renew(house.runtime) == 0
    bundle = history(house, USER, _since=since)
    assert {url for method, url in told(bundle) if method == "DELETE"} >= {f"ImagingStudy/{ONE}", f"ImagingStudy/{TWO}"}
    assert len(told(bundle)) == 3
    assert {entry["response"]["lastModified"][:19] for entry in bundle["entry"]} == {entered.isoformat()[:19]}


def test_what_ended_and_is_permitted_again_before_anybody_looked_was_lost_meanwhile(house):
    revoke_permit(house.runtime, ACTOR, "LUNG", "university")
    add_permit(house.runtime, ACTOR, "LUNG", "university", ends=house.runtime.clock().replace(second=59))
    house.runtime.clock.on(60)
    since = now(house)
    deposit(house, "1.2.5")
    withdraw_study(house.runtime, ACTOR, "1.2.5")
    add_permit(house.runtime, ACTOR, "LUNG", "university")
    assert sorted({method for method, _ in told(history(house, USER, _since=since))}) == ["PUT"]
    assert f"ImagingStudy/{study_key('1.2.5')}" not in {url for _, url in told(history(house, USER, _since=since))}


def test_a_study_that_came_back_under_another_dataset_is_lost_where_that_is_not_seen(house):
    history(house, OTHER)
    since = now(house)
    withdraw_study(house.runtime, ACTOR, "1.2.3", replace=True)
    deposit(house, "1.2.3", alias="BREAST", provider="hospital-b")
    assert told(history(house, PROVIDER, _since=since)) == [("DELETE", f"ImagingStudy/{ONE}")]
    assert told(history(house, OTHER, _since=since)) == [("PUT", f"ImagingStudy/{ONE}")]
    assert told(history(house, OPERATOR))[-1] == ("PUT", f"ImagingStudy/{ONE}")


def test_a_clock_that_steps_back_puts_nothing_before_what_was_told(house):
    reached = history(house, PROVIDER)["meta"]["lastUpdated"]
    house.runtime.clock.on(-3600)
    deposit(house, "1.2.5")
    assert told(history(house, PROVIDER, _since=reached))[-1] == ("PUT", f"ImagingStudy/{study_key('1.2.5')}")
    document = house.ask("GET", f"/fhir/R4/ImagingStudy/{study_key('1.2.5')}", PROVIDER).json
    assert document["meta"]["lastUpdated"] >= reached
    found = house.ask("GET", f"/fhir/R4/ImagingStudy?_lastUpdated={document['meta']['lastUpdated']}", PROVIDER).json
    assert study_key("1.2.5") in [entry["resource"]["id"] for entry in found["entry"]]


# --- one resource, and everything


def test_one_resource_s_history_is_what_it_is_or_that_it_went(house):
    assert told(history(house, USER, f"ImagingStudy/{ONE}")) == [("PUT", f"ImagingStudy/{ONE}")]
    assert set(told(history(house, USER, "Consent/DSA-LUNG"))) == {("PUT", "Consent/DSA-LUNG")}  # each of its versions
    assert told(history(house, USER, f"Patient/{PERSON}")) == [("PUT", f"Patient/{PERSON}")]
    withdraw_study(house.runtime, ACTOR, "1.2.3")
    assert told(history(house, USER, f"ImagingStudy/{ONE}")) == [("DELETE", f"ImagingStudy/{ONE}")]
    assert told(history(house, USER, f"ImagingStudy/{ONE}", _since="2099-01-01T00:00:00Z")) == []
    assert house.ask("GET", f"/fhir/R4/ImagingStudy/{ONE}", USER).status_code == 410
    for who, path in (
        (OTHER, f"ImagingStudy/{TWO}"),
        (OTHER, f"ImagingStudy/{ONE}"),
        (USER, "Patient/none"),
        (USER, "Patient/a_b"),
    ):
        assert house.ask("GET", f"/fhir/R4/{path}/_history", who).status_code == 404


def test_everything_is_told_in_one_order_as_far_as_the_scopes_go(house):
    every = history(house, USER, "", _count=1000)
    kinds = {url.partition("/")[0] for _, url in told(every)}
    assert kinds == {"ImagingStudy", "Patient", "Consent", "Provenance", "Organization", "Endpoint", "ResearchStudy", "Group"}
    moments = [entry["response"].get("lastModified", "") for entry in every["entry"]]
    assert moments == sorted(moments)
    assert told(every) == paged(house, USER, "/fhir/R4/_history?_count=1")
    narrow = Who(**{**vars(USER), "scope": "system/Patient.rs system/Endpoint.r"})
    assert {url.partition("/")[0] for _, url in told(history(house, narrow, ""))} == {"Patient"}


def test_a_granular_scope_tells_what_meets_it_and_takes_back_what_does_no_more(house):
    mr = Who(**{**vars(USER), "scope": "system/ImagingStudy.rs?modality:not=CT system/Endpoint.rs?status=suspended"})
    everything = told(history(house, mr, ""))
    assert {url.partition("/")[0] for method, url in everything if method == "PUT"} == {"ImagingStudy"}
    assert ("PUT", f"ImagingStudy/{ONE}") in everything
    since = now(house)
    deposit(house, "1.2.7", Modality="CT")
    assert told(history(house, mr, "", _since=since)) == []
    assert house.ask("GET", f"/fhir/R4/ImagingStudy/{study_key('1.2.7')}/_history", mr).status_code == 404
    deposit(house, "1.2.3", 2, series="1.2.3.2", Modality="CT")
    for path in ("", "ImagingStudy", f"ImagingStudy/{ONE}"):
        assert told(history(house, mr, path, _since=since)) == [("DELETE", f"ImagingStudy/{ONE}")]
    assert house.ask("GET", "/fhir/R4/Patient/_history", mr).status_code == 403


def test_descriptions_go_with_their_dataset_and_come_back_with_it(house):
    described = {"Consent": "Consent/DSA-LUNG", "Endpoint": "Endpoint/LUNG"}
    deposits = {url for _, url in told(history(house, USER, "Provenance"))}
    since = now(house)
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "suspend")
    for kind, url in described.items():
        assert told(history(house, USER, kind, _since=since)) == [("DELETE", url)]
        assert ("PUT", url) in told(history(house, PROVIDER, kind, _since=since))
    gone = told(history(house, USER, "Provenance", _since=since))
    assert {url for method, url in gone} == deposits
    assert {method for method, url in gone} == {"DELETE"}
    move_agreement(house.runtime, ACTOR, "DSA-LUNG", "resume")
    for kind, url in described.items():
        assert set(told(history(house, USER, kind, _since=since))) == {("PUT", url)}
    assert {url for method, url in told(history(house, USER, "Provenance", _since=since)) if method == "PUT"} == deposits


# --- how it is asked


@pytest.mark.parametrize(
    "query",
    [
        "_at=2026",
        "_list=1",
        "_sort=_id",
        "_since=ge2026",
        "_since=yesterday",
        "_count=0",
        "_count=-1",
        "_count=1&_count=2",
        "_cursor=x",
    ],
)
def test_a_parameter_that_can_not_be_read_is_refused_by_name(house, query):
    answer = house.ask("GET", f"/fhir/R4/ImagingStudy/_history?{query}", USER)
    assert answer.status_code == 400
    assert answer.json["issue"][0].get("expression", [query.partition("=")[0]]) == [query.partition("=")[0]]


def test_a_next_link_is_for_its_question_and_its_reader_only(house):
    bundle = history(house, PROVIDER, _count=1)
    following = urlsplit(next(link["url"] for link in bundle["link"] if link["relation"] == "next"))
    asked = f"{following.path}?{following.query}"
    assert house.ask("GET", asked, PROVIDER).status_code == 200
    for other, who in (
        (asked, OPERATOR),
        (asked.replace("_count=1", "_count=2"), PROVIDER),
        (asked.replace("Study/", "Study/x/"), PROVIDER),
    ):
        assert house.ask("GET", other, who).status_code == 400


def test_a_history_is_written_for_people_where_they_ask(house):
    plain, pretty = (house.ask("GET", f"/fhir/R4/ImagingStudy/_history?_count=1{more}", USER) for more in ("", "&_pretty=true"))
    assert (plain.json["entry"], b"\n  " in pretty.data) == (pretty.json["entry"], True)
    assert all("_pretty=true" in link["url"] for link in pretty.json["link"])


def test_a_history_is_told_in_xml_too(house):
    withdraw_study(house.runtime, ACTOR, "1.2.4")
    answer = house.ask("GET", "/fhir/R4/_history?_format=xml", USER)
    assert (answer.status_code, answer.mimetype) == (200, "application/fhir+xml")
    assert f'<method value="DELETE"/><url value="ImagingStudy/{TWO}"/>'.encode() in answer.data


def test_every_source_of_resources_has_a_feed():
    assert FEEDS.keys() == {row.source for row in RESOURCES.values() if row.is_harvested}


def test_a_page_that_goes_on_says_how_far_it_came_and_the_last_one_how_far_all_is(house):
    first = history(house, USER, _count=1)
    assert first["meta"]["lastUpdated"] == first["entry"][-1]["response"]["lastModified"]
    last = history(house, OPERATOR)
    assert last["meta"]["lastUpdated"] > last["entry"][-1]["response"]["lastModified"]  # it became a reader by this
    assert "next" not in [link["relation"] for link in last["link"]]


def test_a_page_ends_at_its_bytes(house, monkeypatch):
    monkeypatch.setattr("mappings.fhir.bundle.PAGE_BYTES", 10)
    bundle = history(house, USER)
    assert len(told(bundle)) == 1
    assert len(paged(house, USER, "/fhir/R4/ImagingStudy/_history")) == 3


def test_a_history_is_refused_where_governance_changes_while_it_is_read(house, monkeypatch):
    honest = follow.read_resources

    def meanwhile(*asked):
        revoke_permit(house.runtime, ACTOR, "LUNG", "university")
        return honest(*asked)

    monkeypatch.setattr(follow, "read_resources", meanwhile)
    assert house.ask("GET", "/fhir/R4/ImagingStudy/_history", USER).status_code == 503


def test_the_capability_statement_says_that_there_are_histories(house):
    rest = house.ask("GET", "/fhir/R4/metadata").json["rest"][0]
    assert rest["interaction"] == [{"code": "history-system"}]
    for resource in rest["resource"]:
        said = {"history-instance", "history-type"} <= {i["code"] for i in resource["interaction"]}
        assert said is RESOURCES[resource["type"]].is_harvested


# --- for an export


def test_what_was_lost_since_a_moment_is_given_by_keyset_without_what_is_seen_again(house):
    runtime, since = house.runtime, house.runtime.clock()
    caller = identify(runtime, BearerToken(house.token(USER), USER.address), keys=house.keys)

    def losses(kind: str, after=None) -> list[str]:
        with runtime.store.read() as connection:
            return [event.identity for event in read_losses(runtime, connection, caller, kind, since, after)]

    withdraw_study(runtime, ACTOR, "1.2.3")
    assert (losses("ImagingStudy"), losses("Patient")) == ([ONE], [])
    move_agreement(runtime, ACTOR, "DSA-LUNG", "suspend")
    caller = identify(runtime, BearerToken(house.token(USER), USER.address), keys=house.keys)
    assert losses("ImagingStudy")[0] == ONE
    assert set(losses("ImagingStudy")) == {ONE, TWO, study_key(house.study)}
    assert PERSON in losses("Patient")
    assert losses("Endpoint") == ["LUNG"]
    with runtime.store.read() as connection:
        first = next(read_losses(runtime, connection, caller, "ImagingStudy", since))
    assert losses("ImagingStudy", first.place) == losses("ImagingStudy")[1:]
    move_agreement(runtime, ACTOR, "DSA-LUNG", "resume")
    caller = identify(runtime, BearerToken(house.token(USER), USER.address), keys=house.keys)
    assert losses("ImagingStudy") == [ONE]
