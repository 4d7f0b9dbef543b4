"""Body Part Examined (0018,0015) as SNOMED CT (PS3.16 Annex L, table L-1): the parts cancer imaging meets."""

import re
from types import MappingProxyType

from mappings.fhir.systems import BODY_PART, SNOMED, coding

_CODE = re.compile(r"\S+( \S+)*")
BODY_PARTS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "ABDOMEN": ("818981001", "Abdomen"),
        "ABDOMENPELVIS": ("818982008", "Abdomen and Pelvis"),
        "ADRENAL": ("23451007", "Adrenal gland"),
        "ANKLE": ("70258002", "Ankle joint"),
        "AORTA": ("15825003", "Aorta"),
        "BLADDER": ("89837001", "Bladder"),
        "BRAIN": ("12738006", "Brain"),
        "BREAST": ("76752008", "Breast"),
        "CERVIX": ("71252005", "Cervix"),
        "CHEST": ("816094009", "Chest"),
        "CHESTABDOMEN": ("416550000", "Chest and Abdomen"),
        "CHESTABDPELVIS": ("416775004", "Chest, Abdomen and Pelvis"),
        "COLON": ("71854001", "Colon"),
        "CSPINE": ("122494005", "Cervical spine"),
        "ELBOW": ("16953009", "Elbow joint"),
        "ESOPHAGUS": ("32849002", "Esophagus"),
        "EXTREMITY": ("66019005", "Extremity"),
        "FOOT": ("56459004", "Foot"),
        "HAND": ("85562004", "Hand"),
        "HEAD": ("69536005", "Head"),
        "HEADNECK": ("774007", "Head and Neck"),
        "HEART": ("80891009", "Heart"),
        "HIP": ("24136001", "Hip joint"),
        "KIDNEY": ("64033007", "Kidney"),
        "KNEE": ("72696002", "Knee"),
        "LIVER": ("10200004", "Liver"),
        "LSPINE": ("122496007", "Lumbar spine"),
        "LUNG": ("39607008", "Lung"),
        "NECK": ("45048000", "Neck"),
        "OVARY": ("15497006", "Ovary"),
        "PANCREAS": ("15776009", "Pancreas"),
        "PELVIS": ("816092008", "Pelvis"),
        "PROSTATE": ("41216001", "Prostate"),
        "RECTUM": ("34402009", "Rectum"),
        "SHOULDER": ("16982005", "Shoulder"),
        "SKULL": ("89546000", "Skull"),
        "SPLEEN": ("78961009", "Spleen"),
        "STOMACH": ("69695003", "Stomach"),
        "TESTIS": ("40689003", "Testis"),
        "TSPINE": ("122495006", "Thoracic spine"),
        "UTERUS": ("35039007", "Uterus"),
    }
)


def body_site(text: str) -> dict[str, object]:
    """A Coding: SNOMED CT where table L-1 has the part, else the object's own word in Accord's system.

    Words that are no code (R4 2.24.0.1: one blank between them) are said, and not coded.
    """
    if code := BODY_PARTS.get(text):
        return coding(SNOMED, *code)
    return coding(BODY_PART, text) if _CODE.fullmatch(text) else {"display": text}


def parts_coded(code: str) -> tuple[str, ...]:
    """The words of Body Part Examined that a SNOMED CT code stands for."""
    return tuple(text for text, (sct, _) in BODY_PARTS.items() if sct == code)
