"""An answered request as a FHIR R4 AuditEvent, in the shape of IHE's Basic Audit Log Patterns (BALP 1.1).

Rendered from the record of access and never stored. BALP has an event for each patient of a page; here a page is one event that
names them all, so that what was seen together stays together. A caller's address is not kept, so no profile of BALP is claimed.
"""

from base64 import b64encode
from collections.abc import Iterator

import msgspec

from consent.access import Interaction, RecordedAccess
from consent.conditions import Action
from consent.party import REPOSITORY
from mappings.fhir.serial import document, instant, told
from mappings.fhir.systems import (
    ACTION,
    AUDIT_TYPE,
    BALP_ENTITY,
    CALLER,
    DCM,
    ENTITY_ROLE,
    ENTITY_TYPE,
    LIFECYCLE,
    PURPOSE,
    RESTFUL,
    SOURCE_TYPE,
    coding,
    concept,
    fhir_id,
    reference,
)

Json = dict[str, object]
EXPORTED = frozenset({str(Action.EXPORT)})
"""Actions by which data leaves: DICOM's Export, a disclosure (BALP PrivacyDisclosure.Source)."""
ASKED = frozenset({Interaction.SEARCH, Interaction.HISTORY, Interaction.OPERATION})
"""What is executed (E) rather than read (R)."""
OUTCOMES = {"0": (100, 399), "4": (400, 499), "8": (500, 599)}
"""AuditEvent.outcome → statuses: success, minor and serious failure."""
_SERVER, _CLIENT = coding(DCM, "110153", "Source Role ID"), coding(DCM, "110152", "Destination Role ID")


def audit_event(access: RecordedAccess, base: str) -> bytes:
    """The AuditEvent's JSON."""
    body: Json = {
        "meta": {"lastUpdated": instant(access.at)},
        "type": _type(access),
        "subtype": _subtypes(access),
        "action": "E" if access.interaction in ASKED else "R",
        "recorded": instant(access.at),
        "outcome": next(code for code, (low, high) in OUTCOMES.items() if low <= access.status <= high),
        "outcomeDesc": None if access.count is None else f"{access.count} given",
        "purposeOfEvent": [concept(PURPOSE, access.purpose)] if access.purpose else [],
        "agent": _agents(access, base),
        "source": {
            "observer": reference("Organization", REPOSITORY),
            "type": [coding(SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": [*_resources(access), *_asked(access), *_transaction(access)],
    }
    return document("AuditEvent", str(access.id), body)


def _type(access: RecordedAccess) -> Json:
    return coding(DCM, "110106", "Export") if access.action in EXPORTED else coding(AUDIT_TYPE, "rest", "RESTful Operation")


def _subtypes(access: RecordedAccess) -> list[Json]:
    """How it was asked for; that it was a disclosure; and by which action of the repository's own."""
    disclosed = [coding(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")] if access.action in EXPORTED else []
    return [coding(RESTFUL, str(access.interaction), str(access.interaction)), *disclosed, coding(ACTION, access.action)]


def _agents(access: RecordedAccess, base: str) -> list[Json]:
    """Who asked, and this server. DICOM's roles follow the data, or, of a search, the question (BALP Query)."""
    theirs, ours = (_SERVER, _CLIENT) if access.interaction in ASKED else (_CLIENT, _SERVER)
    policy = [f"{base}/fhir/R4/Consent/{fhir_id(access.agreement)}"] if access.agreement else []
    client = {"who": {"identifier": {"system": CALLER, "value": access.subject}}, "altId": access.subject}
    server = {"who": reference("Organization", REPOSITORY), "network": {"address": base, "type": "5"}}
    return [
        told(type={"coding": [theirs]}, **client, requestor=True, policy=policy),
        told(type={"coding": [ours]}, **server, requestor=False),
    ]


# --- entities


_RESOURCE: Json = {"type": coding(ENTITY_TYPE, "2", "System Object"), "role": coding(ENTITY_ROLE, "4", "Domain Resource")}
_PATIENT: Json = {"type": coding(ENTITY_TYPE, "1", "Person"), "role": coding(ENTITY_ROLE, "1", "Patient")}


def _resources(access: RecordedAccess) -> Iterator[msgspec.Raw]:
    """What was shown, and whose images that was, each once."""
    named = {f"{each.type}/{key}": None for each in access.seen for key in each.keys}
    named |= dict.fromkeys(f"Patient/{key}" for key in access.patients)
    yield from (msgspec.Raw(_ENTITY[name.startswith("Patient/")] % name.encode()) for name in named)


def _entity(shape: Json) -> bytes:
    return msgspec.json.encode({"what": {"reference": "%s"}} | shape)


_ENTITY = {False: _entity(_RESOURCE), True: _entity(_PATIENT)}
"""Entities without their ids: a page may have thousands."""


def _asked(access: RecordedAccess) -> list[Json]:
    """What was asked for, as it came."""
    asked = {"type": coding(ENTITY_TYPE, "2", "System Object"), "role": coding(ENTITY_ROLE, "24", "Query")}
    return [] if access.target is None else [asked | {"query": b64encode(access.target.encode()).decode()}]


def _transaction(access: RecordedAccess) -> list[Json]:
    what = {"identifier": {"value": access.request}}
    return [{"what": what, "type": coding(BALP_ENTITY, "XrequestId")}] if access.request else []
