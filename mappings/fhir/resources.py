"""Every FHIR type that is served: a row each, from which routes, the CapabilityStatement, parsing and reading come.

A row names its source, which `server.usecases.read` binds, and the writer of what the source gives.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from consent.agreement import AgreementState
from consent.party import REPOSITORY
from mappings.fhir.audit_parameters import audit_parameters
from mappings.fhir.body_parts import BODY_PARTS
from mappings.fhir.body_site import parts_coded
from mappings.fhir.consent import CATEGORIES, STATUS, consent
from mappings.fhir.endpoint import endpoint
from mappings.fhir.group import group
from mappings.fhir.modality import TERMS
from mappings.fhir.organization import organization
from mappings.fhir.parameters import (
    NEVER,
    Coded,
    Match,
    Parameter,
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
    string,
    token,
    told,
    unsystemed,
    uri,
)
from mappings.fhir.patient import GENDERS, patient, provider_system
from mappings.fhir.provenance import provenance
from mappings.fhir.research_study import STATUS as SHARING
from mappings.fhir.research_study import research_study
from mappings.fhir.systems import (
    BODY_PART,
    CALLER,
    CONNECTION,
    DCM,
    DICOM_UID,
    EUCAIM,
    MODALITY,
    SNOMED,
    URI,
    V2_IDENTIFIER_TYPE,
    keys_of,
)
from mappings.query import EVERYTHING, NOTHING, AllOf, Condition, Not, OneOf
from mappings.study import patient_key

R4, R5 = "4.0", "5.0"
"""Versions of FHIR, as the MIME parameter `fhirVersion` names them."""
Writer = Callable[[Any, str], bytes]
"""A resource's JSON, of a noun and the server's public address."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One type: the source of its nouns, their writer, what an id asks for, search parameters by name, and versions of FHIR.

    Without a writer, the source gives finished bytes. `summary` are the elements of its `_summary=true` beside what every
    resource has, `mandatory` those that no `_elements` takes away; `within` the same of an element's own members. What
    `is_public` is told to anybody; histories and exports tell of what `is_harvested`.
    """

    name: str
    source: str
    writer: Writer | None
    identity: Match
    parameters: Mapping[str, Parameter]
    summary: frozenset[str]
    mandatory: frozenset[str]
    within: Mapping[str, frozenset[str]]
    versions: tuple[str, ...]
    is_public: bool
    is_harvested: bool

    @property
    def is_of_patients(self) -> bool:
        """Whether it stands in the compartment of a Patient (R4 3.1.1.4.1.1)."""
        return "Patient" in (self.parameters["patient"].targets if "patient" in self.parameters else ())

    @property
    def references(self) -> dict[str, Parameter]:
        """The parameters that can be followed, from the type and to it."""
        return {name: parameter for name, parameter in self.parameters.items() if parameter.targets}


def _resource(
    name: str,
    source: str,
    writer: Writer | None,
    identity: tuple[Match, str],
    *parameters: Parameter,
    summary: str = "",
    mandatory: str = "",
    within: Mapping[str, str] | None = None,
    versions: tuple[str, ...] = (R4,),
    is_public: bool = False,
    is_harvested: bool = True,
) -> Resource:
    """A row; `identity` is what an id asks for, and its sentence as the parameter `_id`."""
    match, text = identity
    every = (token("_id", text, unsystemed(match), sort=match.field), *parameters)
    elements = (
        frozenset(summary.split()),
        frozenset(mandatory.split()),
        {e: frozenset(m.split()) for e, m in (within or {}).items()},
    )
    return Resource(name, source, writer, match, {p.name: p for p in every}, *elements, versions, is_public, is_harvested)


def _canonical(name: str, *parameters: Parameter, mandatory: str = "") -> Resource:
    """A row of Accord's own canonicals, which say what its codes and extensions mean."""
    every = (
        string("name", "The start of its name.", "name", sort="name"),
        token("status", "Always active.", coded("http://hl7.org/fhir/publication-status", always_if("active"))),
        *parameters,
    )
    summary = "url version name title status date publisher kind type code content"
    identity = (identity_of("canonical"), "The end of its address.")
    return _resource(
        name, name, None, identity, *every, summary=summary, mandatory=f"status {mandatory}", is_public=True, is_harvested=False
    )


# --- what codes of one parameter ask for

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
_AUTHOR = Match(lambda key: EVERYTHING if key == REPOSITORY else OneOf("author", keys_of(key)), EVERYTHING)


def _row(name: str) -> Match:
    """What has the number of its row as its id."""

    def read(identity: str) -> Condition:
        return OneOf(name, (int(identity),)) if re.fullmatch(r"[1-9][0-9]{0,17}", identity) else NOTHING

    return Match(read, told(name), name)


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
_STATES = {status: tuple(str(s) for s in AgreementState if STATUS[s] == status) for status in dict.fromkeys(STATUS.values())}
_OPEN = {status: (status,) for status in ("active", "suspended")}
_PATIENT = reference("patient", "Whose study it is.", path="subject", Patient=equals("patient_key"))
_BODY_SITE = token("bodysite", "A Body Part Examined of one of its series.", coded(SNOMED, _PART), coded(BODY_PART, _OWN_PART))
_BASED_ON = reference("basedon", "The Accession Number, by `:identifier`.", identified=coded("", equals("accession_number")))
_NOBODY = coded("", NEVER)
_SHARED = {status: (str(sharing),) for sharing, status in SHARING.items()}
_URL = uri("url", "Its address.", "url")

_DESCRIBED = (
    _resource(
        "ImagingStudy",
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
    _resource(
        "Patient",
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
            coded("http://hl7.org/fhir/administrative-gender", one_of("gender", _SEXES)),
        ),
        reference(
            "organization",
            "The provider who gave the pseudonym.",
            path="managingOrganization",
            Organization=key_of("patient_provider"),
        ),
        summary="identifier active gender managingOrganization",
    ),
    _resource(
        "Consent",
        "agreements",
        consent,
        (identity_of("agreement"), "The agreement's key."),
        moment("_lastUpdated", "When the agreement last moved.", "updated"),
        token("identifier", "The agreement's key.", coded("{base}/agreements", equals("agreement"))),
        reference(
            "organization", "The repository, custodian of the agreement.", path="organization", Organization=always_if(REPOSITORY)
        ),
        reference("consentor", "The provider who agrees.", path="performer", Organization=key_of("provider")),
        token(
            "status",
            "draft, proposed, active or inactive.",
            coded("http://hl7.org/fhir/consent-state-codes", one_of("status", _STATES)),
        ),
        moment("date", "When the agreement last moved.", "updated"),
        span("period", "When it permits what it permits.", "starts", "ends"),
        token(
            "category",
            "Always both: a policy of an organisation (57017-6), on access to de-identified data (rsdid).",
            *(coded(system, always_if(code)) for system, code, _ in CATEGORIES),
        ),
        reference("data", "A dataset it covers.", path="provision.provision.data.reference", ResearchStudy=key_of("dataset")),
        summary="identifier dateTime performer organization sourceAttachment provision",
        mandatory="status scope category policy policyRule",
        versions=(R4, R5),
    ),
    _resource(
        "Provenance",
        "entries",
        provenance,
        (_row("entry"), "The ledger entry."),
        moment("_lastUpdated", "When it was recorded.", "at"),
        moment("recorded", "When it was recorded.", "at"),
        reference(
            "target",
            "What it was done to.",
            path="target",
            always=True,
            Consent=key_of("target_agreement"),
            Endpoint=key_of("target_dataset"),
            ImagingStudy=equals("target_study"),
            Organization=key_of("target_party"),
            Patient=equals("target_patient"),
        ),
        reference("patient", "Whose studies a deposit brought.", path="target", Patient=equals("target_patient")),
        reference(
            "agent",
            "The provider whose deposit it is, the repository that keeps it; who did it, by `:identifier`.",
            path="agent.who",
            identified=coded(CALLER, equals("actor")),
            always=True,
            Organization=_AUTHOR,
        ),
        reference("entity", "The agreement it was deposited under.", path="entity.what", always=True, Consent=key_of("under")),
        mandatory="target recorded agent",
        versions=(R4, R5),
    ),
    _resource(
        "Organization",
        "organisations",
        organization,
        (identity_of("party"), "The organisation's key."),
        moment("_lastUpdated", "When it last changed.", "updated"),
        token("identifier", "The organisation's key.", coded("{base}/organizations", equals("party"))),
        string("name", "The start of its name.", "name", sort="written_name"),
        summary="identifier active type name",
    ),
    _resource(
        "Endpoint",
        "endpoints",
        endpoint,
        (identity_of("dataset"), "The dataset's alias."),
        moment("_lastUpdated", "When the dataset last changed.", "updated"),
        token("identifier", "The dataset's alias.", coded("{base}/datasets", equals("dataset"))),
        token("status", "active or suspended.", coded("http://hl7.org/fhir/endpoint-status", one_of("status", _OPEN))),
        string("name", "The start of the dataset's title.", "name", sort="written_name"),
        token("connection-type", "Always dicom-wado-rs.", coded(CONNECTION, always_if("dicom-wado-rs"))),
        summary="identifier name managingOrganization payloadMimeType",
        mandatory="status connectionType payloadType address",
    ),
    _resource(
        "ResearchStudy",
        "datasets",
        research_study,
        (identity_of("dataset"), "The dataset's alias."),
        moment("_lastUpdated", "When the dataset last changed.", "updated"),
        token("identifier", "The dataset's alias.", coded("{base}/datasets", equals("dataset"))),
        string("title", "The start of its title.", "title", sort="written_title"),
        token(
            "status",
            "active while it lets something in or out.",
            coded("http://hl7.org/fhir/research-study-status", one_of("sharing", _SHARED)),
        ),
        token("condition", "The cancer that it is about, by EUCAIM's code.", coded(EUCAIM, equals("condition"))),
        reference("sponsor", "The provider who shares it.", path="sponsor", Organization=key_of("provider")),
        summary="identifier title condition contact keyword enrollment sponsor",
        mandatory="status",
    ),
    _resource(
        "Group",
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
    _canonical("CodeSystem", _URL, mandatory="content"),
    _canonical("ValueSet", _URL),
    _canonical("ConceptMap", _URL),
    _canonical("StructureDefinition", _URL, mandatory="url name kind abstract type"),
    _canonical(
        "NamingSystem", string("value", "The start of the identifier system.", "url"), mandatory="name kind date uniqueId"
    ),
)
_AUDITED = (*(row.name for row in _DESCRIBED if not row.is_public), "AuditEvent")
_ROWS = (
    *_DESCRIBED,
    _resource(
        "AuditEvent",
        "accesses",
        None,
        (_row("access"), "The answered request."),
        *audit_parameters(_AUDITED),
        summary="type subtype action recorded outcome outcomeDesc purposeOfEvent",
        mandatory="type recorded agent source",
        is_harvested=False,  # to tell of it adds to it
    ),
)
RESOURCES: dict[str, Resource] = {row.name: row for row in _ROWS}


def served_in(version: str) -> tuple[Resource, ...]:
    """The types that are served in a version of FHIR."""
    return tuple(row for row in RESOURCES.values() if version in row.versions)
