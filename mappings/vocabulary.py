"""What images show, in the words of objects, and as EUCAIM codes it twice: in its hyper-ontology and in its explorer's catalogue.

A row is one meaning. What objects say for it in free text (other languages, other spellings) stands in its row, so that it is
described, searched and mapped alike; what stands in no row is left out of descriptions, and told to its provider.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mappings.fhir.body_parts import BODY_PARTS as DEFINED_TERMS


@dataclass(frozen=True, slots=True)
class Meaning:
    """How objects say it (first as DICOM has it), its code and label in the hyper-ontology, and the explorer's codes."""

    words: tuple[str, ...]
    code: str
    label: str
    asked: tuple[str, ...] = ()


SEXES = (
    Meaning(("M",), "COM1001366", "Male", ("SNOMEDCT248153007",)),
    Meaning(("F",), "COM1001370", "Female", ("SNOMEDCT248152002",)),
    Meaning(("O",), "COM1001288", "Other", ("SNOMEDCT74964007",)),
)
"""Patient's Sex (0010,0040), PS3.3 C.7.1.1; hyper-ontology: sex assigned at birth; explorer: SNOMED CT."""

MODALITIES = (
    Meaning(("CR",), "IMG1000024", "Computed radiography"),
    Meaning(("CT",), "IMG1000042", "Computed tomography", ("RID10321",)),
    Meaning(("DX",), "IMG1000028", "Digital Radiography"),
    Meaning(("GM",), "IMG1004457", "Microscopy"),
    Meaning(("MG",), "IMG1004455", "Mammography"),
    Meaning(("MR",), "IMG1000038", "Magnetic resonance imaging", ("RID10312",)),
    Meaning(("NM",), "IMG1000071", "Nuclear medicine imaging", ("RID10334",)),
    Meaning(("PT",), "IMG1000062", "Positron emission tomography", ("RID10337",)),
    Meaning(("RF",), "IMG1000041", "Fluoroscopy"),
    Meaning(("SEG",), "IMG1000075", "SEG"),
    Meaning(("SM",), "IMG1004456", "Slide Microscopy"),
    Meaning(("US",), "IMG1000035", "Ultrasound"),
)
"""Modality (0008,0060), PS3.3 C.7.3.1.1.1; hyper-ontology: imaging modality (no procedure of the same name); explorer: RadLex.

PET is PT; SPECT (ST) is retired there and is NM.
"""
OTHER_MODALITY = Meaning((), "IMG1000074", "Other modality (DICOM)")

BODY_PARTS = (
    Meaning(("ABDOMEN", "ABDOMINAL"), "BP1000173", "Abdomen", ("SNOMEDCT818981001",)),
    Meaning(("ADRENAL", "ADRENAL GLAND"), "BP1000084", "Adrenal gland"),
    Meaning(("BLADDER", "HARNBLASE", "URINARY BLADDER", "VEJIGA", "VESSIE"), "BP1000301", "Bladder"),
    Meaning(("BRAIN", "CEREBRO", "CERVEAU", "CERVELLO", "GEHIRN"), "BP1000051", "Brain"),
    Meaning(("BREAST", "BREASTS", "BRUST", "MAMA", "MAMMA", "MAMMELLA", "SEIN"), "BP1000136", "Breast", ("SNOMEDCT76752008",)),
    Meaning(("CHEST", "THORAX", "TORACE", "TORAX"), "BP1000067", "Chest"),
    Meaning(("COLON", "KOLON"), "BP1000257", "Colon", ("SNOMEDCT71854001",)),
    Meaning(("ESOPHAGUS", "OESOPHAGUS"), "BP1000303", "Esophagus"),
    Meaning(("GALLBLADDER", "GALL BLADDER"), "BP1000142", "Gallbladder"),
    Meaning(("HEAD", "CABEZA", "KOPF", "TESTA", "TETE"), "BP1000120", "Head", ("SNOMEDCT69536005",)),
    Meaning(("HEADNECK", "HEAD AND NECK", "HEAD NECK", "HEAD_NECK"), "BP1000008", "Head and neck"),
    Meaning(("HEART", "COEUR", "CORAZON", "CUORE", "HERZ"), "BP1000075", "Heart"),
    Meaning(("KIDNEY", "KIDNEYS", "NIERE"), "BP1000298", "Kidney"),
    Meaning(("KNEE", "GINOCCHIO", "KNIE", "RODILLA"), "BP1000112", "Knee"),
    Meaning(("LIVER", "FEGATO", "FOIE", "HIGADO", "LEBER"), "BP1000105", "Liver structure"),
    Meaning(("LSPINE", "LUMBAR SPINE"), "BP1000064", "Lumbar spine"),
    Meaning(("LUNG", "LUNGE", "LUNGS", "POLMONE", "POUMON", "PULMON"), "BP1000113", "Lung structure", ("SNOMEDCT39607008",)),
    Meaning(("MEDIASTINUM",), "BP1000107", "Mediastinum"),
    Meaning(("OVARY",), "BP1000340", "Ovary"),
    Meaning(("PANCREAS", "PANKREAS"), "BP1000209", "Pancreas"),
    Meaning(("PELVIS", "BASSIN", "BECKEN"), "BP1000092", "Pelvis", ("SNOMEDCT12921003", "SNOMEDCT816092008")),
    Meaning(("PROSTATE", "PROSTATA"), "BP1000021", "Prostate", ("SNOMEDCT41216001",)),
    Meaning(("SHOULDER",), "BP1000042", "Shoulder"),
    Meaning(("SPINE",), "BP1000077", "Spine"),
    Meaning(("STOMACH", "ESTOMAC", "ESTOMAGO", "MAGEN", "STOMACO"), "BP1000302", "Stomach"),
    Meaning(("THYROID", "THYROID GLAND"), "BP1000286", "Thyroid"),
    Meaning(("UTERUS", "UTERO"), "BP1000085", "Uterus"),
)
"""Body Part Examined (0018,0015), the terms of PS3.16 table L-1 and what means the same, nothing wider: a chest is no lung.

Hyper-ontology: body structure; explorer: SNOMED CT.
"""

MANUFACTURERS = (
    Meaning(("siemens",), "IMG1000044", "Siemens", ("C200140", "birnlex_3066")),
    Meaning(("toshiba",), "IMG1000045", "Toshiba", ("birnlex_3067",)),
    Meaning(("philips",), "IMG1000046", "Philips", ("birnlex_3065",)),
    Meaning(("ge", "general electric"), "IMG1000047", "General Electric", ("birnlex_12833",)),
    Meaning(("esaote",), "IMG1000049", "Esaote"),
    Meaning(("canon",), "IMG1000050", "Canon"),
    Meaning(("agfa",), "IMG1000051", "Agfa"),
    Meaning(("adac",), "IMG1000052", "ADAC"),
    Meaning(("marconi",), "IMG1000053", "Marconi"),
    Meaning(("shimadzu",), "IMG1000054", "Shimadzu"),
    Meaning(("elscint",), "IMG1000055", "Elscint"),
    Meaning(("mediso",), "IMG1000056", "Mediso"),
    Meaning(("hitachi",), "IMG1000057", "Hitachi"),
    Meaning(("picker",), "IMG1000059", "Picker International"),
    Meaning(("fujifilm",), "IMG1000060", "Fujifilm"),
    Meaning(("uih", "united imaging"), "IMG1000063", "UIH"),
    Meaning(("hologic",), "IMG1000064", "Hologic"),
)
"""Manufacturer (0008,0070), folded: words that stand in it; hyper-ontology: manufacturer; explorer: NCI Thesaurus and birnlex.

Files don't tell Siemens' two companies apart.
"""
_SHORT = 3


def coded(table: Iterable[Meaning], words: Iterable[str]) -> list[Meaning]:
    """The meanings of these words of objects, in the table's order; words of no row are left out."""
    said = set(words)
    return [meaning for meaning in table if not said.isdisjoint(meaning.words)]


def first_word(table: Iterable[Meaning], word: str) -> str:
    """A word as DICOM has it; itself where it is of no row."""
    return next((meaning.words[0] for meaning in table if word in meaning.words), word)


def uncoded(body_part: str, manufacturer: str) -> Iterator[str]:
    """The attributes whose words have no code here; a defined term of DICOM's for a body part is no word of the provider's own.

    `manufacturer` is folded.
    """
    if body_part and body_part not in DEFINED_TERMS and not coded(BODY_PARTS, [body_part]):
        yield "(0018,0015)"
    if manufacturer and not makers([manufacturer]):
        yield "(0008,0070)"


def makers(texts: Iterable[str]) -> list[Meaning]:
    """The manufacturers whose word stands in one of these texts, folded; as `patterns` finds them."""
    said = list(texts)
    return [meaning for meaning in MANUFACTURERS if any(_stands(word, text) for word in meaning.words for text in said)]


def patterns(meaning: Meaning) -> tuple[str, ...]:
    """What finds a manufacturer's word in a text (`*`: anything): anywhere; a short one as the first word, for others hold it."""
    return tuple(each for word in meaning.words for each in ((word, f"{word} *") if len(word) <= _SHORT else (f"*{word}*",)))


def _stands(word: str, text: str) -> bool:
    return text == word or text.startswith(f"{word} ") if len(word) <= _SHORT else word in text
