"""The FHIR door on a private runtime: what a caller sees is what a store of only the permitted rows would answer."""

import json
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask import Flask
from sqlalchemy import select

from adapters.sql import dataset as datasets
from adapters.sql import party as parties
from adapters.sql import tables as t
from adapters.sql.index import started_columns
from adapters.sql.ledger import About, record, sequence
from adapters.sql.store import insert_one, stamp
from consent import entries
from consent.conditions import AccessClass, Action
from consent.entries import BatchClosed, UseOpened
from consent.subject import ANONYMOUS, Role
from mappings import failures
from mappings.fhir.imaging_study import document as study_document
from mappings.fhir.resources import RESOURCES
from mappings.fhir.systems import CALLER
from mappings.smart import ANY
from mappings.study import Instance, Series, Study, patient_key, study_key
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import close_batch
from server.usecases.dataset import add_dataset
from server.usecases.document import rebuild
from server.usecases.identify import Nobody
from server.usecases.party import add_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.read import read_resource, search_resources
from server.usecases.runtime import Caller
from server.usecases.sources import SOURCES
from server.usecases.take import take
from server.web import context, errors, fhir
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders
from tests.mappings.fhir.rules import held

FHIR, XML = "application/fhir+json", "application/fhir+xml"
CT = "1.2.840.10008.5.1.4.1.1.2"
START = builders.Clock().at
CALLERS = {
    "user": builders.caller(),
    "holder": builders.caller(party="clinic", id="holder"),
    "provider-a": builders.caller(Role.PROVIDER, party="hospital-a", id="provider-a"),
    "provider-b": builders.caller(Role.PROVIDER, party="hospital-b", id="provider-b"),
    "operator": builders.caller(Role.OPERATOR, party="repository-office", id="operator"),
    "unapproved": builders.caller(approved=False, id="unapproved"),
}


def plant(runtime, alias, provider, number, *, modality="CT", sex="F", day=1, version=1):
    """One indexed study with its document, as its door and the worker leave it."""
    uid, at = f"1.2.826.0.1.{sum(map(ord, alias))}.{number}", runtime.clock() + timedelta(seconds=number)
    person = f"P{number // 2}"
    key = patient_key(provider, person)
    series = Series(f"{uid}.1", modality, (Instance(f"{uid}.1.1", CT, 1),), 1, body_part="CHEST")
    study = Study(study_key(uid), uid, key, alias, version, at, (series,), f"202001{day:02}", accession_number=f"ACC{number}")
    with runtime.store.write() as connection:
        dataset = datasets.find(connection, alias).id
        party = parties.find_id(connection, provider)
        patient = connection.execute(select(t.patient.c.id).where(t.patient.c.key == key)).scalar_one_or_none()
        if patient is None:
            patient = insert_one(connection, t.patient, key=key, party=party, patient_id=person)
        row = insert_one(
            connection,
            t.study,
            key=study.key,
            study_uid=uid,
            dataset=dataset,
            patient=patient,
            patient_id=person,
            patient_name="",
            patient_sex=sex,
            patient_birth_date="",
            study_date=study.date,
            study_time="",
            **started_columns(study.date, None, None),
            accession_number=f"ACC{number}",
            study_id="",
            description="",
            referring="",
            header="{}",
            modalities=modality,
            sop_classes=CT,
            series=1,
            instances=1,
            fragment=b"{}",
            document=study_document(study),
            version=version,
            updated=stamp(at),
            touched=stamp(at),
        )
        series_row = insert_one(
            connection,
            t.series,
            study=row,
            series_uid=f"{uid}.1",
            modality=modality,
            body_part="CHEST",
            manufacturer="",
            description="",
            header="{}",
            instances=1,
            fragment=b"{}",
        )
        hold(connection, dataset, row, series_row, study)
    return study


def hold(connection, dataset, study_row, series_row, study):
    """The study's one object in custody, and its instance."""
    of_batch = {"key": study.key, "door": "stow", "subject": "", "peer": "", "calling": "", "called": "", "attested": False}
    batch = insert_one(connection, t.batch, **of_batch, dataset=dataset, opened=0, touched=0)
    uids = {"sop_uid": f"{study.uid}.1.1", "series_uid": f"{study.uid}.1", "study_uid": study.uid, "patient_id": ""}
    held = uids | {"dataset": dataset, "node": 1, "batch": batch, "state": "held", "quarantined": False, "place": study.uid}
    held |= {
        "digest": b"",
        "file_digest": b"",
        "size": 1,
        "dataset_start": 0,
        "transfer_syntax": "",
        "name": "",
        "rule": "",
        "at": 0,
    }
    at = {"study": study_row, "series": series_row, "custody": insert_one(connection, t.custody, **held)}
    insert_one(connection, t.instance, **at, sop_uid=uids["sop_uid"], sop_class=CT, frames=1, summary=b"{}", metadata=b"{}")


def recorded(runtime, alias, provider, actor, entry, batch=None):
    with runtime.store.write() as connection:
        about = About(parties.find_id(connection, provider), datasets.find(connection, alias).id, batch)
        return record(connection, entry, runtime.clock(), actor, about)


def deposit(runtime, alias, provider, studies):
    batch = {"batch": "b", "door": "stow", "files": len(studies), "outcomes": {}, "part": 1, "parts": 1, "digest": ""}
    under = {"dataset": alias, "agreement": f"DSA-{alias}@1", "terms": "1.0.0"}
    entry = BatchClosed(**batch, **under, provider=provider, studies=tuple(s.uid for s in studies))
    brought = builders.batch(runtime, alias, provider=provider).id
    with runtime.store.write() as connection:
        for study in studies:
            insert_one(connection, t.receipt, **receipt_of(study, brought))
    return recorded(runtime, alias, provider, "uploader", entry, brought)


def receipt_of(study, batch):
    """The receipt of the study's one object."""
    named = {"batch": batch, "study_uid": study.uid, "sop_uid": f"{study.uid}.1.1", "name": "f"}
    return named | {"size": 1, "outcome": "pass", "rule": "declared", "findings": "[]", "at": 0}


def use(runtime, alias, provider, study, actor, purpose="AITRAIN"):
    under = {"dataset": alias, "agreement": f"DSA-{alias}@1", "terms": "1.0.0"}
    entry = UseOpened(study=study.uid, action="process", purpose=purpose, window=1, **under)
    return recorded(runtime, alias, provider, actor, entry)


def author(entry):
    (named,) = [agent["who"]["reference"] for agent in entry["agent"] if agent["type"]["coding"][0]["code"] == "author"]
    return named


DATASETS = {
    "OPEN": ("hospital-a", {}),
    "WAIT_1": ("hospital-b", {"access_class": AccessClass.CONDITIONAL}),
    "STOPPED": ("hospital-a", {}),
}


def furnish(runtime, aliases=tuple(DATASETS), per_dataset=6):
    """Datasets with studies and a deposit each; the last one's agreement is suspended."""
    for number, name in enumerate(("university", "clinic", "repository-office")):
        add_party(runtime, builders.ACTOR, name, name.title(), ("user", "user", "operator")[number])
    planted = {}
    for alias in aliases:
        provider, values = DATASETS[alias]
        with runtime.store.read() as connection:
            known = parties.find_id(connection, provider)
        seed(runtime, alias, provider, known=known is not None, **values)
        shapes = [("CT", "F", 1), ("MR", "M", 2), ("PT", "F", 3)]
        planted[alias] = [
            plant(runtime, alias, provider, n, modality=m, sex=s, day=d)
            for n in range(per_dataset)
            for m, s, d in [shapes[n % 3]]
        ]
        deposit(runtime, alias, provider, planted[alias])
    if "WAIT_1" in aliases:
        add_permit(runtime, builders.ACTOR, "WAIT_1", "clinic")
    if "STOPPED" in aliases:
        move_agreement(runtime, builders.ACTOR, "DSA-STOPPED", "suspend")
    return planted


def seed(runtime, alias, provider, *, known, **values):
    if not known:
        builders.seed(runtime, alias=alias, provider=provider, **values)
        return
    key, start = f"DSA-{alias}", runtime.clock() - timedelta(days=1)
    terms = {
        "provider": provider,
        "node": "central",
        "terms": "1.0.0",
        "starts": start,
        "actions": ("query",),
        "visibility": "full",
    }
    add_agreement(runtime, builders.ACTOR, key, **(terms | values))
    move_agreement(runtime, builders.ACTOR, key, "propose")
    move_agreement(runtime, builders.ACTOR, key, "activate")
    add_dataset(runtime, builders.ACTOR, alias, key, f"Dataset {alias}", "Made for a test.")


@pytest.fixture(params=["sqlite", "postgresql"])
def runtime(request, tmp_path):
    url = request.getfixturevalue("postgresql")() if request.param == "postgresql" else ""
    made = builders.runtime(tmp_path, url=url, clock=builders.Clock(), contact="data@example.org")
    yield made
    made.close()


@pytest.fixture
def furnished(runtime):
    return SimpleNamespace(runtime=runtime, planted=furnish(runtime))


def found(runtime, who, resource, **arguments):
    return bundle(runtime, who, resource, [(k.replace("__", ":"), v) for k, v in arguments.items()])


def bundle(runtime, who, resource, arguments=(), **more):
    return held(search_resources(runtime, CALLERS[who], resource, list(arguments), **more))


def resources(answer):
    return [e["resource"] for e in answer.get("entry", ()) if e["search"]["mode"] == "match"]


def ids(answer):
    return [r["id"] for r in resources(answer)]


def paged(runtime, who, resource, arguments):
    """Every id, page by page, as a client that follows next links."""
    answer, seen, pages = bundle(runtime, who, resource, arguments), [], 0
    while True:
        seen, pages = seen + ids(answer), pages + 1
        following = [link["url"] for link in answer["link"] if link["relation"] == "next"]
        if not following:
            return seen, pages
        answer = bundle(runtime, who, resource, parse_qsl(urlsplit(following[0]).query))


VISIBLE = {
    "user": {"OPEN"},
    "holder": {"OPEN", "WAIT_1"},
    "provider-a": {"OPEN"},
    "provider-b": {"WAIT_1"},
    "operator": {"OPEN", "WAIT_1"},
    "unapproved": set(),
}
QUESTIONS = [
    ("ImagingStudy", [("modality", "CT,MR")]),
    ("ImagingStudy", [("modality:not", "CT")]),
    ("ImagingStudy", [("started", "ge2020-01-02")]),
    ("ImagingStudy", [("identifier", "|ACC1")]),
    ("ImagingStudy", [("_lastUpdated", "gt2020")]),
    ("ImagingStudy", [("bodysite", "816094009"), ("_total", "accurate")]),
    ("ImagingStudy", [("patient", f"Patient/{patient_key('hospital-a', 'P1')}")]),
    ("ImagingStudy", [("_count", "0")]),
    ("Patient", []),
    ("Patient", [("gender", "female")]),
    ("Patient", [("identifier", "P1")]),
    ("Patient", [("_lastUpdated", "ge2026"), ("_count", "2")]),
]


@pytest.mark.parametrize("who", CALLERS)
def test_a_caller_sees_what_a_store_of_only_the_permitted_rows_would_answer(furnished, who, tmp_path):
    alone = builders.runtime(tmp_path / "alone", clock=builders.Clock())
    furnish(alone, tuple(a for a in DATASETS if a in VISIBLE[who]))
    for resource, arguments in QUESTIONS:
        whole = bundle(alone, "operator", resource, arguments)
        answer = bundle(furnished.runtime, who, resource, arguments)
        assert (sorted(ids(answer)), answer["total"]) == (sorted(ids(whole)), whole["total"]), (resource, arguments)
    for resource in ("ImagingStudy", "Patient"):
        mine, pages = paged(furnished.runtime, who, resource, [("_count", "2")])
        theirs, expected = paged(alone, "operator", resource, [("_count", "2")])
        assert (sorted(mine), pages) == (sorted(theirs), expected)
    alone.close()


def test_a_client_follows_next_links_over_many_pages_without_gap_or_double(runtime):
    builders.seed(runtime, alias="OPEN")
    planted = [plant(runtime, "OPEN", "hospital-a", n).key for n in range(130)]
    assert paged(runtime, "user", "ImagingStudy", [("_count", "7")]) == (planted, 19)
    assert paged(runtime, "user", "ImagingStudy", [("modality", "CT")]) == (planted, 3)
    people, pages = paged(runtime, "user", "Patient", [("_count", "10")])
    assert (len(people), len(set(people)), pages) == (65, 65, 7)
    page = found(runtime, "user", "ImagingStudy", _count="7")
    assert page["total"] == 130
    assert "total" not in found(runtime, "user", "ImagingStudy", _total="none")
    assert found(runtime, "user", "ImagingStudy", _summary="count") == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 130,
        "link": [{"relation": "self", "url": f"{runtime.settings.base_url}/fhir/R4/ImagingStudy?_summary=count&_count=50"}],
    }


def test_a_page_ends_at_its_bytes_and_the_next_link_goes_on(runtime, monkeypatch):
    builders.seed(runtime, alias="OPEN")
    planted = [plant(runtime, "OPEN", "hospital-a", n).key for n in range(9)]
    monkeypatch.setattr("mappings.fhir.bundle.PAGE_BYTES", 2000)
    for chunk in (2, 3, 101):
        monkeypatch.setattr("server.usecases.sources.CHUNK", chunk)
        seen, pages = paged(runtime, "user", "ImagingStudy", [])
        assert seen == planted
        assert 2 < pages < 10
        assert found(runtime, "user", "ImagingStudy")["total"] == 9


def test_a_next_link_after_a_suspension_is_empty(runtime):
    builders.seed(runtime, alias="OPEN")
    for n in range(6):
        plant(runtime, "OPEN", "hospital-a", n)
    page = found(runtime, "user", "ImagingStudy", _count="4")
    move_agreement(runtime, builders.ACTOR, "DSA-OPEN", "suspend")
    following = bundle(runtime, "user", "ImagingStudy", parse_qsl(urlsplit(page["link"][1]["url"]).query))
    assert (ids(following), "total" in following) == ([], False)


def test_every_type_has_a_source_and_every_source_a_type():
    assert {row.source for row in RESOURCES.values()} == set(SOURCES)


def test_every_declared_parameter_is_answered(furnished):
    values = {
        "date": "2020",
        "string": "Hosp",
        "_id": "1",
        "patient": "Patient/1",
        "subject": "Patient/1",
        "target": "Consent/DSA-OPEN",
        "entity": "Consent/DSA-OPEN",
        "organization": "Organization/repository",
        "consentor": "Organization/hospital-a",
        "endpoint": "Endpoint/OPEN",
        "number": "45",
        "sponsor": "Organization/hospital-a",
        "managing-entity": "Organization/hospital-a",
        "member": "Patient/1",
        "performer": "Organization/hospital-a",
        "dataset": "ResearchStudy/OPEN",
        "data": "ResearchStudy/OPEN",
    }
    for resource, p in [(r.name, p) for r in RESOURCES.values() for p in r.parameters.values()]:
        value = values.get(p.name) or values.get(p.type) or "x"
        assert bundle(furnished.runtime, "operator", resource, [(p.name, value)])["type"] == "searchset", p


def consents(runtime, who, **arguments):
    return [(c["id"], c["status"]) for c in resources(found(runtime, who, "Consent", **arguments))]


def test_agreements_are_seen_on_discoverable_datasets_and_by_their_own_provider_when_stopped(furnished):
    both = [("DSA-OPEN", "active"), ("DSA-WAIT.1", "active")]
    assert consents(furnished.runtime, "user") == both
    assert consents(furnished.runtime, "provider-a") == [("DSA-OPEN", "active"), ("DSA-STOPPED", "inactive")]
    assert consents(furnished.runtime, "provider-b") == [("DSA-WAIT.1", "active")]
    assert consents(furnished.runtime, "operator") == [*both, ("DSA-STOPPED", "inactive")]
    assert consents(furnished.runtime, "unapproved") == []
    assert consents(furnished.runtime, "operator", status="inactive") == [("DSA-STOPPED", "inactive")]
    assert consents(furnished.runtime, "operator", status__not="inactive") == both
    assert consents(furnished.runtime, "user", consentor="Organization/hospital-b") == both[1:]
    assert consents(furnished.runtime, "user", organization="Organization/repository") == both
    base = furnished.runtime.settings.base_url
    assert consents(furnished.runtime, "user", identifier=f"{base}/agreements|DSA-WAIT_1") == both[1:]
    assert found(furnished.runtime, "user", "Consent")["total"] == 2
    assert found(furnished.runtime, "user", "Consent", _count="1")["link"][1]["relation"] == "next"


def version(runtime, who, key):
    return int(agreed(runtime, who, key)["meta"]["versionId"])


def agreed(runtime, who, key):
    (one,) = resources(found(runtime, who, "Consent", _id=key))
    return one


def holders(consent):
    actors = [actor for provision in consent["provision"]["provision"] for actor in provision["actor"]]
    return {actor["reference"]["reference"] for actor in actors if "reference" in actor["reference"]}


def test_who_holds_a_permit_is_told_to_the_provider_and_the_operator_alone(furnished):
    told = {who: holders(agreed(furnished.runtime, who, "DSA-WAIT.1")) for who in ("user", "holder", "provider-b", "operator")}
    assert told == {"user": set(), "holder": set(), "provider-b": {"Organization/clinic"}, "operator": {"Organization/clinic"}}
    assert "clinic" in ids(found(furnished.runtime, "provider-b", "Organization"))
    assert "clinic" not in ids(found(furnished.runtime, "provider-a", "Organization"))
    revoke_permit(furnished.runtime, builders.ACTOR, "WAIT_1", "clinic")
    assert holders(agreed(furnished.runtime, "provider-b", "DSA-WAIT.1")) == set()
    assert "clinic" not in ids(found(furnished.runtime, "provider-b", "Organization"))


def test_an_agreement_has_a_version_for_each_change_of_what_its_reader_is_told(furnished):
    runtime = furnished.runtime

    def versions():
        return [version(runtime, who, "DSA-WAIT.1") for who in ("user", "provider-b")]

    acts = {
        "a dataset": (lambda: add_dataset(runtime, builders.ACTOR, "MORE", "DSA-WAIT_1", "More"), (1, 1)),
        "a permit": (lambda: add_permit(runtime, builders.ACTOR, "MORE", "university"), (0, 1)),
        "taken back": (lambda: revoke_permit(runtime, builders.ACTOR, "MORE", "university"), (0, 1)),
        "of another": (lambda: move_agreement(runtime, builders.ACTOR, "DSA-OPEN", "suspend"), (0, 0)),
        "stop and go on": (
            lambda: [move_agreement(runtime, builders.ACTOR, "DSA-WAIT_1", v) for v in ("suspend", "resume")],
            (2, 2),
        ),
    }
    for act, (do, grown) in acts.items():
        runtime.clock.on(60)
        before, documents = versions(), [agreed(runtime, who, "DSA-WAIT.1") for who in ("user", "provider-b")]
        do()
        assert [after - b for after, b in zip(versions(), before, strict=True)] == list(grown), act
        for who, document, more in zip(("user", "provider-b"), documents, grown, strict=True):
            now = agreed(runtime, who, "DSA-WAIT.1")
            assert (now["meta"]["lastUpdated"] > document["meta"]["lastUpdated"]) == bool(more), (act, who)
            assert more or now == document, (act, who)


def test_endpoints_show_datasets_by_alias_and_their_state(furnished):
    def shown(who, **arguments):
        return [(e["id"], e["status"]) for e in resources(found(furnished.runtime, who, "Endpoint", **arguments))]

    assert shown("user") == [("OPEN", "active"), ("WAIT.1", "active")]
    assert shown("provider-a") == [("OPEN", "active"), ("STOPPED", "suspended")]
    assert shown("operator", status="suspended") == [("STOPPED", "suspended")]
    assert shown("user", _id="WAIT.1") == [("WAIT.1", "active")]
    assert shown("user", _lastUpdated="lt2020") == []
    assert all(e["address"].endswith("/dicom-web") for e in resources(found(furnished.runtime, "operator", "Endpoint")))


def test_datasets_are_research_studies_that_stand_as_their_agreements_do(furnished):
    def shown(who, **arguments):
        return [(d["id"], d["status"]) for d in resources(found(furnished.runtime, who, "ResearchStudy", **arguments))]

    stopped = ("STOPPED", "temporarily-closed-to-accrual-and-intervention")
    assert shown("user") == [("OPEN", "active"), ("WAIT.1", "active")]
    assert shown("provider-a") == [("OPEN", "active"), stopped]
    assert shown("operator", status=stopped[1]) == [stopped]
    assert shown("operator", status__not="active") == [stopped]
    assert shown("user", title="DATASET o") == [("OPEN", "active")]
    assert shown("user", sponsor="Organization/hospital-b") == [("WAIT.1", "active")]
    assert shown("unapproved") == []


def test_a_dataset_that_is_not_shared_yet_or_no_longer_says_so(furnished):
    runtime, day = furnished.runtime, timedelta(days=1)
    periods = {"LATER": (day, None), "BRIEF": (-day, day), "DRAFTED": (-day, None)}
    for alias, (starts, ends) in periods.items():
        period = {"starts": START + starts, "ends": ends and START + ends}
        add_agreement(runtime, builders.ACTOR, alias, provider="hospital-a", node="central", terms="1.0.0", **period)
        add_dataset(runtime, builders.ACTOR, alias, alias, alias.title())
        for verb in ("propose", "activate") if alias != "DRAFTED" else ():
            move_agreement(runtime, builders.ACTOR, alias, verb)

    def stands():
        return {d["id"]: d["status"] for d in resources(found(runtime, "operator", "ResearchStudy")) if d["id"] in periods}

    assert stands() == {"LATER": "approved", "BRIEF": "active", "DRAFTED": "in-review"}
    runtime.clock.on(2 * 86400)
    move_agreement(runtime, builders.ACTOR, "DRAFTED", "terminate")
    assert stands() == {"LATER": "active", "BRIEF": "administratively-completed", "DRAFTED": "administratively-completed"}


def test_a_group_is_the_patients_of_a_dataset_for_who_may_query_it(furnished):
    def shown(who, **arguments):
        return {g["id"]: g["quantity"] for g in resources(found(furnished.runtime, who, "Group", **arguments))}

    assert shown("user") == {"OPEN": 3}
    assert shown("holder") == {"OPEN": 3, "WAIT.1": 3}
    assert shown("provider-a") == {"OPEN": 3}
    assert shown("unapproved") == {}
    person = f"Patient/{patient_key('hospital-b', 'P1')}"
    assert shown("holder", member=person) == {"WAIT.1": 3}
    assert shown("user", member=person) == {}
    for one in resources(found(furnished.runtime, "holder", "Group")):
        told = resources(found(furnished.runtime, "holder", "Patient", _count="100"))
        assert {m["entity"]["reference"] for m in one["member"]} <= {f"Patient/{p['id']}" for p in told}
        assert len(one["member"]) == one["quantity"]


def test_who_may_not_query_a_dataset_is_not_pointed_to_its_patients(furnished):
    points = {d["id"]: "enrollment" in d for d in resources(found(furnished.runtime, "user", "ResearchStudy"))}
    assert points == {"OPEN": True, "WAIT.1": False}
    stopped = {d["id"]: "enrollment" in d for d in resources(found(furnished.runtime, "provider-a", "ResearchStudy"))}
    assert stopped == {"OPEN": True, "STOPPED": False}


def test_of_a_group_that_is_too_large_only_the_number_is_told(furnished, monkeypatch):
    monkeypatch.setattr(datasets, "MOST_MEMBERS", 2)
    (large,) = resources(found(furnished.runtime, "user", "Group"))
    assert (large["quantity"], "member" in large) == (3, False)


def test_a_page_of_groups_ends_at_its_bytes_and_the_next_link_goes_on(furnished, monkeypatch):
    for chunk in (1, 10):
        monkeypatch.setattr("server.usecases.sources.GROUPS", chunk)
        monkeypatch.setattr("mappings.fhir.bundle.PAGE_BYTES", 300)
        assert paged(furnished.runtime, "holder", "Group", []) == (["OPEN", "WAIT.1"], 2)


def test_organisations_are_the_repository_its_providers_and_one_s_own(furnished):
    assert ids(found(furnished.runtime, "user", "Organization")) == ["repository", "university", "hospital-a", "hospital-b"]
    assert "clinic" in ids(found(furnished.runtime, "operator", "Organization"))
    reached = [o["id"] for o in resources(found(furnished.runtime, "operator", "Organization")) if "telecom" in o]
    assert reached == ["repository"]
    assert ids(found(furnished.runtime, "user", "Organization", name="HOSPITAL-B")) == ["hospital-b"]
    assert ids(found(furnished.runtime, "user", "Organization", name="accord")) == ["repository"]
    assert ids(found(furnished.runtime, "user", "Organization", name="clin")) == []


def kinds(answer):
    return [r["activity"]["coding"][0]["code"] for r in resources(answer)]


def test_a_deposit_is_seen_as_its_dataset_and_governance_by_its_provider_and_a_use_by_nobody(furnished):
    runtime, (study, *_) = furnished.runtime, furnished.planted["OPEN"]
    use(runtime, "OPEN", "hospital-a", study, "holder")
    with runtime.store.write() as connection:
        sequence(connection)
    assert kinds(found(runtime, "user", "Provenance")) == ["batch.closed"] * 2
    assert kinds(found(runtime, "holder", "Provenance")) == ["batch.closed"] * 2
    own = kinds(found(runtime, "provider-a", "Provenance", _count="100"))
    assert own.count("batch.closed") == 1
    assert "govern.agreement.suspend" in own
    assert "govern.node.add" not in own
    every = kinds(found(runtime, "operator", "Provenance", _count="100"))
    assert "govern.node.add" in every
    assert not any(kind.startswith("use.") for kind in every + own)
    assert kinds(found(runtime, "unapproved", "Provenance")) == []


def test_provenance_is_found_by_its_targets_and_by_those_only_who_may_see_them(furnished):
    runtime, (study, *_), (waiting, *_) = furnished.runtime, furnished.planted["OPEN"], furnished.planted["WAIT_1"]

    def targeting(who, target):
        return kinds(found(runtime, who, "Provenance", target=target))

    assert targeting("user", f"ImagingStudy/{study.key}") == ["batch.closed"]
    assert targeting("user", f"Patient/{study.patient_key}") == ["batch.closed"]
    assert targeting("holder", f"ImagingStudy/{waiting.key}") == ["batch.closed"]
    for hidden in (f"ImagingStudy/{waiting.key}", f"Patient/{waiting.patient_key}"):
        assert targeting("user", hidden) == []
    assert targeting("user", "Endpoint/WAIT.1") == ["batch.closed"]
    moves = targeting("provider-b", "Consent/DSA-WAIT.1")
    assert moves == ["govern.agreement.add", "govern.agreement.propose", "govern.agreement.activate"]
    assert targeting("provider-a", "Consent/DSA-WAIT.1") == []
    assert targeting("operator", "Organization/clinic") == ["govern.party.add"]


def test_a_deposit_is_found_by_whose_it_is_who_made_it_and_what_it_was_under(furnished):
    def authors(**asked):
        return [author(e) for e in resources(found(furnished.runtime, "user", "Provenance", **asked))]

    both = ["Organization/hospital-a", "Organization/hospital-b"]
    assert authors(agent="Organization/repository") == authors(agent__identifier=f"{CALLER}|uploader") == both
    assert authors(agent="Organization/hospital-b") == authors(entity="Consent/DSA-WAIT.1") == both[1:]
    assert authors(agent__identifier="somebody") == authors(agent__identifier=f"{CALLER}x|uploader") == []
    assert authors(agent="Organization/university") == authors(entity="Consent/DSA-STOPPED") == []


def test_a_deposit_is_found_by_every_study_it_brought_however_many(furnished, monkeypatch):
    monkeypatch.setattr(entries, "STUDIES_IN_A_BODY", 2)
    runtime, studies = furnished.runtime, furnished.planted["OPEN"]
    batch = builders.batch(runtime, "OPEN")
    with runtime.store.write() as connection:
        connection.execute(t.receipt.insert(), [receipt_of(study, batch.id) for study in studies])
    close_batch(runtime, batch.id)
    for study in studies:
        deposits = resources(found(runtime, "user", "Provenance", target=f"ImagingStudy/{study.key}"))
        named = [[target["reference"] for target in deposit["target"]] for deposit in deposits]
        assert [sum(not t.startswith("Patient/") for t in targets) for targets in named] == [1 + len(studies), 3]
        assert all(f"ImagingStudy/{study.key}" in targets for targets in named)


def test_what_provenance_is_found_by_is_what_it_says(furnished):
    """For every target an operator reads, the search by that target finds that entry: the SQL and the rendering agree."""
    told = resources(found(furnished.runtime, "operator", "Provenance", _count="200"))
    assert len(told) > 15
    for entry in told:
        for target in entry["target"]:
            if "reference" in target:
                assert entry["id"] in ids(
                    found(furnished.runtime, "operator", "Provenance", target=target["reference"], _count="200")
                )
    for reference in {target["reference"] for e in told for target in e["target"] if "reference" in target}:
        for entry in resources(found(furnished.runtime, "operator", "Provenance", target=reference, _count="200")):
            assert reference in [target.get("reference") for target in entry["target"]]


def test_an_erased_entry_is_no_longer_told(furnished):
    entry = deposit(furnished.runtime, "OPEN", "hospital-a", [])
    assert ids(found(furnished.runtime, "user", "Provenance", _id=str(entry))) == [str(entry)]
    with furnished.runtime.store.write() as connection:
        connection.execute(t.ledger_body.delete().where(t.ledger_body.c.id == entry))
    assert ids(found(furnished.runtime, "user", "Provenance", _id=str(entry))) == []


def test_references_of_what_a_caller_sees_are_served_to_it(furnished):
    for who in ("user", "holder", "provider-a", "operator"):
        for resource in ("ImagingStudy", "Consent", "Endpoint", "ResearchStudy", "Group"):
            for answer in resources(found(furnished.runtime, who, resource, _count="100")):
                for target in references(answer):
                    kind, _, key = target.partition("/")
                    assert read_resource(furnished.runtime, CALLERS[who], kind, key).body, (who, target)


def references(value):
    if isinstance(value, dict):
        mine = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return mine + [r for v in value.values() for r in references(v)]
    return [r for v in value for r in references(v)] if isinstance(value, list) else []


def test_real_objects_are_served_as_valid_studies_once_their_documents_are_built(runtime):
    builders.seed(runtime, alias="OPEN", attested=True)
    batch = builders.batch(runtime, "OPEN", attested=True)
    files = [f for f in sorted(builders.DICOM.rglob("*.dcm")) if f.stat().st_size < 2_000_000]
    outcomes = [str(take(runtime, batch, f.name, memoryview(f.read_bytes())).outcome) for f in files]
    assert outcomes.count("pass") > 3
    assert ids(found(runtime, "user", "ImagingStudy")) == []
    runtime.clock.on(10)
    while rebuild(runtime):
        pass
    studies = resources(found(runtime, "user", "ImagingStudy"))
    assert sum(s["numberOfInstances"] for s in studies) == outcomes.count("pass")
    assert len(ids(found(runtime, "user", "Patient"))) == len({s["subject"]["reference"] for s in studies})


def test_every_answer_is_recorded(furnished):
    runtime = furnished.runtime
    found(runtime, "user", "ImagingStudy", modality="CT")
    key = furnished.planted["OPEN"][0].key
    read_resource(runtime, CALLERS["user"], "ImagingStudy", key)
    with pytest.raises(failures.NotFound):
        read_resource(runtime, CALLERS["user"], "ImagingStudy", furnished.planted["WAIT_1"][0].key)
    runtime.accesses.flush()
    with runtime.store.read() as connection:
        rows = connection.execute(select(t.access).order_by(t.access.c.id)).all()
    assert [(r.subject, r.action, r.status, r.count) for r in rows] == [
        ("user", "query", 200, 2),
        ("user", "query", 200, 1),
        ("user", "query", 404, 0),
    ]
    assert rows[0].target.startswith("ImagingStudy?modality=CT")
    assert rows[1].target == f"ImagingStudy/{key}"


# --- over HTTP


def door(runtime, scopes=("system/*.cruds",)):
    """A Flask app with the FHIR blueprint; the bearer token is the caller's name."""
    app = Flask("test", static_folder=None)

    def identify(credential, request):
        if isinstance(credential, Nobody):
            return Caller(ANONYMOUS, request=request)
        return Caller(CALLERS[credential.text].subject, CALLERS[credential.text].purpose, scopes, request)

    context.install(app, runtime, identify, Bulkheads(dict.fromkeys(Bulkhead, 4)))
    errors.install(app, fhir.door())
    return app.test_client()


def get(client, path, **headers):
    asked = {"Authorization": "Bearer user"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return client.get(f"/fhir/R4/{path}", headers=asked)


def test_metadata_and_canonicals_are_open_and_everything_else_is_not(furnished):
    client = door(furnished.runtime)
    answer = client.get("/fhir/R4/metadata")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, FHIR)
    statement = held(answer.data)
    assert {r["type"] for r in statement["rest"][0]["resource"]} == set(RESOURCES)
    for resource, row in RESOURCES.items():
        found, read = (200, 404) if row.is_public else (401, 401)
        assert client.get(f"/fhir/R4/{resource}").status_code == found
        assert client.get(f"/fhir/R4/{resource}/x").status_code == read
        assert client.post(f"/fhir/R4/{resource}/_search").status_code == found


def test_a_read_has_its_tag_and_date_and_is_not_sent_twice(furnished):
    client, key = door(furnished.runtime), furnished.planted["OPEN"][1].key
    first = get(client, f"ImagingStudy/{key}")
    assert (first.status_code, first.headers["Content-Type"], first.headers["ETag"]) == (200, FHIR, 'W/"1"')
    assert first.headers["Last-Modified"] == "Sun, 22 Nov 2026 12:00:01 GMT"
    assert held(first.data)["id"] == key
    again = get(client, f"ImagingStudy/{key}", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert get(client, f"ImagingStudy/{key}", If_None_Match='W/"0"').status_code == 200
    for path in (
        "Consent/DSA-WAIT.1",
        "Endpoint/WAIT.1",
        "Organization/repository",
        f"Patient/{patient_key('hospital-a', 'P1')}",
    ):
        tag = get(client, path).headers["ETag"]
        assert get(client, path, If_None_Match=tag).status_code == 304


def test_what_never_changed_says_no_date(furnished):
    """The repository is a setting: the moment of the answer is not when it changed."""
    assert "Last-Modified" not in get(door(furnished.runtime), "Organization/repository").headers


def test_a_study_is_conditional_by_its_tag_before_its_date(furnished):
    client, path = door(furnished.runtime), f"ImagingStudy/{furnished.planted['OPEN'][1].key}"
    first = get(client, path)
    tag, date = first.headers["ETag"], first.headers["Last-Modified"]
    assert get(client, path, If_Modified_Since=date).status_code == 304
    assert get(client, path, If_None_Match='W/"0"', If_Modified_Since=date).data == first.data
    for tags in (tag, '"1"', f'"x", {tag}', "*"):
        assert get(client, path, If_None_Match=tags).status_code == 304
    wanted = get(client, path, If_Match='"2"')
    assert (wanted.status_code, wanted.data) == (412, b"")


@pytest.mark.parametrize("date", ["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -9999", "then"])
@pytest.mark.parametrize("name", ["If_Modified_Since", "If_Unmodified_Since"])
def test_a_date_that_is_none_is_no_condition(furnished, name, date):
    client, path = door(furnished.runtime), f"ImagingStudy/{furnished.planted['OPEN'][1].key}"
    assert get(client, path, **{name: date}).data == get(client, path).data


def test_what_has_no_version_is_not_conditional_by_its_date(furnished):
    """What a caller may see in a Provenance changes with its rights, and its date does not."""
    client = door(furnished.runtime)
    for path in ("Endpoint/OPEN", "Organization/hospital-a", f"Patient/{furnished.planted['OPEN'][1].patient_key}"):
        first = get(client, path)
        assert get(client, path, If_Modified_Since=first.headers["Last-Modified"]).data == first.data


def test_what_a_caller_holds_already_is_recorded_as_read(furnished):
    client, path = door(furnished.runtime), f"ImagingStudy/{furnished.planted['OPEN'][1].key}"
    tag = get(client, path).headers["ETag"]
    assert get(client, path, If_None_Match=tag).status_code == 304
    furnished.runtime.accesses.flush()
    with furnished.runtime.store.read() as connection:
        rows = connection.execute(select(t.access).order_by(t.access.c.id)).all()
    assert [(r.target, r.status, r.count) for r in rows[-2:]] == [(path, 200, 1)] * 2


def test_hidden_absent_and_unknown_look_alike(furnished):
    client = door(furnished.runtime)
    hidden = get(client, f"ImagingStudy/{furnished.planted['WAIT_1'][0].key}")
    absent = get(client, f"ImagingStudy/{'0' * 32}")
    assert (hidden.status_code, hidden.data) == (absent.status_code, absent.data) == (404, hidden.data)
    assert held(get(client, "Observation").data)["issue"][0]["code"] == "not-found"
    for path in ("Provenance/abc", "Provenance/99999999999999999999", "Provenance/1%27", "Patient/%00"):
        assert get(client, path).status_code == 404


def test_a_search_may_be_posted_as_a_form_and_answers_the_same(furnished):
    client = door(furnished.runtime)
    posted = client.post(
        "/fhir/R4/ImagingStudy/_search?modality=CT", data={"started": "2020-01-01"}, headers={"Authorization": "Bearer user"}
    )
    assert posted.data == get(client, "ImagingStudy?modality=CT&started=2020-01-01").data
    assert len(ids(held(posted.data))) == 2
    wrong = client.post("/fhir/R4/ImagingStudy/_search", json={}, headers={"Authorization": "Bearer user"})
    assert (wrong.status_code, held(wrong.data)["issue"][0]["code"]) == (415, "not-supported")


def test_unknown_parameters_are_refused_by_name_or_ignored_with_a_warning(furnished):
    client = door(furnished.runtime)
    strict = get(client, "ImagingStudy?colour=red")
    assert strict.status_code == 400
    assert held(strict.data)["issue"][0]["expression"] == ["colour"]
    lenient = held(get(client, "ImagingStudy?colour=red&modality=CT", Prefer="handling=lenient").data)
    assert "colour" not in lenient["link"][0]["url"]
    assert "modality=CT" in lenient["link"][0]["url"]
    warning = lenient["entry"][-1]
    assert warning["search"]["mode"] == "outcome"
    assert warning["fullUrl"].startswith("urn:uuid:")
    issue = warning["resource"]["issue"][0]
    assert (issue["severity"], issue["code"], issue["expression"]) == ("warning", "not-supported", ["colour"])
    assert issue["diagnostics"] == issue["details"]["text"]
    assert get(client, "ImagingStudy?_cursor=AAAA").status_code == 400


@pytest.mark.parametrize(
    ("path", "accept", "status", "kind"),
    [
        ("ImagingStudy", "application/fhir+json", 200, FHIR),
        ("ImagingStudy", "application/json;q=0.5", 200, "application/json"),
        ("ImagingStudy/none", "application/json", 404, "application/json"),
        ("ImagingStudy", "application/xml", 200, "application/xml"),
        ("ImagingStudy", "application/fhir+json; fhirVersion=4.0", 200, FHIR),
        ("ImagingStudy", "application/fhir+json; fhirVersion=5.0", 406, FHIR),
        ("ImagingStudy", "application/fhir+xml", 200, XML),
        ("ImagingStudy", "application/fhir+xml;q=0.1, */*", 200, FHIR),
        ("ImagingStudy", "*/*", 200, FHIR),
        ("ImagingStudy?_format=json", "application/fhir+xml", 200, FHIR),
        ("ImagingStudy?_format=application/fhir+json", "text/html", 200, FHIR),
        ("ImagingStudy?_format=xml", "*/*", 200, XML),
        ("ImagingStudy?_format=ttl", "*/*", 406, FHIR),
        ("ImagingStudy?_format=xml&modality:in=x", "*/*", 400, XML),
        ("ImagingStudy/none?_format=xml&_pretty=true", "*/*", 404, XML),
        ("metadata", "application/fhir+xml", 200, XML),
    ],
)
def test_json_and_xml_are_what_there_is_refusals_too(runtime, path, accept, status, kind):
    builders.seed(runtime)
    answer = get(door(runtime), path, Accept=accept)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    if kind.endswith("json"):
        held(answer.data)
    else:
        read_xml(answer.data)


def test_a_page_says_the_same_in_xml_pretty_or_not(furnished):
    client = door(furnished.runtime)
    for path in ("ImagingStudy?_include=*", "Patient?", "Consent?", "Provenance?", "Organization?", "Endpoint?", "metadata?"):
        for asked in (path, f"{path}&_pretty=true"):
            told, written = (get(client, asked, Accept=kind).data for kind in (FHIR, XML))
            assert read_xml(written) == read_json(told), asked
        assert written.count(b"\n") > 30


def read_xml(body):
    """What HL7's own models read in XML, whichever resource it is."""
    kind = ET.fromstring(body).tag.removeprefix("{http://hl7.org/fhir}")  # noqa: S314 - of our own
    return json.loads(get_fhir_model_class(kind).model_validate_xml(body).model_dump_json())


def read_json(body):
    return json.loads(get_fhir_model_class(json.loads(body)["resourceType"]).model_validate_json(body).model_dump_json())


def test_other_verbs_are_not_allowed(furnished):
    client = door(furnished.runtime)
    for method, path in (("post", "ImagingStudy"), ("put", "Patient/x"), ("delete", "Consent/x"), ("patch", "Endpoint/x")):
        answer = client.open(f"/fhir/R4/{path}", method=method.upper(), headers={"Authorization": "Bearer user"})
        assert (answer.status_code, held(answer.data)["issue"][0]["code"]) == (405, "not-supported")


def test_a_token_needs_the_scope_of_the_type_and_letter(furnished):
    client = door(furnished.runtime, ("system/ImagingStudy.s",))
    assert get(client, "ImagingStudy").status_code == 200
    for path in (f"ImagingStudy/{furnished.planted['OPEN'][0].key}", "Patient", "Consent"):
        assert get(client, path).status_code == 403


def test_every_route_declares_what_it_does(runtime):
    app = door(runtime).application
    for rule in app.url_map.iter_rules():
        found_here = context.declaration(app, rule.endpoint)
        assert found_here.action in (Action.QUERY, Action.DISCOVER)
        public = any(f"/{name}" in rule.rule for name, row in RESOURCES.items() if row.is_public)
        assert found_here.open == (public or rule.rule.endswith("/metadata"))
        kind = "" if found_here.open else found_here.scope.split(".")[0]
        assert kind in rule.rule or (kind, rule.rule) == (ANY, "/fhir/R4/_history")


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        (None, 400, None),
        ("handling=strict", 400, None),
        ("handling=lenient", 200, "handling=lenient"),
        ('respond-async, Handling="lenient"; x', 200, "handling=lenient"),
        ('note="handling=lenient"', 400, None),
        ("handling=strict, handling=lenient", 400, None),
        ("handling=else", 400, None),
    ],
)
def test_what_is_preferred_is_read_as_rfc_7240_says_and_told(furnished, prefer, status, applied):
    answer = get(door(furnished.runtime), "ImagingStudy?colour=red", **({"Prefer": prefer} if prefer else {}))
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (status, applied)


def test_fhirpys_count_is_an_accurate_total(furnished):
    client = door(furnished.runtime)
    told = held(get(client, "ImagingStudy?_totalMethod=count&_count=1").data)
    assert told["total"] == held(get(client, "ImagingStudy?_total=accurate&_count=1").data)["total"]
    assert get(client, "ImagingStudy?_totalMethod=guess").status_code == 400


def test_a_read_refuses_a_parameter_that_it_does_not_know(furnished):
    client = door(furnished.runtime)
    identity = held(get(client, "ImagingStudy?_count=1").data)["entry"][0]["resource"]["id"]
    refused = get(client, f"ImagingStudy/{identity}?colour=red")
    assert (refused.status_code, held(refused.data)["issue"][0]["expression"]) == (400, ["colour"])
    assert get(client, f"ImagingStudy/{identity}?_format=json").status_code == 200
