"""Every resource we render is valid R4, says what its noun says, and nothing more."""

import dataclasses
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from consent.access import Interaction, RecordedAccess, Seen
from consent.agreement import Agreement, AgreementState
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, Purpose, Visibility
from consent.dataset import DatasetEndpoint, PatientsOfDataset, SharedDataset, Sharing
from consent.entries import TargetType
from consent.party import Party
from consent.permit import Permit
from consent.policy import NEVER_FOR_DIAGNOSIS
from consent.provenance import narrowed, read_entry
from mappings.fhir import body_site, imaging_study, search, systems
from mappings.fhir.audit_event import audit_event
from mappings.fhir.body_parts import BODY_PARTS, REGIONS
from mappings.fhir.bundle import Brought, Document, page
from mappings.fhir.capability import capability
from mappings.fhir.consent import FEDERATION, consent
from mappings.fhir.endpoint import endpoint
from mappings.fhir.group import MEMBER_BYTES, group
from mappings.fhir.modality import ACQUISITION, OTHER_WORDS, TERMS, modality
from mappings.fhir.narrower import ACTIONS, PURPOSES
from mappings.fhir.organization import organization
from mappings.fhir.outcome import outcome
from mappings.fhir.patient import patient
from mappings.fhir.provenance import REFERENCES, provenance
from mappings.fhir.research_study import research_study
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Place
from mappings.fhir.security import LABELS
from mappings.fhir.systems import ACTION, BODY_PART, CALLER, DCM, DICOM_UID, LEAF_HASH, LEAF_INDEX, LEDGER_ENTRY, MODALITY, SNOMED
from mappings.smart import SUPPORTED
from mappings.study import Code, Instance, Patient, Series, Study, patient_key, study_key
from tests.builders import READER
from tests.mappings.fhir.rules import held

AT = datetime(2026, 11, 22, 12, 30, 1, 250_000, tzinfo=UTC)
BASE = "http://127.0.0.1:8080"
CT = "1.2.840.10008.5.1.4.1.1.2"
UID = "1.2.826.0.1.3680043.8.498.1"
STUDY = Study(
    key=study_key(UID),
    uid=UID,
    patient_key=patient_key("hospital-a", "P1"),
    alias="LUNG_1",
    version=3,
    updated=AT,
    date="20200131",
    time="101530.5",
    accession_number="A-1",
    provider="hospital-a",
    description="Chest\x00 CT ",
    series=(
        Series(f"{UID}.1", "CT", (Instance(f"{UID}.1.1", CT, 1), Instance(f"{UID}.1.2", CT, -4)), number=2, body_part="CHEST"),
        Series(f"{UID}.2", None, (Instance(f"{UID}.2.1", CT),), body_part="TUMOR BED", laterality="L", date="20200131"),
    ),
)
AGREED = Agreement(
    key="DSA_1",
    provider="hospital-a",
    state=AgreementState.ACTIVE,
    starts=AT,
    ends=AT + timedelta(days=365),
    terms="1.0.0",
    terms_sha256="ab" * 32,
    conditions=Conditions(
        AccessClass.DEFAULT, True, frozenset({Action.QUERY, Action.EXPORT}), Visibility.FULL, frozenset(Purpose)
    ),
    aliases=("LUNG_1", "LUNG-2"),
    updated=AT,
)
SHARED = SharedDataset(
    alias="LUNG_1",
    provider="hospital-a",
    title="Lungs",
    description=" CT of the chest. ",
    terms="1.0.0",
    sharing=Sharing.OPEN,
    is_described=True,
    is_queried=True,
    details={"condition": "CLIN1000065", "keyword": "lung;CT", "contact": "a@b.org", "page": "https://b.org/lungs"},
    updated=AT,
)


def recorded(kind, **facts):
    row = {"id": 7, "at": AT, "actor": "client-1", "position": 4, "leaf": b"\x01" * 32}
    return read_entry(facts, kind=kind, **row, provider="hospital-a", alias="LUNG_1")


DEPOSIT = recorded("batch.closed", dataset="LUNG_1", studies=[UID], files=3, terms="1.0.0", agreement="DSA_1@2")
WITHDRAWN = recorded("govern.study.withdraw", study=UID, dataset="LUNG_1")
MOVED = recorded("govern.agreement.suspend", agreement="DSA_1", state="suspended")


def test_a_study_is_a_valid_imaging_study_with_its_counts_codes_and_references():
    study = held(imaging_study.document(STUDY))
    assert study["id"] == STUDY.key
    assert len(study["id"]) == 32
    labels = {"security": [dict(label) for label in LABELS]}
    assert study["meta"] == {"versionId": "3", "lastUpdated": "2026-11-22T12:30:01.250Z"} | labels
    assert study["identifier"][0] == {"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}
    assert study["identifier"][1]["value"] == "A-1"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 3)
    assert [m["code"] for m in study["modality"]] == ["CT"]
    assert study["subject"] == {"reference": f"Patient/{STUDY.patient_key}"}
    assert study["endpoint"] == [{"reference": "Endpoint/LUNG.1"}]
    assert study["description"] == "Chest CT"


def test_a_series_says_its_body_part_in_snomed_where_annex_l_has_it_else_in_its_own_word():
    first, second = held(imaging_study.document(STUDY))["series"]
    assert first["bodySite"] == {"system": SNOMED, "code": "816094009", "display": "Chest"}
    assert second["bodySite"] == {"system": BODY_PART, "code": "TUMOR BED"}
    assert second["laterality"]["code"] == "7771000"
    assert "code" not in second["modality"]
    assert [i.get("number") for i in first["instance"]] == [1, None]


@pytest.mark.parametrize(
    ("date", "time", "zone", "said"),
    [
        ("20200131", "101530.5", None, "2020-01-31"),
        ("20200131", "101530.5", "+0130", "2020-01-31T10:15:30.5+01:30"),
        ("20200131", "1015", "+0130", "2020-01-31"),
        ("20200131", "101530", "0130", "2020-01-31"),
        ("20200230", "101530", "+0130", None),
        ("", "101530", "+0130", None),
        (None, None, None, None),
    ],
)
def test_a_time_is_told_only_where_its_zone_is_known(date, time, zone, said):
    study = held(imaging_study.document(dataclasses.replace(STUDY, date=date, time=time, timezone_offset=zone)))
    assert study.get("started") == said


def test_every_body_part_has_a_code_that_pydicom_has_for_the_same_words():
    """But for twelve, which pydicom knows by SNOMED CT's own name."""
    meanings: dict[str, set[str]] = {}
    for named in concepts["SCT"].values():
        for code, (meaning, _) in named.items():
            meanings.setdefault(code, set()).add(meaning.lower())
    named_otherwise = {word for word, part in BODY_PARTS.items() if part.meaning.lower() not in meanings[part.code]}
    assert len(BODY_PARTS) == 313
    assert named_otherwise == {
        *("AMNIOTICFLUID", "CALF", "CELIACA", "CHOROIDPLEXUS", "CULDESAC", "GESTSAC", "GLUTEAL"),
        *("LPORTALV", "MORISONSPOUCH", "PENILEA", "RPORTALV", "SUPRAPUBIC"),
    }


def test_a_part_lies_in_regions_of_the_guide_and_combined_ones_in_several():
    assert {region for part in BODY_PARTS.values() for region in part.regions} == set(REGIONS)
    assert [c["code"] for c in body_site.regions(["CHESTABDPELVIS", "CHEST", "TUMOR BED"])] == ["67734004", "63337009"]
    assert body_site.regions(["PHANTOM", ""]) == []


def test_a_study_says_its_dataset_and_the_regions_of_its_body_parts():
    dataset, region = held(imaging_study.document(STUDY))["extension"]
    assert dataset == {"url": systems.DATASET, "valueReference": {"reference": "ResearchStudy/LUNG.1"}}
    assert region["url"] == "http://hl7.eu/fhir/imaging/StructureDefinition/AnatomicalRegionExtension"
    assert region["valueCodeableConcept"]["coding"][0]["code"] == "67734004"


def test_a_study_lists_the_modalities_that_acquire_images_and_its_series_each_their_own():
    series = tuple(Series(f"{UID}.{n}", word, ()) for n, word in enumerate(("SEG", "CT", "SR", "PT")))
    found = held(imaging_study.document(dataclasses.replace(STUDY, series=series)))
    assert [m["code"] for m in found["modality"]] == ["CT", "PT"]
    assert [s["modality"]["code"] for s in found["series"]] == ["SEG", "CT", "SR", "PT"]
    assert "modality" not in held(imaging_study.document(dataclasses.replace(STUDY, series=series[:1])))


def test_a_study_is_based_on_the_order_of_its_accession_number():
    accession = {"type": {"coding": [{"system": systems.V2_IDENTIFIER_TYPE, "code": "ACSN"}]}, "value": "A-1"}
    assert held(imaging_study.document(STUDY))["basedOn"] == [{"type": "ServiceRequest", "identifier": accession}]
    assert "basedOn" not in held(imaging_study.document(dataclasses.replace(STUDY, accession_number=None)))


def test_every_series_says_who_keeps_it_and_where_it_is_reached():
    for series in held(imaging_study.document(STUDY))["series"]:
        assert series["endpoint"] == [{"reference": "Endpoint/LUNG.1"}]
        (custodian,) = series["performer"]
        assert custodian["function"]["coding"][0]["code"] == "CST"
        assert custodian["actor"] == {"reference": "Organization/hospital-a"}


def test_a_procedure_is_coded_where_its_scheme_has_a_system_and_said_in_words_where_not():
    procedures = (Code("SCT", "77477000", "CT"), Code("99LOCAL", "X1", "CT Thorax"), Code("LN", "", ""), Code("", "", ""))
    found = held(imaging_study.document(dataclasses.replace(STUDY, procedures=procedures)))
    assert found["procedureCode"] == [
        {"coding": [{"system": SNOMED, "code": "77477000", "display": "CT"}], "text": "CT"},
        {"text": "CT Thorax"},
    ]


def test_an_image_says_its_title_and_how_many_frames_it_has_where_it_has_several():
    images = (
        Instance(f"{UID}.1.1", CT, 1, 1, "ORIGINAL\\PRIMARY"),
        Instance(f"{UID}.1.2", CT, 2, 30),
    )
    first, second = held(imaging_study.document(dataclasses.replace(STUDY, series=(Series(UID, "MR", images),))))["series"][0][
        "instance"
    ]
    assert (first["title"], "extension" in first) == ("ORIGINAL\\PRIMARY", False)
    assert second["extension"] == [{"url": "http://hl7.eu/fhir/imaging/StructureDefinition/NumberOfFrames", "valueInteger": 30}]
    assert "title" not in second


@pytest.mark.parametrize(
    ("series", "images", "side"),
    [
        ("L", (), "Left"),
        ("R", ("L",), "Right"),
        (None, ("R", "R"), "Right"),
        (None, ("L", "R"), "Bilateral"),
        (None, ("B",), "Bilateral"),
        (None, ("B", "L"), None),
        (None, ("U",), None),
        (None, ("L", "R", "U"), "Bilateral"),
        ("X", (), None),
        (None, (), None),
    ],
)
def test_a_series_has_a_side_that_it_or_all_its_images_name(series, images, side):
    found = body_site.laterality(series, set(images))
    assert (found or {}).get("display") == side


def test_a_patient_is_a_pseudonym_a_gender_and_a_provider_and_nothing_else():
    found = held(patient(Patient("0" * 32, "hospital-a", "P1", "F", AT), BASE))
    (pseudonym,) = found["identifier"]
    assert (pseudonym["system"], pseudonym["value"]) == (f"{BASE}/providers/hospital-a", "P1")
    assert pseudonym["type"]["coding"][0]["code"] == "ANON"
    assert found["gender"] == "female"
    assert found["managingOrganization"] == {"reference": "Organization/hospital-a"}
    assert [label["code"] for label in found["meta"]["security"]] == ["L", "PSEUDED", "NORELINK"]
    assert set(found) == {"resourceType", "id", "meta", "identifier", "gender", "managingOrganization"}
    assert "gender" not in held(patient(Patient("0" * 32, "hospital-a", "P1", None, AT), BASE))


def test_an_agreement_denies_all_but_what_its_provider_agreed_to():
    found = held(consent(AGREED, BASE))
    assert found["id"] == "DSA.1"
    assert found["provision"]["type"] == "deny"
    (permit,) = found["provision"]["provision"]
    assert permit["type"] == "permit"
    assert [a["coding"][0]["code"] for a in permit["action"]] == ["query", "preview", "view"]
    assert [a["coding"][1]["code"] for a in permit["action"]] == ["access"] * 3
    assert [p["code"] for p in permit["purpose"]] == ["AIRESEARCH", "AITRAIN", "FEDLEARN"]
    assert permit["actor"][0]["role"]["coding"][0]["code"] == "IRCP"
    assert [d["reference"]["reference"] for d in permit["data"]] == ["ResearchStudy/LUNG.1", "ResearchStudy/LUNG-2"]
    assert {d["meaning"] for d in permit["data"]} == {"dependents"}
    assert [c["coding"][0]["code"] for c in found["category"]] == ["57017-6", "rsdid"]
    assert found["policy"][0]["uri"].endswith("/terms/1.0.0")
    assert AGREED.terms_sha256 in found["sourceAttachment"]["title"]
    assert "patient" not in found


def test_an_agreement_permits_export_apart_under_conditions_for_research_to_who_holds_a_permit_that_names_it():
    agreed = dataclasses.replace(AGREED.conditions, access_class=AccessClass.CONDITIONAL)
    _, export = held(consent(dataclasses.replace(AGREED, conditions=agreed), BASE))["provision"]["provision"]
    assert [a["coding"][0]["code"] for a in export["action"]] == ["export"]
    assert [a["coding"][1]["code"] for a in export["action"]] == ["disclose"]
    assert [p["code"] for p in export["purpose"]] == ["AIRESEARCH"]
    assert export["actor"][0]["reference"]["display"].endswith("that names export")
    assert [d["reference"]["reference"] for d in export["data"]] == ["ResearchStudy/LUNG.1", "ResearchStudy/LUNG-2"]
    training = dataclasses.replace(agreed, purposes=frozenset({Purpose.AI_TRAINING}))
    (stays,) = held(consent(dataclasses.replace(AGREED, conditions=training), BASE))["provision"]["provision"]
    assert "export" not in [a["coding"][0]["code"] for a in stays["action"]]


def test_who_holds_a_permit_is_named_for_its_dataset_and_period_as_far_as_the_agreement_goes():
    agreed = dataclasses.replace(AGREED.conditions, access_class=AccessClass.CONDITIONAL)
    permits = (
        ("LUNG_1", Permit("clinic", AT + timedelta(days=1), None)),
        ("LUNG-2", Permit("uni", AT - timedelta(days=1), AT + timedelta(days=9), export=True)),
        ("LUNG-2", Permit("late", AT - timedelta(days=9), AT - timedelta(days=1))),
    )
    holding = dataclasses.replace(AGREED, conditions=agreed, permits=permits, changes=7)
    found = held(consent(holding, BASE))
    _, _, clinic, *uni = found["provision"]["provision"]
    assert clinic["actor"][0]["reference"] == {"reference": "Organization/clinic"}
    assert clinic["period"] == {"start": "2026-11-23T12:30:01.250Z", "end": "2027-11-22T12:30:01.250Z"}
    assert [d["reference"]["reference"] for d in clinic["data"]] == ["ResearchStudy/LUNG.1"]
    assert [[a["coding"][0]["code"] for a in provision["action"]] for provision in uni] == [
        ["query", "preview", "view"],
        ["export"],
    ]
    assert {provision["actor"][0]["reference"]["reference"] for provision in uni} == {"Organization/uni"}
    assert uni[0]["period"] == {"start": "2026-11-22T12:30:01.250Z", "end": "2026-12-01T12:30:01.250Z"}
    assert found["meta"]["versionId"] == "7"
    unneeded = held(consent(dataclasses.replace(AGREED, permits=permits), BASE))
    assert len(unneeded["provision"]["provision"]) == 1


@pytest.mark.parametrize("access_class", AccessClass)
@pytest.mark.parametrize(("external", "who"), [(False, "of beneficiary organisations"), (True, "and of external organisations")])
def test_an_agreement_says_whether_external_users_may(access_class, external, who):
    agreed = dataclasses.replace(AGREED.conditions, access_class=access_class, external=external)
    for permit in held(consent(dataclasses.replace(AGREED, conditions=agreed), BASE))["provision"]["provision"]:
        assert who in permit["actor"][0]["reference"]["display"]


def test_an_agreement_says_that_the_federation_counts_and_harvests_it_and_permits_that_alone():
    agreed = dataclasses.replace(AGREED.conditions, federated=True)
    *_, federation = held(consent(dataclasses.replace(AGREED, conditions=agreed), BASE))["provision"]["provision"]
    assert federation["actor"][0]["reference"] == {"display": FEDERATION}
    assert [coded for action in federation["action"] for coded in action["coding"]] == [{"system": ACTION, "code": "discover"}]
    assert {each["meaning"] for each in federation["data"]} == {"instance"}
    assert FEDERATION not in consent(AGREED, BASE).decode()


@pytest.mark.parametrize("state", AgreementState)
def test_every_state_of_an_agreement_has_a_status_of_the_required_binding(state):
    status = held(consent(dataclasses.replace(AGREED, state=state), BASE))["status"]
    told = {"applied": "draft", "signed": "proposed", "refused": "rejected"}
    assert status == told.get(state, state if state in ("draft", "proposed", "active") else "inactive")


def test_an_agreement_to_nothing_is_a_plain_deny():
    none = Conditions(AccessClass.DEFAULT, False, frozenset(), Visibility.NONE, frozenset(Purpose))
    assert held(consent(dataclasses.replace(AGREED, conditions=none, ends=None), BASE))["provision"] == {"type": "deny"}


def test_a_deposit_names_those_of_its_studies_and_patients_that_are_held_and_in_sight():
    in_sight = {UID: STUDY.patient_key}, {"1.2.3.4": "0" * 32}
    named, hidden = (held(provenance(narrowed(DEPOSIT, seen), BASE)) for seen in in_sight)
    images = [f"ImagingStudy/{STUDY.key}", f"Patient/{STUDY.patient_key}"]
    assert [t["reference"] for t in named["target"]] == ["Endpoint/LUNG.1", *images]
    assert [t["reference"] for t in hidden["target"]] == ["Endpoint/LUNG.1", f"Patient/{'0' * 32}"]
    assert STUDY.key not in json.dumps(hidden)
    assert UID not in json.dumps(hidden)


def test_a_deposit_says_who_made_it_for_whom_and_under_what_and_how_long_it_took():
    found = held(provenance(dataclasses.replace(DEPOSIT, began=AT - timedelta(minutes=5), ended=AT), BASE))
    assert found["occurredPeriod"] == {"start": "2026-11-22T12:25:01.250Z", "end": "2026-11-22T12:30:01.250Z"}
    assert found["policy"] == [f"{BASE}/fhir/R4/Consent/DSA.1", f"{BASE}/terms/1.0.0"]
    assert found["entity"][0]["what"] == {"reference": "Consent/DSA.1", "display": "Agreement DSA_1@2"}
    performer, author, custodian = found["agent"]
    assert performer["onBehalfOf"] == author["who"] == {"reference": "Organization/hospital-a"}
    assert performer["who"] == {"identifier": {"system": CALLER, "value": "client-1"}}
    assert custodian["who"] == {"reference": "Organization/repository"}
    roles = [agent["type"]["coding"][0]["code"] for agent in found["agent"]]
    assert roles == ["performer", "author", "custodian"]
    assert held(provenance(DEPOSIT, BASE))["occurredDateTime"] == "2026-11-22T12:30:01.250Z"


def test_an_act_of_governance_is_entered_and_kept_and_under_nothing():
    found = held(provenance(MOVED, BASE))
    assert [agent["type"]["coding"][0]["code"] for agent in found["agent"]] == ["enterer", "custodian"]
    assert found["occurredDateTime"] == found["recorded"]
    assert "policy" not in found


@pytest.mark.parametrize("kind", ["govern.keys.rotate", "govern.notice.send", "govern.proposal.make", "govern.exclusion.add"])
def test_an_act_that_is_about_nothing_that_is_served_is_the_repository_s(kind):
    assert held(provenance(recorded(kind), BASE))["target"] == [{"display": "The repository"}]


def test_every_provenance_carries_its_leaf():
    for told in (DEPOSIT, WITHDRAWN, MOVED):
        found = held(provenance(told, BASE))
        entry = {"url": LEDGER_ENTRY, "valueUrl": f"{BASE}/ledger/entries/{told.id}"}
        assert found["extension"] == [entry, {"url": LEAF_INDEX, "valueString": "4"}]
        leaf = found["entity"][-1]["what"]["identifier"]
        assert leaf == {"system": LEAF_HASH, "value": "01" * 32}
    assert LEAF_INDEX not in str(held(provenance(dataclasses.replace(MOVED, position=None), BASE)))


def test_a_withdrawn_study_is_a_reference_only_where_it_is_back_and_in_sight():
    (back,) = held(provenance(narrowed(WITHDRAWN, {UID: STUDY.patient_key}), BASE))["target"]
    assert back == {"reference": f"ImagingStudy/{STUDY.key}"}
    (gone,) = held(provenance(narrowed(WITHDRAWN, {}), BASE))["target"]
    assert gone == {"type": "ImagingStudy", "identifier": {"system": DICOM_UID, "value": f"urn:oid:{UID}"}}


EVENT = RecordedAccess(
    id=9,
    at=AT,
    subject="client-1",
    action="query",
    interaction=Interaction.SEARCH,
    purpose="AITRAIN",
    status=200,
    request="ab12",
    target="ImagingStudy?_count=50",
    count=2,
    seen=(Seen("ImagingStudy", (STUDY.key,), 1), Seen("ImagingStudy", (STUDY.key, "0" * 32), 2), Seen("Consent", ("DSA.1",))),
    patients=(STUDY.patient_key,),
)


def test_an_event_names_what_was_shown_once_and_the_question_as_it_came():
    found = held(audit_event(EVENT, BASE))
    *resources, question, transaction = found["entity"]
    named = [f"ImagingStudy/{STUDY.key}", f"ImagingStudy/{'0' * 32}", "Consent/DSA.1", f"Patient/{STUDY.patient_key}"]
    assert [each["what"]["reference"] for each in resources] == named
    assert [each["role"]["code"] for each in resources] == ["4", "4", "4", "1"]
    assert (question["role"]["code"], b64decode(question["query"])) == ("24", b"ImagingStudy?_count=50")
    assert transaction["what"]["identifier"]["value"] == "ab12"
    assert (found["id"], found["recorded"], found["action"]) == ("9", "2026-11-22T12:30:01.250Z", "E")


def test_an_event_that_is_not_all_its_reader_s_has_no_question_and_no_count():
    found = held(audit_event(dataclasses.replace(EVENT, target=None, count=None, purpose="", request=""), BASE))
    assert not any("query" in each for each in found["entity"])
    assert not {"outcomeDesc", "purposeOfEvent"} & set(found)
    assert found["entity"][-1]["what"]["reference"].startswith("Patient/")


@pytest.mark.parametrize(("status", "outcome"), [(200, "0"), (304, "0"), (404, "4"), (500, "8")])
def test_an_event_says_how_it_ended(status, outcome):
    assert held(audit_event(dataclasses.replace(EVENT, status=status), BASE))["outcome"] == outcome


@pytest.mark.parametrize("interaction", Interaction)
@pytest.mark.parametrize("action", Action)
def test_an_event_of_any_kind_is_valid_and_its_agents_are_where_the_data_went(interaction, action):
    found = held(audit_event(dataclasses.replace(EVENT, interaction=interaction, action=str(action), agreement="DSA_1"), BASE))
    roles = [agent["type"]["coding"][0]["code"] for agent in found["agent"]]
    assert roles == (["110153", "110152"] if found["action"] == "E" else ["110152", "110153"])
    assert (found["type"]["code"] == "110106") == (action is Action.EXPORT)
    assert found["agent"][0]["policy"] == [f"{BASE}/fhir/R4/Consent/DSA.1"]


@pytest.mark.parametrize(
    ("kind", "facts", "target"),
    [
        ("govern.agreement.activate", {"agreement": "DSA_1"}, "Consent/DSA.1"),
        ("govern.dataset.add", {"dataset": "LUNG_1", "agreement": "DSA_1"}, "Endpoint/LUNG.1"),
        ("govern.party.add", {"party": "uni"}, "Organization/uni"),
        ("govern.sender.add", {"dataset": "LUNG_1", "aet": "PACS"}, "Endpoint/LUNG.1"),
        ("govern.permit.add", {"dataset": "LUNG_1", "party": "uni"}, "Endpoint/LUNG.1"),
        ("govern.node.link", {"node": "central"}, "central"),
        ("govern.study.withdraw", {"study": UID}, f"urn:oid:{UID}"),
        ("govern.block.lift", {"uid": UID}, UID),
    ],
)
def test_an_act_of_governance_points_to_what_it_was_done_to(kind, facts, target):
    (found,) = held(provenance(recorded(kind, **facts), BASE))["target"]
    assert target in (found.get("reference"), found.get("identifier", {}).get("value"))


def test_an_endpoint_shows_the_public_address_and_whether_it_is_open_and_not_whose_it_is():
    found = held(endpoint(DatasetEndpoint("LUNG_1", "Lungs", True, AT), BASE))
    assert "managingOrganization" not in found
    assert (found["id"], found["address"], found["status"]) == ("LUNG.1", f"{BASE}/dicom-web", "active")
    assert held(endpoint(DatasetEndpoint("LUNG_1", " ", False, AT), BASE))["status"] == "suspended"


def test_a_dataset_is_a_research_study_of_its_provider_with_its_terms_and_pages():
    found = held(research_study(SHARED, BASE))
    assert (found["id"], found["title"], found["status"], found["description"]) == (
        "LUNG.1",
        "Lungs",
        "active",
        "CT of the chest.",
    )
    assert found["identifier"] == [{"system": f"{BASE}/datasets", "value": "LUNG_1"}]
    assert found["sponsor"] == {"reference": "Organization/hospital-a"}
    assert found["enrollment"] == [{"reference": "Group/LUNG.1"}]
    assert found["condition"] == [{"coding": [{"system": "https://cancerimage.eu/ontology/EUCAIM", "code": "CLIN1000065"}]}]
    assert found["keyword"] == [{"text": "lung"}, {"text": "CT"}]
    assert found["contact"] == [{"telecom": [{"system": "email", "value": "a@b.org"}]}]
    pages = [f"{BASE}/terms/1.0.0", f"{BASE}/catalogue/datasets/LUNG_1", "https://b.org/lungs"]
    assert [artifact["url"] for artifact in found["relatedArtifact"]] == pages


def test_a_research_study_points_to_no_page_and_no_group_that_its_reader_is_not_given():
    found = held(research_study(dataclasses.replace(SHARED, is_described=False, is_queried=False, details={}), BASE))
    assert found.keys() == {
        *("resourceType", "id", "meta", "identifier", "title", "status", "relatedArtifact", "description", "sponsor"),
    }
    assert [artifact["url"] for artifact in found["relatedArtifact"]] == [f"{BASE}/terms/1.0.0"]


@pytest.mark.parametrize("sharing", Sharing)
def test_every_way_that_sharing_stands_has_a_status_of_the_required_binding(sharing):
    status = held(research_study(dataclasses.replace(SHARED, sharing=sharing), BASE))["status"]
    assert (status == "active") == (sharing is Sharing.OPEN)


def test_a_group_counts_its_patients_and_names_them():
    patients = tuple(patient_key("hospital-a", person) for person in ("P1", "P2"))
    named, large = (PatientsOfDataset("LUNG_1", "hospital-a", "Lungs", n, some, AT) for n, some in ((2, patients), (20_000, ())))
    found, raw = held(group(named, BASE)), group(named, BASE)
    assert (found["id"], found["type"], found["actual"], found["quantity"]) == ("LUNG.1", "person", True, 2)
    assert [m["entity"]["reference"] for m in found["member"]] == [f"Patient/{key}" for key in patients]
    assert found["managingEntity"] == {"reference": "Organization/hospital-a"}
    assert len(raw) - len(group(dataclasses.replace(named, patients=patients[:1]), BASE)) == MEMBER_BYTES
    assert "member" not in held(group(large, BASE))
    assert held(group(large, BASE))["quantity"] == 20_000


def test_the_repository_is_an_organisation_with_its_contact_and_a_provider_is_one_without():
    repository = held(organization(Party("repository", "Accord", "repository", None, contact="a@b.org"), BASE))
    assert repository["telecom"] == [{"system": "email", "value": "a@b.org"}]
    provider = held(organization(Party("hospital-a", "A", "provider", AT), BASE))
    assert "telecom" not in provider
    assert [c["code"] for c in provider["type"][0]["coding"]] == ["provider", "prov"]
    assert [c["code"] for c in repository["type"][0]["coding"]] == ["repository"]


def test_an_organisation_is_active_while_it_is_approved():
    assert held(organization(Party("uni", "U", "user", AT), BASE))["active"] is True
    assert held(organization(Party("uni", "U", "user", AT, approved=False), BASE))["active"] is False


def test_the_capability_statement_is_the_table_and_says_what_nothing_here_is_for():
    found = held(capability(BASE, "Repository", "0.1.0"))
    served = {(r["type"], p["name"], p["type"]) for r in found["rest"][0]["resource"] for p in r["searchParam"]}
    assert served == {(r.name, p.name, p.type) for r in RESOURCES.values() for p in r.parameters.values()}
    assert found["fhirVersion"] == "4.0.1"
    assert found["description"] == NEVER_FOR_DIAGNOSIS
    assert NEVER_FOR_DIAGNOSIS in found["rest"][0]["documentation"]


def test_everything_an_entry_may_be_about_has_its_reference():
    assert set(REFERENCES) == set(TargetType)


def test_every_type_that_is_read_has_its_scope_in_the_discovery_documents():
    read = {scope.removeprefix("system/").split(".")[0] for scope in SUPPORTED}
    assert read == {row.name for row in RESOURCES.values() if not row.is_public} | {"*"}


def test_an_outcome_says_what_and_where():
    found = held(outcome("invalid", "No.", "modality"))
    (issue,) = found["issue"]
    assert issue.pop("details") == {"text": "No."}
    assert issue == {"severity": "error", "code": "invalid", "diagnostics": "No.", "expression": ["modality"]}
    assert "expression" not in held(outcome("exception", "No."))["issue"][0]


def test_a_bundle_joins_the_bytes_it_is_given():
    person = Patient(STUDY.patient_key, "hospital-a", "P1", "F", AT)
    made, another = imaging_study.document(STUDY), patient(person, BASE)
    asked = search.read("ImagingStudy", [("_x", '"')], READER, lenient=True)
    raw = page(asked, BASE, Brought([((1,), made, None)], [Document("Patient", another)], Place((1,))), 1)
    assert made in raw
    assert another in raw
    found = held(raw)
    assert found["entry"][0]["fullUrl"] == f"{BASE}/fhir/R4/ImagingStudy/{STUDY.key}"
    assert [e["search"]["mode"] for e in found["entry"]] == ["match", "include", "outcome"]
    assert [link["relation"] for link in found["link"]] == ["self", "next"]
    assert "entry" not in held(page(dataclasses.replace(asked, ignored=()), BASE, Brought([], [], None), None))


def test_a_modality_is_dicoms_term_where_there_is_one_and_no_double_blank_is_a_code():
    assert modality("CT") == {"system": DCM, "code": "CT"}
    assert modality("XX") == {"system": MODALITY, "code": "XX"}
    assert body_site.body_site("LEFT ARM") == {"system": BODY_PART, "code": "LEFT ARM"}
    assert body_site.body_site("LEFT  ARM") == {"display": "LEFT  ARM"}


def test_modalities_are_those_of_the_context_groups_that_pydicom_has():
    acquired, every = (
        {code for words in cid_concepts[group].values() for word in words for code in concepts["DCM"][word]} for group in (29, 33)
    )
    assert (acquired, acquired | every) == (ACQUISITION, TERMS)
    assert TERMS.isdisjoint(OTHER_WORDS)


def test_every_system_of_ours_is_a_url_under_the_project():
    own = {name: value for name, value in vars(systems).items() if isinstance(value, str) and "accord" in value}
    assert len(own) >= 14
    assert all(value.startswith("https://w3id.org/accord-imaging/fhir") for value in own.values())


def test_every_purpose_and_every_action_that_is_agreed_to_has_a_wider_code_of_the_standard_s():
    every = Conditions(AccessClass.CONDITIONAL, True, GRANTABLE, Visibility.FULL, frozenset(Purpose))
    assert set(PURPOSES.wider) == set(map(str, Purpose))
    assert set(ACTIONS.wider) == {str(action) for action in Action if every.permit(action)} - {"discover"}
