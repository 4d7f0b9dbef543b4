"""A Data Sharing Agreement as a FHIR R4 Consent: everything denied but what its provider agreed to.

R4's prose asks a patient of every standard scope (ppc-2 to ppc-5), and an agreement covers datasets of an organisation; so the
scope is a code of ours and no patient is named.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime

from consent.agreement import Agreement, AgreementState
from consent.conditions import AccessClass, Action, Purpose
from consent.party import REPOSITORY
from mappings.fhir.narrower import ACTIONS
from mappings.fhir.serial import Json, document, instant, told
from mappings.fhir.systems import (
    ACTION,
    AGREEMENT_KIND,
    CONSENT_ACTION,
    PARTICIPATION,
    PURPOSE,
    coding,
    concept,
    fhir_id,
    reference,
)

STATUS = {
    AgreementState.APPLIED: "draft",
    AgreementState.DRAFT: "draft",
    AgreementState.PROPOSED: "proposed",
    AgreementState.SIGNED: "proposed",
    AgreementState.ACTIVE: "active",
    AgreementState.SUSPENDED: "inactive",
    AgreementState.TERMINATED: "inactive",
    AgreementState.REFUSED: "rejected",
}
"""Agreement's state → Consent.status (consent-state-codes)."""

CATEGORIES = (
    ("http://loinc.org", "57017-6", "Privacy policy Organization Document"),
    ("http://terminology.hl7.org/CodeSystem/consentcategorycodes", "rsdid", "De-identified Information Access"),
)
"""Consent.category: what kind of document it is, and what it is about."""

_USERS = {
    False: "Approved data users of beneficiary organisations",
    True: "Approved data users of beneficiary and of external organisations",
}
"""Whether external users may → whom is permitted what."""
_HOLDING = " who hold a permit for the dataset"
FEDERATION = "The federation, which counts and harvests"


def consent(agreement: Agreement, base: str) -> bytes:
    """The Consent's JSON; `base` is the server's public address."""
    terms = f"{base}/terms/{agreement.terms}"
    body: dict[str, object] = {
        "meta": {"versionId": str(agreement.changes), "lastUpdated": instant(agreement.updated)},
        "identifier": [{"system": f"{base}/agreements", "value": agreement.key}],
        "status": STATUS[agreement.state],
        "scope": concept(AGREEMENT_KIND, "data-sharing-agreement", "Data sharing agreement"),
        "category": [concept(*category) for category in CATEGORIES],
        "dateTime": instant(agreement.updated),
        "performer": [reference("Organization", agreement.provider)],
        "organization": [reference("Organization", REPOSITORY)],
        # Attachment.hash is SHA-1 by definition, so the SHA-256 of the terms stands in the title
        "sourceAttachment": {"url": terms, "title": f"Terms of use {agreement.terms} (SHA-256 {agreement.terms_sha256})"},
        "policy": [{"authority": base, "uri": uri} for uri in (terms, *_hashes(agreement))],
        "provision": told(type="deny", provision=[*_to_anybody(agreement), *_to_holders(agreement)]),
    }
    return document("Consent", fhir_id(agreement.key), body)


def _hashes(agreement: Agreement) -> Iterator[str]:
    """What the version in force is bound to, by its bytes (RFC 6920): the version, which is what is signed, and each document."""
    for sha256 in (agreement.sha256, *(each.sha256 for each in agreement.documents)):
        if sha256:
            yield f"ni:///sha-256;{urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip('=')}"


def _to_anybody(agreement: Agreement) -> Iterator[dict[str, object]]:
    """The exceptions to the root's deny for whoever is of a kind."""
    agreed, users = agreement.conditions, _USERS[agreement.conditions.external]
    recipients = {"display": users + (_HOLDING if agreed.access_class is AccessClass.CONDITIONAL else "")}
    exporters = {"display": f"{users}{_HOLDING} that names export"}
    yield from _permits(agreement, recipients, exporters, agreement.starts, agreement.ends, agreement.aliases)
    if agreed.federated:
        actor, action = _recipient({"display": FEDERATION}), {"coding": [coding(ACTION, str(Action.DISCOVER))]}
        yield {"type": "permit", "actor": actor, "action": [action]} | _covers(
            agreement.starts, agreement.ends, agreement.aliases, "instance"
        )


def _to_holders(agreement: Agreement) -> Iterator[dict[str, object]]:
    """The same by name, for those who hold a permit and need it; as long as both it and the agreement last."""
    if agreement.conditions.access_class is not AccessClass.CONDITIONAL:
        return
    for alias, permit in agreement.permits:
        holder = reference("Organization", permit.party)
        starts = max(permit.starts, agreement.starts)
        ends = min((end for end in (permit.ends, agreement.ends) if end), default=None)
        yield from _permits(agreement, holder, holder if permit.export else None, starts, ends, (alias,))


def _permits(
    agreement: Agreement,
    recipient: Json,
    exporter: Json | None,
    starts: datetime,
    ends: datetime | None,
    aliases: Iterable[str],
) -> Iterator[dict[str, object]]:
    """What is agreed, for a period and some datasets; export apart, being for fewer purposes; none that says nothing."""
    agreed = agreement.conditions
    if ends is not None and ends <= starts:
        return
    covers = _covers(starts, ends, aliases, "dependents")
    stays = [Action(a) for a in ACTIONS.wider if agreed.permit(Action(a)) and a != Action.EXPORT]
    if stays and agreed.purposes:
        yield _permit(recipient, stays, agreed.purposes) | covers
    if exporter and agreed.permit(Action.EXPORT):
        yield _permit(exporter, [Action.EXPORT], [Purpose.AI_RESEARCH]) | covers


def _covers(starts: datetime, ends: datetime | None, aliases: Iterable[str], meaning: str) -> dict[str, object]:
    """Until when and of what: of a dataset's ResearchStudy its studies and patients are dependents, since they refer to it."""
    return told(
        period=told(start=instant(starts), end=instant(ends) if ends else None),
        data=[{"meaning": meaning, "reference": reference("ResearchStudy", alias)} for alias in aliases],
    )


def _recipient(who: Json) -> list[dict[str, object]]:
    return [{"role": concept(PARTICIPATION, "IRCP"), "reference": who}]


def _permit(recipient: Json, actions: Iterable[Action], purposes: Iterable[Purpose]) -> dict[str, object]:
    """One exception. Its purposes are ours alone: a wider code beside them would permit all that is under that."""
    return {
        "type": "permit",
        "actor": _recipient(recipient),
        "action": [{"coding": [coding(ACTION, str(a)), coding(CONSENT_ACTION, ACTIONS.wider[a])]} for a in actions],
        "purpose": [coding(PURPOSE, str(p)) for p in sorted(purposes)],
    }
