"""Modality (0008,0060) as a Coding: a term of DICOM's where PS3.16 CID 29 or 33 has it, else the object's own word."""

from mappings.fhir.systems import DCM, MODALITY, coding

_ACQUIRED = (
    "AR BDUS BI BMD CFM CR CT DG DMS DX ECG EEG EMG EOG EPS ES GM HD IO IVOCT IVUS KER LEN LS MG MR NM OAM OCT OP OPM OPT OPTBSV "
    "OPTENF OPV OSS PA POS PT PX RESP RF RG RTIMAGE SM SRF TG US VA XA XC"
)
_OTHERS = (
    "ASMT AU CTPROTOCOL DOC FID HC IOL KO M3D OT PLAN PR REG RTDOSE RTPLAN RTRECORD RTSTRUCT RWV SEG SMR SR STAIN TEXTUREMAP"
)
ACQUISITION = frozenset(_ACQUIRED.split())
"""What makes images of a patient (CID 29): no segmentation, report or plan of them."""
TERMS = ACQUISITION | frozenset(_OTHERS.split())
"""The terms of both context groups."""

OTHER_WORDS = {
    "ANN": "Annotation",
    "AS": "Angioscopy",
    "CD": "Color flow Doppler",
    "CF": "Cinefluorography",
    "CP": "Culposcopy",
    "CS": "Cystoscopy",
    "DD": "Duplex Doppler",
    "DF": "Digital fluoroscopy",
    "DM": "Digital microscopy",
    "DS": "Digital subtraction angiography",
    "EC": "Echocardiography",
    "FA": "Fluorescein angiography",
    "FS": "Fundoscopy",
    "LP": "Laparoscopy",
    "MA": "Magnetic resonance angiography",
    "MS": "Magnetic resonance spectroscopy",
    "OPR": "Ophthalmic refraction",
    "ST": "Single-photon emission computed tomography",
    "VF": "Videofluorography",
}
"""Defined terms of PS3.3 C.7.3.1.1.1 that neither context group has; all but the first are retired."""


def modality(word: str) -> dict[str, object]:
    """A Coding: DICOM's own term, else a code of Accord's system for what an object says."""
    return coding(DCM if word in TERMS else MODALITY, word)
