"""Modality (0008,0060) as a Coding: a term of DICOM's where PS3.16 CID 29 or 33 has it, else the object's own word."""

from mappings.fhir.systems import DCM, MODALITY, coding

_TERMS = (
    "AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN "
    "LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTPLAN "
    "RTRECORD RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XC"
)
TERMS = frozenset(_TERMS.split())
"""The terms of both context groups, acquisition modalities and others."""


def modality(word: str) -> dict[str, object]:
    """A Coding: DICOM's own term, else a code of Accord's system for what an object says."""
    return coding(DCM if word in TERMS else MODALITY, word)
