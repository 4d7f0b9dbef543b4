"""DICOM's words for what images show as EUCAIM's hyper-ontology codes them, each with its label."""

import re
from collections.abc import Iterable

from consent.conditions import Action, Purpose

Coded = tuple[str, str]  # code, label

SEXES = {"M": ("COM1001366", "Male"), "F": ("COM1001370", "Female"), "O": ("COM1001288", "Other")}
"""Patient's Sex (PS3.3 C.7.1.1) → hyper-ontology, sex assigned at birth."""

MODALITIES = {
    "CR": ("IMG1000024", "Computed radiography"),
    "CT": ("IMG1000042", "Computed tomography"),
    "DX": ("IMG1000028", "Digital Radiography"),
    "GM": ("IMG1004457", "Microscopy"),
    "MG": ("IMG1004455", "Mammography"),
    "MR": ("IMG1000038", "Magnetic resonance imaging"),
    "NM": ("IMG1000071", "Nuclear medicine imaging"),
    "PT": ("IMG1000062", "Positron emission tomography"),
    "RF": ("IMG1000041", "Fluoroscopy"),
    "SEG": ("IMG1000075", "SEG"),
    "SM": ("IMG1004456", "Slide Microscopy"),
    "US": ("IMG1000035", "Ultrasound"),
}
"""Modality (PS3.3 C.7.3.1.1.1) → hyper-ontology, imaging modality (not the procedure of the same name)."""
OTHER_MODALITY = ("IMG1000074", "Other modality (DICOM)")

BODY_PARTS = {
    "ABDOMEN": ("BP1000173", "Abdomen"),
    "ADRENAL": ("BP1000084", "Adrenal gland"),
    "BLADDER": ("BP1000301", "Bladder"),
    "BRAIN": ("BP1000051", "Brain"),
    "BREAST": ("BP1000136", "Breast"),
    "CHEST": ("BP1000067", "Chest"),
    "COLON": ("BP1000257", "Colon"),
    "ESOPHAGUS": ("BP1000303", "Esophagus"),
    "GALLBLADDER": ("BP1000142", "Gallbladder"),
    "HEAD": ("BP1000120", "Head"),
    "HEADNECK": ("BP1000008", "Head and neck"),
    "HEART": ("BP1000075", "Heart"),
    "KIDNEY": ("BP1000298", "Kidney"),
    "KNEE": ("BP1000112", "Knee"),
    "LIVER": ("BP1000105", "Liver structure"),
    "LSPINE": ("BP1000064", "Lumbar spine"),
    "LUNG": ("BP1000113", "Lung structure"),
    "MEDIASTINUM": ("BP1000107", "Mediastinum"),
    "OVARY": ("BP1000340", "Ovary"),
    "PANCREAS": ("BP1000209", "Pancreas"),
    "PELVIS": ("BP1000092", "Pelvis"),
    "PROSTATE": ("BP1000021", "Prostate"),
    "SHOULDER": ("BP1000042", "Shoulder"),
    "SPINE": ("BP1000077", "Spine"),
    "STOMACH": ("BP1000302", "Stomach"),
    "THYROID": ("BP1000286", "Thyroid"),
    "UTERUS": ("BP1000085", "Uterus"),
}
"""Body Part Examined (PS3.16 table L-1) → hyper-ontology, body structure. Other words in that element are left out."""

MANUFACTURERS = {
    "siemens": ("IMG1000044", "Siemens"),
    "toshiba": ("IMG1000045", "Toshiba"),
    "philips": ("IMG1000046", "Philips"),
    "ge": ("IMG1000047", "General Electric"),
    "general electric": ("IMG1000047", "General Electric"),
    "esaote": ("IMG1000049", "Esaote"),
    "canon": ("IMG1000050", "Canon"),
    "agfa": ("IMG1000051", "Agfa"),
    "adac": ("IMG1000052", "ADAC"),
    "marconi": ("IMG1000053", "Marconi"),
    "shimadzu": ("IMG1000054", "Shimadzu"),
    "elscint": ("IMG1000055", "Elscint"),
    "mediso": ("IMG1000056", "Mediso"),
    "hitachi": ("IMG1000057", "Hitachi"),
    "picker": ("IMG1000059", "Picker International"),
    "fujifilm": ("IMG1000060", "Fujifilm"),
    "uih": ("IMG1000063", "UIH"),
    "united imaging": ("IMG1000063", "UIH"),
    "hologic": ("IMG1000064", "Hologic"),
}
"""Words in Manufacturer (0008,0070), folded → hyper-ontology, manufacturer."""

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


_LISTED = dict((*SEXES.values(), *MODALITIES.values(), OTHER_MODALITY, *BODY_PARTS.values(), *MANUFACTURERS.values()))


def sex_codes(sexes: Iterable[str]) -> list[Coded]:
    """The codes of these words of Patient's Sex."""
    return [SEXES[sex] for sex in sexes if sex in SEXES]


def modality_codes(modalities: Iterable[str]) -> list[Coded]:
    """The codes of these modalities; another one is some other modality."""
    return [MODALITIES.get(modality, OTHER_MODALITY) for modality in modalities]


def body_part_codes(parts: Iterable[str]) -> list[Coded]:
    """The codes of these words of Body Part Examined."""
    return [BODY_PARTS[part] for part in parts if part in BODY_PARTS]


def manufacturer_codes(manufacturers: Iterable[str]) -> list[Coded]:
    """The codes of those makers whose word stands in one of these texts, folded."""
    makers = [f" {re.sub(r'[^a-z0-9]+', ' ', maker)} " for maker in manufacturers]
    return [coded for word, coded in MANUFACTURERS.items() if any(f" {word} " in maker for maker in makers)]
