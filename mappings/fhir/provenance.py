"""A ledger entry as a FHIR R4 Provenance: a deposit, a use, or an act of governance, with its leaf in the ledger.

Rendered from the entry's body and never stored. A deposit names its studies only to those who may query its dataset.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consent.entries import Kind
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """A ledger entry that can be read: `body` its decoded facts, `position` its leaf's index (None until ordered).

    `provider` and `alias` name the party and dataset it is about, None where it is about neither.
    """

    id: int
    kind: str
    at: datetime
    actor: str
    body: Mapping[str, Any]
    position: int | None
    leaf: bytes
    provider: str | None
    alias: str | None


def provenance(entry: Recorded, base: str, *, studies: bool) -> bytes:
    """The Provenance's JSON; `studies` says whether a deposit's studies may be named."""
    body: Json = {
        "meta": {"lastUpdated": instant(entry.at)},
        "extension": [{"url": LEAF_INDEX, "valueString": str(entry.position)}] if entry.position is not None else [],
        "target": _targets(entry, studies),
        "recorded": instant(entry.at),
        "policy": [f"{base}/terms/{version}"] if (version := _terms(entry)) else [],
        "reason": _reasons(entry),
        "activity": {"coding": _activity(entry)},
        "agent": _agents(entry),
        "entity": [*_sources(entry), _leaf(entry)],
    }
    return document("Provenance", str(entry.id), body)


def _targets(entry: Recorded, studies: bool) -> list[Json]:
    if entry.kind.startswith("use."):
        return [reference("ImagingStudy", study_key(entry.body["study"]))]
    if entry.kind == Kind.BATCH_CLOSED:
        named = [reference("ImagingStudy", study_key(uid)) for uid in entry.body.get("studies", ())] if studies else []
        return [reference("Endpoint", entry.alias or entry.body["dataset"]), *named]
    return [_governed(entry)]


def _identified(system: str) -> Callable[[str], Json]:
    return lambda name: {"identifier": {"system": system, "value": name}}


NOUNS: dict[str, Callable[[str], Json]] = {
    "agreement": lambda name: reference("Consent", name),
    "dataset": lambda name: reference("Endpoint", name),
    "party": lambda name: reference("Organization", name),
    "study": lambda uid: {"type": "ImagingStudy", "identifier": {"system": DICOM_UID, "value": f"urn:oid:{uid}"}},
    "node": _identified(NODE),
    "client": _identified(CLIENT),
    "terms": _identified(TERMS),
    "batch": _identified(BATCH),
}
"""What a governance act was done to → a reference to what is served, else an identifier (a withdrawn study is not served)."""


def _governed(entry: Recorded) -> Json:
    """`govern.<noun>.<verb>` names its noun in the body; senders, permits and blocks belong to their dataset."""
    noun = entry.kind.split(".")[1]
    if noun in NOUNS and noun in entry.body:
        return NOUNS[noun](str(entry.body[noun]))
    if entry.alias:
        return reference("Endpoint", entry.alias)
    return _identified(GOVERNED)(str(entry.body.get(noun, noun)))


def _terms(entry: Recorded) -> str | None:
    return None if entry.kind.startswith("govern.") else entry.body.get("terms")


def _reasons(entry: Recorded) -> list[Json]:
    purpose = entry.body.get("purpose") if entry.kind.startswith("use.") else None
    return [{"coding": [coding(PURPOSE, purpose), coding(ACT_REASON, "HRESCH")]}] if purpose else []


def _activity(entry: Recorded) -> list[Json]:
    codes = [coding(ENTRY_KIND, entry.kind)]
    if entry.kind == Kind.BATCH_CLOSED:
        codes.append(coding(DATA_OPERATION, "CREATE", "create"))
    if entry.kind.startswith("use."):
        codes.append(coding(ACTION, entry.body["action"]))
    return codes


def _agents(entry: Recorded) -> list[Json]:
    """Who did it, as the ledger calls it; a deposit is made on behalf of its provider."""
    on_behalf = reference("Organization", entry.provider) if entry.kind == Kind.BATCH_CLOSED and entry.provider else None
    who = {"identifier": {"system": CALLER, "value": entry.actor}}
    return [told(type=concept(PROVENANCE_AGENT, "performer", "Performer"), who=who, onBehalfOf=on_behalf)]


def _sources(entry: Recorded) -> list[Json]:
    """The agreement it was done under."""
    cited = None if entry.kind.startswith("govern.") else entry.body.get("agreement")
    if not cited:
        return []
    return [{"role": "source", "what": reference("Consent", cited.split("@")[0]) | {"display": f"Agreement {cited}"}}]


def _leaf(entry: Recorded) -> Json:
    return {"role": "source", "what": {"identifier": {"system": LEAF_HASH, "value": entry.leaf.hex()}, "display": "Ledger leaf"}}
