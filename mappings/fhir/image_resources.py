"""Studies, patients and groups of them: the rows of datasets, as FHIR types."""

from mappings.fhir.body_parts import BODY_PARTS
from mappings.fhir.body_site import parts_coded
from mappings.fhir.group import group
from mappings.fhir.modality import TERMS
from mappings.fhir.parameters import (
    NEVER,
    Coded,
    Match,
    Token,
    also,
    always_if,
    coded,
    equals,
    identity_of,
    key_of,
    moment,
    number,
    one_of,
    reference,
    span,
    token,
    told,
    unsystemed,
)
from mappings.fhir.patient import GENDERS, patient, provider_system
from mappings.fhir.resource_row import R4, R5, resource
from mappings.fhir.systems import (
    BODY_PART,
    DCM,
    DICOM_UID,
    GENDER,
    MODALITY,
    SNOMED,
    URI,
    V2_IDENTIFIER_TYPE,
)
from mappings.query import NOTHING, AllOf, Condition, Not, OneOf
from mappings.study import patient_key

_UID = Match(
    lambda code: OneOf("study_uid", (code.removeprefix("urn:oid:"),)) if code.startswith("urn:oid:") else NOTHING,
    told("study_uid"),
)
_SOP_CLASS = Match(
    lambda code: OneOf("sop_class", (code.removeprefix("urn:oid:"),)) if code.startswith("urn:oid:") else NOTHING,
    told("sop_class"),
)
_TERM = Match(lambda code: OneOf("modality", (code,)) if code in TERMS else NOTHING, OneOf("modality", tuple(sorted(TERMS))))
_OWN_MODALITY = Match(
    lambda code: NOTHING if code in TERMS else OneOf("modality", (code,)), AllOf((told("modality"), Not(_TERM.every)))
)
_PART = Match(lambda code: OneOf("body_part", parts_coded(code)), OneOf("body_part", tuple(BODY_PARTS)))
_OWN_PART = Match(
    lambda code: NOTHING if code in BODY_PARTS else OneOf("body_part", (code,)), AllOf((told("body_part"), Not(_PART.every)))
)


def _pseudonym(asked: Token) -> Condition | None:
    """A Patient ID with its provider's system is one patient; without a system, every provider's of that pseudonym."""
    if asked.system is None:
        return OneOf("pseudonym", (asked.code,))
    prefix = provider_system(asked.base, "")
    if not asked.system.startswith(prefix):
        return None
    provider = asked.system.removeprefix(prefix)
    if not asked.code:
        return AllOf((OneOf("patient_provider", (provider,)), told("pseudonym")))
    return OneOf("patient_key", (patient_key(provider, asked.code),))


_SEXES = {gender: (sex,) for sex, gender in GENDERS.items()}
_PATIENT = reference("patient", "Whose study it is.", path="subject", Patient=equals("patient_key"))
_BODY_SITE = token("bodysite", "A Body Part Examined of one of its series.", coded(SNOMED, _PART), coded(BODY_PART, _OWN_PART))
_BASED_ON = reference("basedon", "The Accession Number, by `:identifier`.", identified=coded("", equals("accession_number")))
_NOBODY = coded("", NEVER)

IMAGES = (
    resource(
        "ImagingStudy",
        "A study as its images say it, of those that are held; a worker writes it within ten seconds of the last one.",
        "studies",
        None,
        (identity_of("study_key"), "The study's FHIR id."),
        moment("_lastUpdated", "When the study's document last changed.", "updated"),
        token(
            "identifier",
            "Study Instance UID (urn:dicom:uid|urn:oid:…) or Accession Number.",
            coded(DICOM_UID, _UID),
            coded("", equals("accession_number")),
            sort="study_uid",
            types={(V2_IDENTIFIER_TYPE, "ACSN"): equals("accession_number")},
        ),
        _PATIENT,
        also("subject", _PATIENT),
        token("modality", "A modality of one of its series.", coded(DCM, _TERM), coded(MODALITY, _OWN_MODALITY)),
        _BODY_SITE,
        also("body-site", _BODY_SITE),
        token("series", "Series Instance UID.", coded("", equals("series_uid"))),
        token("instance", "SOP Instance UID.", coded("", equals("sop_uid"))),
        token("dicom-class", "SOP Class UID (urn:oid:…) of one of its instances.", coded(URI, _SOP_CLASS)),
        reference("endpoint", "Where it can be retrieved.", path="endpoint", Endpoint=key_of("alias")),
        reference("dataset", "The dataset that it is of.", path="extension.valueReference", ResearchStudy=key_of("alias")),
        reference("performer", "The provider, who keeps it.", path="series.performer.actor", Organization=key_of("provider")),
        _BASED_ON,
        also("based-on", _BASED_ON),
        reference("reason", "Matches nothing: no study here says why it was made.", identified=_NOBODY),
        reference("referrer", "Matches nothing: who referred a pseudonymous patient is not told.", identified=_NOBODY),
        number("age", "The patient's age at the study, in whole years.", "age"),
        span("started", "When the study started, as precisely as it is served.", "started_from", "started_to"),
        token(
            "status",
            "Always available: what is not is not here.",
            coded("http://hl7.org/fhir/imagingstudy-status", always_if("available")),
        ),
        summary="identifier modality started basedOn endpoint numberOfSeries numberOfInstances procedureCode description series",
        mandatory="status subject",
        versions=(R4, R5),
        within={"series": "uid number modality description numberOfInstances endpoint bodySite laterality started performer"},
    ),
    resource(
        "Patient",
        "A provider's patient, as far as the studies say that the caller may see.",
        "patients",
        patient,
        (identity_of("patient_key"), "The patient's FHIR id."),
        moment("_lastUpdated", "When the patient last changed.", "patient_updated"),
        token(
            "identifier",
            "The provider's pseudonym: system of the provider | Patient ID.",
            Coded(_pseudonym, told("pseudonym")),
            sort="pseudonym",
        ),
        token(
            "gender",
            "male, female or other, as far as the images say.",
            coded(GENDER, one_of("gender", _SEXES)),
        ),
        reference(
            "organization",
            "The provider who gave the pseudonym.",
            path="managingOrganization",
            Organization=key_of("patient_provider"),
        ),
        summary="identifier active gender managingOrganization",
    ),
    resource(
        "Group",
        "The patients of a dataset, by name up to 10 000 of them.",
        "members",
        group,
        (identity_of("dataset"), "The dataset's alias."),
        moment("_lastUpdated", "When the dataset or one of its studies last changed.", "updated"),
        token("identifier", "The dataset's alias.", coded("{base}/datasets", equals("dataset"))),
        reference("managing-entity", "The provider who shares it.", path="managingEntity", Organization=key_of("provider")),
        reference("member", "A patient of the dataset.", path="member.entity", Patient=equals("member")),
        token("type", "Always person.", coded("http://hl7.org/fhir/group-type", always_if("person"))),
        token("actual", "Always true.", unsystemed(always_if("true"))),
        summary="identifier active name quantity managingEntity",
        mandatory="type actual",
    ),
)
"""Rows of datasets: studies, their patients, and the patients of each dataset."""
