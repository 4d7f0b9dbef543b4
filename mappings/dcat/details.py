"""What an operator says of a dataset because the index can't give it: a closed list, and the shape of each value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

SEPARATOR = ";"
_EMAIL = r"[^\s@<>\"]{1,64}@[A-Za-z0-9.-]{1,190}"
_URL = r"https?://[^\s<>\"{}|\\^`;]{1,500}"
_VERSION = r"\d+\.\d+(\.\d+)?([-+.][A-Za-z0-9.+-]{1,40})?|\d{8}"
_DPV = r"dpv:[A-Z][A-Za-z]{1,60}"
_TEXT = r"[^\x00-\x1f]{1,2000}"


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing an operator says about a dataset: its key, the property it becomes, and the shape of a value.

    `required`: the profile needs it and nothing else can give it. `many`: several values, separated by semicolons.
    """

    key: str
    property: str
    required: bool
    many: bool
    shape: str
    text: str


DETAILS: dict[str, Detail] = {
    d.key: d
    for d in (
        Detail("title", "dct:title", False, False, _TEXT, "The dataset's title, in English."),
        Detail("description", "dct:description", False, False, _TEXT, "What the dataset is, in English."),
        Detail("version", "dcat:version", True, False, _VERSION, "SemVer or CalVer."),
        Detail(
            "interoperability",
            "eucaim:interoperabilityLevel",
            True,
            False,
            r"SPEC10000(09|1[0-6])|SPEC10000011",
            "SPEC1000009 tier 1, SPEC1000011 tier 2, SPEC1000010 tier 3, or a + level of EUCAIM's ontology.",
        ),
        Detail(
            "health_category",
            "healthdcatap:healthCategory",
            True,
            True,
            r"[A-Z_]{2,40}",
            "Category of electronic health data, Article 51 of Regulation (EU) 2025/327: EHRS for images from health records.",
        ),
        Detail(
            "type",
            "dct:type",
            True,
            True,
            rf"SPEC10000(18|19|20)|{_DPV}",
            "SPEC1000020 original, SPEC1000018 processed, SPEC1000019 annotated; dpv:PseudonymisedData, dpv:AnonymisedData.",
        ),
        Detail(
            "condition",
            "eucaim:hasCondition",
            True,
            False,
            r"CLIN1\d{6}",
            "The cancer: CLIN1000060 breast, CLIN1000057 colon, CLIN1000065 lung, CLIN1000075 prostate, CLIN1000077 rectum …",
        ),
        Detail(
            "collection_method",
            "eucaim:collectionMethod",
            True,
            True,
            r"SPEC100000[3-7]",
            "SPEC1000003 only images, SPEC1000004 by patient, …5 case-control, …6 longitudinal, …7 by disease.",
        ),
        Detail("keyword", "dcat:keyword", True, True, r"[^\x00-\x1f;]{1,100}", "Keywords, in English."),
        Detail("provenance", "dct:provenance", True, False, _TEXT, "How the data was collected and processed, in English."),
        Detail("contact", "dcat:contactPoint", True, False, f"{_EMAIL}|{_URL}", "The provider's e-mail address or contact page."),
        Detail("publisher_url", "foaf:homepage", False, False, _URL, "The provider's home page."),
        Detail(
            "hdab",
            "healthdcatap:hdab",
            False,
            False,
            rf"[^\x00-\x1f<>]{{1,200}} <({_EMAIL}|{_URL})>",
            "The health data access body, `Name <address>`, once one is designated; the profile forbids a placeholder.",
        ),
        Detail("identifier", "dct:identifier", False, False, _URL, "The dataset's URI in EUCAIM's catalogue, once it has one."),
        Detail("access_url", "dcat:accessURL", False, False, _URL, "Where to ask for access: the Negotiator; else our own page."),
        Detail("legislation", "dcatap:applicableLegislation", False, True, _URL, "Legislation beside the EHDS Regulation."),
        Detail("legal_basis", "dpv:hasLegalBasis", False, True, _DPV, "Legal basis, a DPV concept: dpv:Consent."),
        Detail("population", "healthdcatap:populationCoverage", False, False, _TEXT, "Who is represented, in English."),
        Detail("page", "foaf:page", False, True, _URL, "Documentation."),
        Detail("sex", "eucaim:hasBirthSex", False, True, r"COM1\d{6}", "Where the images don't say: COM1001366, COM1001370."),
        Detail("body_part", "eucaim:hasImageBodyPart", False, True, r"BP1\d{6}", "Where the images don't say: BP1000136."),
        Detail(
            "manufacturer",
            "eucaim:hasEquipmentManufacturer",
            False,
            True,
            r"IMG10000[4-6]\d",
            "Where the images don't say: IMG1000044 Siemens, …45 Toshiba, …46 Philips, …47 General Electric, …64 Hologic.",
        ),
    )
}
"""What `accord admin dataset set KEY=VALUE` may say."""


def wrong(key: str, value: str) -> str | None:
    """Why this can't be said of a dataset, or None: an unknown key, or a value without the key's shape."""
    detail = DETAILS.get(key)
    if detail is None:
        return f"{key} is none of: {', '.join(DETAILS)}."
    values = _values(detail, value)
    return None if values and all(re.fullmatch(detail.shape, v) for v in values) else f"{key}: {detail.text}"


def said(details: Mapping[str, str], key: str) -> list[str]:
    """The values of a detail; none when they have another shape, so that nothing unsound reaches the graph."""
    value = details.get(key, "")
    return [] if wrong(key, value) else _values(DETAILS[key], value)


def is_email(contact: str) -> bool:
    """Whether a contact is an e-mail address; else it is a page."""
    return re.fullmatch(_EMAIL, contact) is not None


def _values(detail: Detail, value: str) -> list[str]:
    parts = value.split(SEPARATOR) if detail.many else [value]
    return [part.strip() for part in parts if part.strip()]
