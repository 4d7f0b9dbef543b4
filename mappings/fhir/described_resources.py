"""Agreements, ledger entries, organisations, endpoints and datasets: what is described, as FHIR types."""

from consent.agreement import AgreementState
from consent.party import REPOSITORY
from mappings.fhir.consent import CATEGORIES, STATUS, consent
from mappings.fhir.endpoint import endpoint
from mappings.fhir.organization import organization
from mappings.fhir.parameters import (
    Match,
    always_if,
    coded,
    equals,
    identity_of,
    key_of,
    moment,
    one_of,
    reference,
    span,
    string,
    token,
)
from mappings.fhir.provenance import provenance
from mappings.fhir.research_study import STATUS as SHARING
from mappings.fhir.research_study import research_study
from mappings.fhir.resource_row import R4, R5, numbered, resource
from mappings.fhir.systems import (
    CALLER,
    CONNECTION,
    EUCAIM,
    keys_of,
)
from mappings.query import EVERYTHING, OneOf

_AUTHOR = Match(lambda key: EVERYTHING if key == REPOSITORY else OneOf("author", keys_of(key)), EVERYTHING)
_STATES = {status: tuple(str(s) for s in AgreementState if STATUS[s] == status) for status in dict.fromkeys(STATUS.values())}
_OPEN = {status: (status,) for status in ("active", "suspended")}
_SHARED = {status: (str(sharing),) for sharing, status in SHARING.items()}

DESCRIPTIONS = (
    resource(
        "Consent",
        "A data-sharing agreement as it stands: what it permits, to whom, for which purposes, of which datasets.",
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
    resource(
        "Provenance",
        "A ledger entry: a deposit with its studies and patients, or an act of governance.",
        "entries",
        provenance,
        (numbered("entry"), "The ledger entry."),
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
    resource(
        "Organization",
        "A registered party: a provider, a user or the repository.",
        "organisations",
        organization,
        (identity_of("party"), "The organisation's key."),
        moment("_lastUpdated", "When it last changed.", "updated"),
        token("identifier", "The organisation's key.", coded("{base}/organizations", equals("party"))),
        string("name", "The start of its name.", "name", sort="written_name"),
        summary="identifier active type name",
        mandatory="name",
    ),
    resource(
        "Endpoint",
        "Where a dataset's images are retrieved: this server's DICOMweb.",
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
    resource(
        "ResearchStudy",
        "A dataset: what its operator and its images say of it, who shares it, and which Group its patients are.",
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
)
"""What is said of agreements, of what was done, of who takes part, and of datasets."""
