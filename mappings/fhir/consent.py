"""A Data Sharing Agreement as a FHIR R4 Consent: everything denied but what its provider agreed to.

R4's prose asks a patient of every standard scope (ppc-2 to ppc-5), and an agreement covers datasets of an organisation; so the
scope is a code of ours and no patient is named.
"""

from collections.abc import Iterable

from consent.agreement import Agreement, AgreementState
from consent.conditions import AccessClass, Action, Purpose
from consent.party import REPOSITORY
from mappings.fhir.serial import document, instant, told
from mappings.fhir.systems import (
    ACT_REASON,
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
    AgreementState.DRAFT: "draft",
    AgreementState.PROPOSED: "proposed",
    AgreementState.ACTIVE: "active",
    AgreementState.SUSPENDED: "inactive",
    AgreementState.TERMINATED: "inactive",
}
"""Agreement's state → Consent.status (consent-state-codes)."""

_STANDARD = {
    Action.QUERY: "access",
    Action.PREVIEW: "access",
    Action.VIEW: "access",
    Action.PROCESS: "use",
    Action.EXPORT: "disclose",
}
"""Action → the standard's wider consentaction code."""

_RECIPIENTS = {
    AccessClass.DEFAULT: "Approved data users of the repository",
    AccessClass.CONDITIONAL: "Approved data users who hold a permit for the dataset",
}
_EXPORTERS = "Approved data users who hold a permit for the dataset that names export"


def consent(agreement: Agreement, base: str) -> bytes:
    """The Consent's JSON; `base` is the server's public address."""
    terms = f"{base}/terms/{agreement.terms}"
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(agreement.updated)},
        "identifier": [{"system": f"{base}/agreements", "value": agreement.key}],
        "status": STATUS[agreement.state],
        "scope": concept(AGREEMENT_KIND, "data-sharing-agreement", "Data sharing agreement"),
        "category": [concept("http://loinc.org", "59284-0", "Consent Document")],
        "dateTime": instant(agreement.updated),
        "performer": [reference("Organization", agreement.provider)],
        "organization": [reference("Organization", REPOSITORY)],
        # Attachment.hash is SHA-1 by definition, so the SHA-256 of the terms stands in the title
        "sourceAttachment": {"url": terms, "title": f"Terms of use {agreement.terms} (SHA-256 {agreement.terms_sha256})"},
        "policy": [{"authority": base, "uri": terms}],
        "provision": told(type="deny", provision=_permits(agreement)),
    }
    return document("Consent", fhir_id(agreement.key), body)


def _permits(agreement: Agreement) -> list[dict[str, object]]:
    """The exceptions to the root's deny: export has one of its own, being for fewer purposes; none that says nothing."""
    agreed = agreement.conditions
    stays = [a for a in _STANDARD if agreed.permit(a) and a is not Action.EXPORT]
    permits = [_permit(agreement, _RECIPIENTS[agreed.access_class], stays, agreed.purposes)] if stays and agreed.purposes else []
    if agreed.permit(Action.EXPORT):
        permits.append(_permit(agreement, _EXPORTERS, [Action.EXPORT], [Purpose.AI_RESEARCH]))
    return permits


def _permit(agreement: Agreement, recipients: str, actions: Iterable[Action], purposes: Iterable[Purpose]) -> dict[str, object]:
    return told(
        type="permit",
        period=_period(agreement),
        actor=[{"role": concept(PARTICIPATION, "IRCP"), "reference": {"display": recipients}}],
        action=[{"coding": [coding(ACTION, str(a)), coding(CONSENT_ACTION, _STANDARD[a])]} for a in actions],
        purpose=[*(coding(PURPOSE, str(p)) for p in sorted(purposes)), coding(ACT_REASON, "HRESCH")],
        data=[{"meaning": "instance", "reference": reference("Endpoint", alias)} for alias in agreement.aliases],
    )


def _period(agreement: Agreement) -> dict[str, object]:
    return told(start=instant(agreement.starts), end=instant(agreement.ends) if agreement.ends else None)
