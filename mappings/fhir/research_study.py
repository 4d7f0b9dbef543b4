"""A dataset as a FHIR R4 ResearchStudy: what is shared, by whom, under which terms and how that stands."""

from consent.dataset import SharedDataset, Sharing
from mappings.dcat.details import is_email, said
from mappings.fhir.serial import document, instant, told
from mappings.fhir.systems import EUCAIM, coding, fhir_id, reference

STATUS = {
    Sharing.IN_REVIEW: "in-review",
    Sharing.AGREED: "approved",
    Sharing.OPEN: "active",
    Sharing.STOPPED: "temporarily-closed-to-accrual-and-intervention",
    Sharing.ENDED: "administratively-completed",
}
"""How the sharing stands → ResearchStudy.status (research-study-status)."""


def research_study(dataset: SharedDataset, base: str) -> bytes:
    """The ResearchStudy's JSON; `base` is the server's public address. Only who may query it is pointed to its patients."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(dataset.updated)},
        "identifier": [{"system": f"{base}/datasets", "value": dataset.alias}],
        "title": dataset.title,
        "status": STATUS[dataset.sharing],
        "condition": [{"coding": [coding(EUCAIM, code)]} for code in said(dataset.details, "condition")],
        "contact": [{"telecom": [_telecom(contact)]} for contact in said(dataset.details, "contact")],
        "relatedArtifact": _artifacts(dataset, base),
        "keyword": [{"text": keyword} for keyword in said(dataset.details, "keyword")],
        "description": dataset.description.strip(),
        "enrollment": [reference("Group", dataset.alias)] if dataset.is_queried else [],
        "sponsor": reference("Organization", dataset.provider),
    }
    return document("ResearchStudy", fhir_id(dataset.alias), body)


def _telecom(contact: str) -> dict[str, object]:
    return told(system="email" if is_email(contact) else "url", value=contact)


def _artifacts(dataset: SharedDataset, base: str) -> list[dict[str, object]]:
    """The terms, the page in our catalogue where there is one, and the provider's own pages."""
    pages = [("Terms of use", f"{base}/terms/{dataset.terms}")]
    pages += [("Catalogue", f"{base}/catalogue/datasets/{dataset.alias}")] if dataset.is_described else []
    pages += [("Documentation", page) for page in said(dataset.details, "page")]
    return [{"type": "documentation", "label": label, "url": url} for label, url in pages]
