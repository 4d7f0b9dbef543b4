"""Code systems and identifier systems of what is served, and how keys become FHIR ids.

Accord's own stand under one project base, so that they mean the same wherever an Accord runs.
"""

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
DICOM_UID = "urn:dicom:uid"
URI = "urn:ietf:rfc:3986"
V2_IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
PROVENANCE_AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
AUDIT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
AUDIT_OUTCOME = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
AUDIT_ACTION = "http://hl7.org/fhir/audit-event-action"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
GENDER = "http://hl7.org/fhir/administrative-gender"
BALP_ENTITY = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
ORGANIZATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
EUCAIM = "https://cancerimage.eu/ontology/EUCAIM"
_EUROPE = "http://hl7.eu/fhir/imaging/StructureDefinition"  # HL7 Europe's imaging guide for R4, 1.0.0-ballot
ANATOMICAL_REGION = f"{_EUROPE}/AnatomicalRegionExtension"
NUMBER_OF_FRAMES = f"{_EUROPE}/NumberOfFrames"
SCHEMES = {"DCM": DCM, "SCT": SNOMED, "LN": "http://loinc.org", "RADLEX": "http://www.radlex.org"}
"""Coding Scheme Designator (PS3.16 table 8-1) → code system."""

PROJECT = "https://w3id.org/accord-imaging/fhir"
"""The one base of Accord's own canonicals: they mean the same wherever an Accord runs."""
AGREEMENT_KIND = f"{PROJECT}/CodeSystem/agreement-kind"  # data-sharing-agreement
PARTY_ROLE = f"{PROJECT}/CodeSystem/party-role"  # consent.party.ROLES
PURPOSE = f"{PROJECT}/CodeSystem/purpose"  # AIRESEARCH AITRAIN FEDLEARN
ACTION = f"{PROJECT}/CodeSystem/action"  # consent.conditions.Action
ENTRY_KIND = f"{PROJECT}/CodeSystem/entry-kind"  # kinds of ledger entries
BODY_PART = f"{PROJECT}/CodeSystem/body-part"  # Body Part Examined as the object says it, where PS3.16 Annex L has no code for it
MODALITY = f"{PROJECT}/CodeSystem/modality"  # Modality as the object says it, where PS3.16 has no term for it
MANUFACTURER = f"{PROJECT}/CodeSystem/manufacturer"  # a word that stands in Manufacturer, folded
DATASET = f"{PROJECT}/StructureDefinition/dataset"  # extension: the dataset (ResearchStudy) that a study is of
LEAF_INDEX = f"{PROJECT}/StructureDefinition/ledger-leaf-index"  # extension: a ledger leaf's index in the tree
LEDGER_ENTRY = f"{PROJECT}/StructureDefinition/ledger-entry"  # extension: where a ledger entry's commitment is read
LEAF_HASH = f"{PROJECT}/NamingSystem/ledger-leaf-hash"  # identifier: a ledger leaf's hash, in hex
CALLER = f"{PROJECT}/NamingSystem/caller"  # identifier: who did it, as the ledger calls it
NODE, CLIENT, TERMS, BATCH, GOVERNED, PERSON, PEER = (
    f"{PROJECT}/NamingSystem/{noun}" for noun in ("node", "client", "terms", "batch", "block", "person", "peer")
)
"""Identifiers of what is not served as a resource."""


def fhir_id(key: str) -> str:
    """A key as a FHIR id (R4 2.24.0.1 has no underscore)."""
    return key.replace("_", ".")


def alias_of(identity: str) -> str:
    """The alias of the dataset whose Endpoint has this FHIR id: an alias has no dot."""
    return identity.replace(".", "_")


def keys_of(identity: str) -> tuple[str, ...]:
    """The keys a FHIR id may stand for."""
    return tuple(dict.fromkeys((identity, identity.replace(".", "_"))))


def reference(resource: str, key: str) -> dict[str, object]:
    """A relative reference to a served resource."""
    return {"reference": f"{resource}/{fhir_id(key)}"}


def concept(system: str, code: str, display: str | None = None) -> dict[str, object]:
    """A CodeableConcept of one coding."""
    return {"coding": [coding(system, code, display)]}


def coding(system: str, code: str, display: str | None = None) -> dict[str, object]:
    """A Coding."""
    told: dict[str, object] = {"system": system, "code": code}
    return told | {"display": display} if display else told
