"""A ledger entry as a FHIR R4 Provenance: a deposit or an act of governance, with its leaf in the ledger.

Rendered from the entry's body and never stored.
"""

from collections.abc import Callable

from consent.entries import BatchClosed, Target, TargetType
from consent.party import REPOSITORY
from consent.provenance import RecordedEntry
from mappings.fhir.serial import document, instant, told
from mappings.fhir.systems import (
    BATCH,
    CALLER,
    CLIENT,
    DATA_OPERATION,
    DICOM_UID,
    ENTRY_KIND,
    GOVERNED,
    LEAF_HASH,
    LEAF_INDEX,
    LEDGER_ENTRY,
    NODE,
    PEER,
    PERSON,
    PROVENANCE_AGENT,
    TERMS,
    coding,
    concept,
    fhir_id,
    reference,
)
from mappings.study import study_key

Json = dict[str, object]


def provenance(entry: RecordedEntry, base: str) -> bytes:
    """The Provenance's JSON."""
    body: Json = {
        "meta": {"lastUpdated": instant(entry.at)},
        "extension": _ledger(entry, base),
        "target": _targets(entry),
        **_occurred(entry),
        "recorded": instant(entry.at),
        "policy": _policies(entry, base),
        "activity": {"coding": _activity(entry)},
        "agent": _agents(entry),
        "entity": [*_sources(entry), _leaf(entry)],
    }
    return document("Provenance", str(entry.id), body)


def _ledger(entry: RecordedEntry, base: str) -> list[Json]:
    """Where the entry's commitment is read, and where it stands in the ledger's tree, once it does."""
    index: list[Json] = [] if entry.position is None else [{"url": LEAF_INDEX, "valueString": str(entry.position)}]
    return [{"url": LEDGER_ENTRY, "valueUrl": f"{base}/ledger/entries/{entry.id}"}, *index]


def _targets(entry: RecordedEntry) -> list[Json]:
    """What it was done to; a deposit, to the patients too whose studies it brought; what names nothing, to the repository.

    R4 asks for one at least, and a new key or a notice to many is about nothing that is served.
    """
    patients = entry.patients if entry.kind == BatchClosed.KIND else ()
    told = [*(_target(target, entry.served) for target in entry.targets), *(reference("Patient", key) for key in patients)]
    return told or [{"display": "The repository"}]


def _occurred(entry: RecordedEntry) -> Json:
    """When it was done: a deposit, from its batch's opening to its end."""
    if entry.began is None or entry.ended is None:
        return {"occurredDateTime": instant(entry.at)}
    return {"occurredPeriod": {"start": instant(entry.began), "end": instant(entry.ended)}}


def _policies(entry: RecordedEntry, base: str) -> list[str]:
    """The agreement and the terms it was done under."""
    agreement = [f"{base}/fhir/R4/Consent/{_agreement(entry.agreement)}"] if entry.agreement else []
    return agreement + ([f"{base}/terms/{entry.terms}"] if entry.terms else [])


def _agreement(cited: str) -> str:
    """The FHIR id of an agreement that is cited as key@version."""
    return fhir_id(cited.partition("@")[0])


def _target(target: Target, served: frozenset[str]) -> Json:
    """A study that is not served to this reader (it was withdrawn, or is out of sight by now) is named by its UID."""
    if target.type is TargetType.STUDY and target.key not in served:
        return {"type": "ImagingStudy", "identifier": {"system": DICOM_UID, "value": f"urn:oid:{target.key}"}}
    return REFERENCES[target.type](target.key)


def _identified(system: str) -> Callable[[str], Json]:
    return lambda name: {"identifier": {"system": system, "value": name}}


REFERENCES: dict[TargetType, Callable[[str], Json]] = {
    TargetType.STUDY: lambda uid: reference("ImagingStudy", study_key(uid)),
    TargetType.AGREEMENT: lambda name: reference("Consent", name),
    TargetType.DATASET: lambda name: reference("Endpoint", name),
    TargetType.PARTY: lambda name: reference("Organization", name),
    TargetType.NODE: _identified(NODE),
    TargetType.CLIENT: _identified(CLIENT),
    TargetType.TERMS: _identified(TERMS),
    TargetType.BATCH: _identified(BATCH),
    TargetType.BLOCK: _identified(GOVERNED),
    TargetType.PERSON: _identified(PERSON),
    TargetType.PEER: _identified(PEER),
}
"""What an entry is about → a reference to what is served, else an identifier."""


def _activity(entry: RecordedEntry) -> list[Json]:
    created = [coding(DATA_OPERATION, "CREATE", "create")] if entry.kind == BatchClosed.KIND else []
    return [coding(ENTRY_KIND, entry.kind), *created]


def _agents(entry: RecordedEntry) -> list[Json]:
    """Who did it, as the ledger calls it, and who keeps it; a deposit is its provider's, on whose behalf it is made.

    What governs is entered by the operator's hand, whoever decided it.
    """
    custodian = _agent("custodian", "Custodian", reference("Organization", REPOSITORY))
    who: Json = {"identifier": {"system": CALLER, "value": entry.actor}}
    if entry.kind != BatchClosed.KIND:
        return [_agent("enterer", "Enterer", who), custodian]
    provider = reference("Organization", entry.provider) if entry.provider else None
    author = [_agent("author", "Author", provider)] if provider else []
    return [_agent("performer", "Performer", who, provider), *author, custodian]


def _agent(role: str, display: str, who: Json, on_behalf: Json | None = None) -> Json:
    return told(type=concept(PROVENANCE_AGENT, role, display), who=who, onBehalfOf=on_behalf)


def _sources(entry: RecordedEntry) -> list[Json]:
    """The agreement it was done under, with the version that was in force."""
    if not entry.agreement:
        return []
    consent = {"reference": f"Consent/{_agreement(entry.agreement)}", "display": f"Agreement {entry.agreement}"}
    return [{"role": "source", "what": consent}]


def _leaf(entry: RecordedEntry) -> Json:
    return {"role": "source", "what": {"identifier": {"system": LEAF_HASH, "value": entry.leaf.hex()}, "display": "Ledger leaf"}}
