"""DICOM's words for what images show as EUCAIM's hyper-ontology codes them, each with its label."""

import re
from collections.abc import Iterable

from consent.conditions import Action, Purpose
from mappings.vocabulary import BODY_PARTS, MANUFACTURERS, MODALITIES, OTHER_MODALITY, SEXES, Meaning, coded, makers

Coded = tuple[str, str]  # code, label

LABELS = {
    "SPEC1000009": "Tier 1",
    "SPEC1000010": "Tier 3",
    "SPEC1000011": "Tier 2",
    "SPEC1000012": "Tier 1A+",
    "SPEC10000011": "Tier 1C+",
    "SPEC1000013": "Tier 2C+",
    "SPEC1000014": "Tier 2A+",
    "SPEC1000015": "Tier 3C+",
    "SPEC1000016": "Tier 3A+",
    "SPEC1000018": "Processed",
    "SPEC1000019": "Annotated",
    "SPEC1000020": "Original",
    "SPEC1000003": "Only-image",
    "SPEC1000004": "Patient-based",
    "SPEC1000005": "Case-control",
    "SPEC1000006": "Longitudinal",
    "SPEC1000007": "Disease-specific",
    "CLIN1000054": "Cancer of colon and/or rectum",
    "CLIN1000057": "Cancer of colon",
    "CLIN1000060": "Cancer of breast",
    "CLIN1000065": "Cancer of lung",
    "CLIN1000075": "Cancer of prostate",
    "CLIN1000077": "Cancer of rectum",
    "CLIN1000087": "Cancer of pelvis",
    "CLIN1007989": "Secondary malignancy",
    "CLIN1053270": "Colorectal cancer",
    "HEAL": "Health",
    "CANCER_DISEASE": "Cancer disease",
    "EHRS": "Electronic health records",
    "RESTRICTED": "Restricted",
    "ENG": "English",
    "DICOM": "DICOM",
}
"""Code of EUCAIM's hyper-ontology, or of an authority table of the EU → its label."""


def label_of(code: str) -> str:
    """The label of a code; of one that nobody here has a word for, the code, in words where it is some (`dpv:SensitiveData`)."""
    told = LABELS.get(code) or _LISTED.get(code)
    return told or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code.removeprefix("dpv:"))


ACCESS = {
    Action.EXPORT: ("DOWNLOAD", "Download access"),
    Action.PROCESS: ("IN_SITU_PROCESSING", "In-situ processing"),
}
"""What the provider agreed to → EUCAIM's access conditions (vocabulary of 2026-08-07).

Processing is in situ: a client inside the node's network is given the pixels. REMOTE_PROCESSING means that work is handed in and
its user never touches the data, which nothing here offers; so an agreement to neither action has no access condition to state.
"""

PURPOSES = {
    Purpose.AI_RESEARCH: "Research with artificial intelligence",
    Purpose.AI_TRAINING: "Training of artificial intelligence",
    Purpose.FEDERATED_LEARNING: "Federated learning",
}
"""What data is shared for → its label."""


_LISTED = {m.code: m.label for m in (*SEXES, *MODALITIES, OTHER_MODALITY, *BODY_PARTS, *MANUFACTURERS)}


def sex_codes(sexes: Iterable[str]) -> list[Coded]:
    """The codes of these words of Patient's Sex."""
    return _codes(coded(SEXES, sexes))


def modality_codes(modalities: Iterable[str]) -> list[Coded]:
    """The codes of these modalities; another one is some other modality."""
    said = set(modalities)
    found = coded(MODALITIES, said)
    others = said.difference(*(m.words for m in found))
    return _codes([*found, *([OTHER_MODALITY] if others else [])])


def body_part_codes(parts: Iterable[str]) -> list[Coded]:
    """The codes of these words of Body Part Examined."""
    return _codes(coded(BODY_PARTS, parts))


def manufacturer_codes(manufacturers: Iterable[str]) -> list[Coded]:
    """The codes of those makers whose word stands in one of these texts, folded."""
    return _codes(makers(manufacturers))


def _codes(meanings: Iterable[Meaning]) -> list[Coded]:
    return [(m.code, m.label) for m in meanings]
