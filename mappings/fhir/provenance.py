"""A ledger entry as a FHIR R4 Provenance: a deposit, a use, or an act of governance, with its leaf in the ledger.

Rendered from the entry's body and never stored.
"""

from collections.abc import Callable

from consent.entries import BatchClosed, Target, TargetType
from consent.provenance import RecordedEntry
from mappings.fhir.serial import document, instant, told
from mappings.fhir.systems import (
    ACT_REASON,
    ACTION,
    BATCH,
    CALLER,
    CLIENT,
    DATA_OPERATION,
    DICOM_UID,
    ENTRY_KIND,
    GOVERNED,
    LEAF_HASH,
    LEAF_INDEX,
    NODE,
    PROVENANCE_AGENT,
    PURPOSE,
    TERMS,
    coding,
    concept,
    reference,
)
from mappings.study import study_key

Json = dict[str, object]


def provenance(entry: RecordedEntry, base: str) -> bytes:
    """The Provenance's JSON."""
    body: Json = {
        "meta": {"lastUpdated": instant(entry.at)},
        "extension": [{"url": LEAF_INDEX, "valueString": str(entry.position)}] if entry.position is not None else [],
        "target": _targets(entry),
        "recorded": instant(entry.at),
        "policy": [f"{base}/terms/{entry.terms}"] if entry.terms else [],
        "reason": _reasons(entry),
        "activity": {"coding": _activity(entry)},
        "agent": _agents(entry),
        "entity": [*_sources(entry), _leaf(entry)],
    }
    return document("Provenance", str(entry.id), body)


def _targets(entry: RecordedEntry) -> list[Json]:
    return [_target(target, entry.served) for target in entry.targets]


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
}
"""What an entry is about → a reference to what is served, else an identifier."""


def _reasons(entry: RecordedEntry) -> list[Json]:
    return [{"coding": [coding(PURPOSE, entry.purpose), coding(ACT_REASON, "HRESCH")]}] if entry.purpose else []


def _activity(entry: RecordedEntry) -> list[Json]:
    codes = [coding(ENTRY_KIND, entry.kind)]
    if entry.kind == BatchClosed.KIND:
        codes.append(coding(DATA_OPERATION, "CREATE", "create"))
    if entry.action:
        codes.append(coding(ACTION, entry.action))
    return codes


def _agents(entry: RecordedEntry) -> list[Json]:
    """Who did it, as the ledger calls it; a deposit is made on behalf of its provider."""
    on_behalf = reference("Organization", entry.provider) if entry.kind == BatchClosed.KIND and entry.provider else None
    who = {"identifier": {"system": CALLER, "value": entry.actor}}
    return [told(type=concept(PROVENANCE_AGENT, "performer", "Performer"), who=who, onBehalfOf=on_behalf)]


def _sources(entry: RecordedEntry) -> list[Json]:
    """The agreement it was done under."""
    if not entry.agreement:
        return []
    key = entry.agreement.split("@")[0]
    return [{"role": "source", "what": reference("Consent", key) | {"display": f"Agreement {entry.agreement}"}}]


def _leaf(entry: RecordedEntry) -> Json:
    return {"role": "source", "what": {"identifier": {"system": LEAF_HASH, "value": entry.leaf.hex()}, "display": "Ledger leaf"}}
