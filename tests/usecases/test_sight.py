"""What a caller reads comes from what it may see: a row that datasets share tells nothing of one that is out of sight."""

import json
from base64 import urlsafe_b64decode
from urllib.parse import parse_qsl, urlsplit

import pytest

from consent.subject import Role
from mappings.failures import Invalid
from mappings.study import patient_key, study_key
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import close_batch
from server.usecases.dataset import add_dataset
from server.usecases.document import rebuild
from server.usecases.read import read_resource, search_resources
from server.usecases.release import release
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR, made

USER, OPERATOR = builders.caller(), builders.caller(Role.OPERATOR, party="centre", id="operator")
PERSON = patient_key("hospital-a", "P1")


@pytest.fixture
def shared(anywhere):
    """A runtime whose provider has a second dataset, HIDDEN, which no user may query."""
    agreed = {"provider": "hospital-a", "node": "central", "terms": builders.TERMS, "visibility": "none"}
    add_agreement(anywhere, ACTOR, "DSA-HIDDEN", starts=anywhere.clock(), actions=(), **agreed)
    for verb in ("propose", "activate"):
        move_agreement(anywhere, ACTOR, "DSA-HIDDEN", verb)
    add_dataset(anywhere, ACTOR, "HIDDEN", "DSA-HIDDEN", "Hidden", "")
    return anywhere


def deposit(runtime, *files, alias="LUNG"):
    """A batch of these (study, Patient ID, more elements), an hour after the last."""
    runtime.clock.on(3600)
    batch = builders.batch(runtime, alias)
    for study, person, more in files:
        assert str(take(runtime, batch, study, made(f"{study}.1.1", study=study, PatientID=person, **more)).outcome) != "reject"
    close_batch(runtime, batch.id)
    runtime.clock.on(10)
    rebuild(runtime)


def found(runtime, kind, *arguments, caller=USER):
    bundle = json.loads(search_resources(runtime, caller, kind, arguments))
    return [entry["resource"] for entry in bundle.get("entry", ())]


def following(runtime, kind, *arguments):
    """The cursor of a page's next link, and the arguments it came with."""
    links = json.loads(search_resources(runtime, USER, kind, arguments))["link"]
    asked = parse_qsl(urlsplit(links[-1]["url"]).query)
    return dict(asked)["_cursor"], asked


def test_a_patient_is_as_the_studies_in_sight_say(shared):
    deposit(shared, ("1.2.1", "P1", {"PatientSex": "M"}), alias="HIDDEN")
    deposit(shared, ("1.2.2", "P1", {"PatientSex": "F"}))
    (seen,) = found(shared, "Patient")
    last = seen["meta"]["lastUpdated"]
    assert (seen["gender"], last) == ("female", "2026-11-22T14:00:20.000Z")
    etag = read_resource(shared, USER, "Patient", PERSON).etag
    deposit(shared, ("1.2.3", "P1", {"PatientSex": "M"}), alias="HIDDEN")
    assert found(shared, "Patient") == [seen]
    assert read_resource(shared, USER, "Patient", PERSON).etag == etag
    asked = {"gender": "female", "gender:not": "male", "_lastUpdated": last, "identifier": "P1"}
    for argument in asked.items():
        assert found(shared, "Patient", argument) == [seen], argument
    for argument in (("gender", "male"), ("gender:not", "female"), ("_lastUpdated", f"ne{last}"), ("_lastUpdated", f"gt{last}")):
        assert found(shared, "Patient", argument) == [], argument
    (contradictory,) = found(shared, "Patient", caller=OPERATOR)
    assert "gender" not in contradictory


def test_what_a_withdrawn_study_said_of_its_patient_is_gone_with_it(shared):
    deposit(shared, ("1.2.2", "P1", {"PatientSex": "F"}))
    (before,) = found(shared, "Patient")
    deposit(shared, ("1.2.3", "P1", {"PatientSex": "M"}))
    assert "gender" not in found(shared, "Patient")[0]
    withdraw_study(shared, ACTOR, "1.2.3")
    assert found(shared, "Patient") == [before]
    withdraw_study(shared, ACTOR, "1.2.2")
    assert found(shared, "Patient") == []


def test_the_order_of_patients_tells_nothing_of_who_came_first(shared):
    people = [f"P{n}" for n in range(9)]
    deposit(shared, *((f"1.2.1.{n}", person, {}) for n, person in enumerate(reversed(people))), alias="HIDDEN")
    deposit(shared, *((f"1.2.2.{n}", person, {}) for n, person in enumerate(people)))
    deposit(shared, *((f"1.2.3.{n}", f"Q{n}", {}) for n in range(9)))
    listed = [p["id"] for p in found(shared, "Patient")]
    assert listed == sorted(patient_key("hospital-a", person) for person in (*people, *(f"Q{n}" for n in range(9))))


def targets(runtime, caller=USER):
    """What each entry is about, but for the patients."""
    entries = found(runtime, "Provenance", caller=caller)
    return [[t["reference"] for t in entry["target"] if "Patient/" not in t["reference"]] for entry in entries]


def test_a_deposit_names_the_studies_that_are_held_and_no_other(shared):
    deposit(shared, ("1.2.1", "P1", {}), ("1.2.2", "P2", {"PatientIdentityRemoved": None}), ("1.2.3", "P3", {}))
    held = [f"ImagingStudy/{study_key(uid)}" for uid in ("1.2.1", "1.2.3")]
    assert targets(shared) == [["Endpoint/LUNG", *held]]
    withdraw_study(shared, ACTOR, "1.2.1")
    assert targets(shared) == [["Endpoint/LUNG", held[1]]]
    assert found(shared, "Provenance", ("target", held[0])) == []
    assert len(found(shared, "Provenance", ("target", held[1]))) == 1
    move_agreement(shared, ACTOR, "DSA-LUNG", "suspend")
    told = json.dumps(found(shared, "Provenance", ("_count", "1000"), caller=OPERATOR))
    assert held[1] not in told


def test_a_deposit_whose_object_waits_names_no_study_until_it_is_released(shared):
    """The study may be held already: that something more of it waits is nobody's to know."""
    deposit(shared, ("1.2.1", "P1", {}))
    shared.clock.on(10)
    batch = builders.batch(shared)
    again = made("1.2.1.1.9", study="1.2.1", PatientIdentityRemoved=None)
    assert str(take(shared, batch, "again", again).outcome) == "review"
    close_batch(shared, batch.id)
    study = f"ImagingStudy/{study_key('1.2.1')}"
    assert targets(shared) == [["Endpoint/LUNG", study], ["Endpoint/LUNG"]]
    assert len(found(shared, "Provenance", ("target", study))) == 1
    release(shared, ACTOR, batch.key)
    assert targets(shared) == [["Endpoint/LUNG", study]] * 3


def test_a_cursor_tells_nothing_and_holds_for_its_question_and_reader_only(shared):
    deposit(shared, *((f"1.2.1.{n}", f"P{n}", {}) for n in range(3)), alias="HIDDEN")
    deposit(shared, *((f"1.2.2.{n}", f"P{n}", {}) for n in range(3)))
    cursor, asked = following(shared, "ImagingStudy", ("_count", "1"))
    other, more = following(shared, "ImagingStudy", *asked)
    raw, next_raw = urlsafe_b64decode(cursor), urlsafe_b64decode(other)
    assert len(raw) == len(next_raw)
    assert sum(a == b for a, b in zip(raw, next_raw, strict=True)) < len(raw) / 4
    assert len(found(shared, "ImagingStudy", *more)) == 1
    for kind, arguments, caller in (
        ("ImagingStudy", asked, OPERATOR),
        ("Patient", asked, USER),
        ("ImagingStudy", [*asked, ("modality", "MR")], USER),
        ("ImagingStudy", [("_count", "2"), ("_cursor", cursor)], USER),
        ("ImagingStudy", [("_count", "1"), ("_cursor", cursor[:-4] + "AAA=")], USER),
        ("ImagingStudy", [("_count", "1"), ("_cursor", "AAAA")], USER),
    ):
        with pytest.raises(Invalid) as refused:
            search_resources(shared, caller, kind, arguments)
        assert refused.value.code == "cursor"


def test_a_cursor_outlives_its_process_and_every_process_reads_it(doors):
    one, other = doors
    deposit(one, *((f"1.2.2.{n}", f"P{n}", {}) for n in range(3)))
    _, asked = following(one, "Patient", ("_count", "1"))
    assert found(other, "Patient", *asked) == found(one, "Patient", *asked) != []
