"""What was answered is told to who asked, to whose data it was, and to the operator; to a provider, of its own data alone."""

import json
from base64 import b64decode
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import update

from adapters.sql import tables as t
from consent.conditions import Action
from consent.subject import Role
from mappings.failures import Invalid, NotFound
from mappings.fhir.systems import CALLER
from mappings.query import Level, Query
from mappings.study import patient_key, study_key
from server.usecases import search
from server.usecases.batch import close_batch
from server.usecases.deliver import Wanted, deliver, deliver_made
from server.usecases.document import rebuild
from server.usecases.read import read_resource, search_resources
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR, made
from tests.mappings.fhir.rules import held

CALLERS = {
    "user": builders.caller(),
    "other": builders.caller(id="other"),
    "inside": builders.caller(Role.INSIDE, id="inside"),
    "provider-a": builders.caller(Role.PROVIDER, party="hospital-a", id="provider-a"),
    "provider-b": builders.caller(Role.PROVIDER, party="hospital-b", id="provider-b"),
    "operator": builders.caller(Role.OPERATOR, party="centre", id="operator"),
}
STUDIES = {"1.2.1": ("LUNG", "P1"), "1.2.2": ("LUNG", "P2"), "1.2.3": ("BREAST", "P3")}
PROVIDER = {"LUNG": "hospital-a", "BREAST": "hospital-b"}


def image(*studies):
    return {f"ImagingStudy/{study_key(uid)}" for uid in studies}


def people(*studies):
    return {f"Patient/{patient_key(PROVIDER[alias], person)}" for alias, person in (STUDIES[uid] for uid in studies)}


def fill(runtime):
    builders.seed(runtime, alias="BREAST", provider="hospital-b")
    for uid, (alias, person) in STUDIES.items():
        batch = builders.batch(runtime, alias, provider=PROVIDER[alias])
        take(runtime, batch, uid, made(f"{uid}.1.1", study=uid, PatientID=person))
        close_batch(runtime, batch.id)
    runtime.clock.on(10)
    rebuild(runtime)
    return runtime


@pytest.fixture
def shared(anywhere):
    """Two studies of hospital-a, one of hospital-b, on each database."""
    return fill(anywhere)


@pytest.fixture
def small(built):
    """The same on SQLite."""
    return fill(built)


def ask(runtime, who, kind="ImagingStudy", *arguments):
    return json.loads(search_resources(runtime, CALLERS[who], kind, arguments))


def events(runtime, who, **asked):
    """What a caller is told was answered, before it asks for that."""
    runtime.accesses.flush()
    arguments = [(name.replace("__", ":"), value) for name, value in asked.items()]
    bundle = held(search_resources(runtime, CALLERS[who], "AuditEvent", [*arguments, ("_count", "100")]))
    return [entry["resource"] for entry in bundle.get("entry", ())]


def shown(event):
    return {each["what"]["reference"] for each in event["entity"] if "reference" in each.get("what", ())}


def words(event):
    return [b64decode(each["query"]).decode() for each in event["entity"] if "query" in each]


def codes(event):
    return event["type"]["code"], [each["code"] for each in event["subtype"]], event["action"], event["outcome"]


def test_a_page_is_one_event_of_every_resource_it_showed_and_whose_they_are(shared):
    ask(shared, "user")
    (event,) = events(shared, "user")
    assert shown(event) == image(*STUDIES) | people(*STUDIES)
    assert Counter(each["type"]["code"] for each in event["entity"]) == {"2": 3 + 1, "1": 3, "XrequestId": 1}
    assert codes(event) == ("rest", ["search", "query"], "E", "0")
    assert words(event) == ["ImagingStudy?_count=50"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "AIRESEARCH"
    assert event["outcomeDesc"] == "3 given"
    asking, server = event["agent"]
    assert asking["who"]["identifier"] == {"system": CALLER, "value": "user"}
    assert asking["altId"] == "user"
    assert [agent["type"]["coding"][0]["code"] for agent in (asking, server)] == ["110153", "110152"]
    assert server["who"] == event["source"]["observer"]


def test_a_provider_is_told_of_its_own_data_and_of_nothing_else(shared):
    ask(shared, "user", "ImagingStudy", ("_id", ",".join(study_key(uid) for uid in STUDIES)))
    own = {"provider-a": ("1.2.1", "1.2.2"), "provider-b": ("1.2.3",)}
    for who, studies in own.items():
        (event,) = events(shared, who)
        assert shown(event) == image(*studies) | people(*studies)
        assert words(event) == []
        assert "outcomeDesc" not in event
        others = set(STUDIES) - set(studies)
        assert not any(target.split("/")[1] in json.dumps(event) for target in image(*others) | people(*others))
    (event,) = events(shared, "operator", altid="user")
    assert shown(event) == image(*STUDIES) | people(*STUDIES)
    assert len(words(event)) == 1


def test_who_saw_a_resource_is_asked_by_its_owner_and_answered_to_nobody_else(shared):
    ask(shared, "user", "ImagingStudy", ("_id", study_key("1.2.1")))
    ask(shared, "inside", "ImagingStudy", ("_id", study_key("1.2.2")))
    ask(shared, "other", "Patient")
    (target, *_), (person, *_) = image("1.2.1"), people("1.2.1")

    def seen_by(who, **asked):
        return sorted(event["agent"][0]["altId"] for event in events(shared, who, **asked))

    assert seen_by("provider-a", entity=target) == ["user"]
    assert seen_by("provider-a", patient=person) == seen_by("provider-a", entity=person) == ["other", "user"]
    assert seen_by("user", entity=target) == ["user"]
    for who in ("provider-b", "inside"):
        assert seen_by(who, entity=target) == seen_by(who, patient=person) == []
    assert seen_by("operator", entity=target) == ["user"]
    assert seen_by("provider-a", entity=f"{target},{image('1.2.2').pop()}") == ["inside", "user"]
    for nobody in ("ImagingStudy/x", f"ImagingStudy/{'0' * 32}", f"Patient/{'0' * 32}", "Organization/hospital-a"):
        assert seen_by("operator", entity=nobody) == []


def test_what_was_seen_is_told_when_it_is_gone(shared):
    ask(shared, "user", "ImagingStudy", ("_id", study_key("1.2.1")))
    withdraw_study(shared, ACTOR, "1.2.1")
    for asked in ({"entity": image("1.2.1").pop()}, {"patient": people("1.2.1").pop()}):
        (event,) = events(shared, "provider-a", **asked)
        assert shown(event) == image("1.2.1") | people("1.2.1")


def test_a_use_is_an_event_under_its_agreement_and_export_a_disclosure(small):
    deliver(small, CALLERS["inside"], Wanted("1.2.1", "1.2.1.1"), lambda _: None)
    deliver_made(small, CALLERS["user"], Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1"), Action.PREVIEW, lambda _: b"")
    used, looked = events(small, "operator")
    assert codes(used) == ("rest", ["read", "process"], "R", "0")
    assert used["agent"][0]["policy"] == [f"{small.settings.base_url}/fhir/R4/Consent/DSA-LUNG"]
    assert words(used) == ["1.2.1/1.2.1.1"]
    assert [agent["type"]["coding"][0]["code"] for agent in used["agent"]] == ["110152", "110153"]
    assert (codes(looked)[1], shown(looked)) == (["read", "preview"], image("1.2.3") | people("1.2.3"))
    assert [words(event) for event in events(small, "provider-a", subtype="process")] == [["1.2.1/1.2.1.1"]]
    with small.store.write() as connection:
        connection.execute(update(t.access).where(t.access.c.action == "process").values(action="export"))
    (exported,) = events(small, "operator", type="110106")
    assert codes(exported) == ("110106", ["read", "disclose", "export"], "R", "0")


def test_dicomweb_is_in_the_record_as_fhir_is(shared):
    search.fragments(shared, CALLERS["user"], Query(Level.STUDY))
    search.fragments(shared, CALLERS["user"], Query(Level.INSTANCE))
    search.metadata(shared, CALLERS["user"], Wanted("1.2.1"))
    assert [shown(event) for event in events(shared, "user")] == [image(*STUDIES) | people(*STUDIES)] * 2 + [
        image("1.2.1") | people("1.2.1")
    ]
    assert [codes(event)[2] for event in events(shared, "provider-a")] == ["E", "E", "R"]


def test_what_a_page_brings_along_is_in_the_record_by_whose_data_it_is(shared):
    ask(shared, "user", "Patient", ("_revinclude", "ImagingStudy:patient"), ("_include:iterate", "ImagingStudy:endpoint"))
    (event,) = events(shared, "user")
    assert shown(event) == image(*STUDIES) | people(*STUDIES) | {"Endpoint/LUNG", "Endpoint/BREAST"}
    assert event["outcomeDesc"] == "8 given"
    for who, studies in (("provider-a", ("1.2.1", "1.2.2")), ("provider-b", ("1.2.3",))):
        (event,) = events(shared, who)
        assert shown(event) == image(*studies) | people(*studies)


def brought(page, mode="include"):
    return {
        f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in page["entry"] if each["search"]["mode"] == mode
    }


def test_events_bring_along_what_they_showed_as_far_as_that_is_here_and_whose_server_this_is(small):
    ask(small, "user")
    withdraw_study(small, ACTOR, "1.2.2")
    small.accesses.flush()
    every = image("1.2.1", "1.2.3") | people("1.2.1", "1.2.3") | {"Organization/repository"}
    entity, agent = ("_include", "AuditEvent:entity"), ("_include", "AuditEvent:agent")
    assert brought(ask(small, "operator", "AuditEvent", ("altid", "user"), entity, agent)) == every
    patient = ("_include", "AuditEvent:patient")
    assert brought(ask(small, "provider-b", "AuditEvent", ("altid", "user"), patient)) == people("1.2.3")


def test_studies_and_patients_bring_along_who_saw_them(small):
    for study in STUDIES:
        ask(small, "user", "ImagingStudy", ("_id", study_key(study)))
        small.accesses.flush()
    kinds = (("ImagingStudy", "AuditEvent:entity", image), ("Patient", "AuditEvent:patient", people))
    for kind, reference, named in kinds:
        page = ask(small, "provider-a", kind, ("_revinclude", reference))
        assert brought(page, "match") == named("1.2.1", "1.2.2")
        seen = [each["resource"] for each in page["entry"] if each["search"]["mode"] == "include"]
        assert [shown(event) & named(*STUDIES) for event in seen[:2]] == [named("1.2.1"), named("1.2.2")]


def test_a_request_is_found_by_its_own_id(small):
    search_resources(small, replace(CALLERS["user"], request="ab12"), "ImagingStudy", ())
    ask(small, "user")
    assert [each["entity"][-1]["what"]["identifier"]["value"] for each in events(small, "user", entity__identifier="ab12")] == [
        "ab12"
    ]
    assert len(events(small, "user", entity__missing="false")) == 3
    read_resource(small, CALLERS["other"], "Organization", "hospital-a")
    assert events(small, "other", patient__missing="false") == []
    assert len(events(small, "other", patient__missing="true")) == 2


def test_what_showed_nothing_is_told_to_who_asked_and_to_the_operator(shared):
    ask(shared, "user", "ImagingStudy", ("modality", "PT"))
    with pytest.raises(NotFound):
        read_resource(shared, CALLERS["user"], "ImagingStudy", "x\ny")
    for who in ("user", "operator"):
        empty, missed = events(shared, who, altid="user")[:2]
        assert (shown(empty), shown(missed)) == (set(), set())
        assert (missed["outcome"], words(missed)) == ("4", ["ImagingStudy/x\ny"])
    assert events(shared, "provider-a") == []


def test_events_are_found_by_what_they_say_of_themselves(small):
    ask(small, "user")
    small.clock.on(60)
    read_resource(small, CALLERS["other"], "ImagingStudy", study_key("1.2.1"))
    page, read = events(small, "operator")
    for asked, expected in (
        ({"action": "E", "date": "lt2026-11-22T12:01:00Z"}, [page]),
        ({"action": "R", "agent__identifier": f"{CALLER}|other"}, [read]),
        ({"subtype": "http://hl7.org/fhir/restful-interaction|read"}, [read]),
        ({"altid": "user"}, [page]),
        ({"type": "rest", "outcome": "0", "altid": "user,other"}, [page, read]),
        ({"type": "110106"}, []),
        ({"outcome": "4,8", "altid": "user,other"}, []),
        ({"_id": read["id"]}, [read]),
    ):
        assert events(small, "operator", **asked) == expected, asked


@pytest.mark.parametrize("few", [2, 20])
def test_a_page_of_large_events_ends_at_its_bytes_and_goes_on(small, monkeypatch, few):
    monkeypatch.setattr("mappings.fhir.bundle.PAGE_BYTES", 5000)
    monkeypatch.setattr("server.usecases.sources.EVENTS", few)
    for _ in range(9):
        ask(small, "user")
    small.accesses.flush()
    seen, pages, arguments = [], 0, [("altid", "user"), ("entity", image("1.2.1").pop())]
    while arguments:
        page = ask(small, "operator", "AuditEvent", *arguments)
        seen, pages = seen + [entry["resource"]["id"] for entry in page["entry"]], pages + 1
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        arguments = parse_qsl(urlsplit(following[0]).query) if following else []
    assert len(seen) == len(set(seen)) == 9
    assert pages > 2


def test_following_the_record_comes_to_an_end_though_each_page_adds_to_it(small):
    for _ in range(3):
        ask(small, "user")
    small.clock.on(1)
    arguments, seen = [("_count", "1")], 0
    while arguments:
        small.accesses.flush()
        page = ask(small, "user", "AuditEvent", *arguments)
        seen += len(page["entry"])
        assert seen <= 3 + 1  # the first page itself may be of that very moment
        small.clock.on(1)
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        arguments = parse_qsl(urlsplit(following[0]).query) if following else []
    assert seen >= 3


def test_a_patient_of_too_many_studies_is_asked_for_by_study(small, monkeypatch):
    monkeypatch.setattr("adapters.sql.audit.MOST_CONDITIONS", 0)
    with pytest.raises(Invalid):
        events(small, "operator", patient=people("1.2.1").pop())


def test_rows_of_before_are_told_without_what_they_showed(small):
    ask(small, "user")
    small.accesses.flush()
    with small.store.write() as connection:
        connection.execute(t.access_seen.delete())
    (event,) = events(small, "user")
    assert (shown(event), len(words(event))) == (set(), 1)
    assert events(small, "provider-a") == []
