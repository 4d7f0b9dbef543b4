"""Says on the DICOM network what became of a C-STORE, and which encodings of a data set are taken there, in which order.

Statuses are those of PS3.4 Table B.2-1 (A7xx out of resources, A9xx data set does not match SOP class, Cxxx cannot understand)
and PS3.7 Annex C (0110 processing failure, 0111 duplicate SOP instance, 0124 not authorised). The low digits of Cxxx are ours,
one for each rule, so that a sender's log tells them apart; comments are ASCII of at most 64 characters (0000,0902).
"""

from dataclasses import dataclass
from types import MappingProxyType

from consent.deposit import Outcome, short
from mappings.dicom.elements import walk
from mappings.dicom.part10 import DEFLATED, Unreadable, plain
from mappings.dicom.transfer_syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT

SUCCESS, NOT_AUTHORISED, UNRECOGNISED, OUT_OF_RESOURCES = 0x0000, 0x0124, 0x0211, 0xA700
_RETRY = 0xA701


@dataclass(frozen=True, slots=True)
class Status:
    """A C-STORE response: (0000,0900) Status and (0000,0902) Error Comment, the latter empty on success."""

    code: int
    comment: str = ""


_SUCCEEDED = Status(SUCCESS)

# PS3.4 Table B.2-1, PS3.7 §9.1.1.1.9 and Annex C
_REJECTED = MappingProxyType(
    {
        "not-dicom": 0xC000,
        "uid-missing": 0xC001,
        "uid-illegal": 0xC002,
        "structure-broken": 0xC003,
        "person-name": 0xC101,
        "birth-date": 0xC102,
        "address": 0xC103,
        "telephone": 0xC104,
        "other-ids": 0xC105,
        "study-not-yours": NOT_AUTHORISED,
        "blocked": NOT_AUTHORISED,
        "agreement-inactive": NOT_AUTHORISED,
        "agreement-expired": NOT_AUTHORISED,
        "node-not-linked": NOT_AUTHORISED,
        "node-read-only": NOT_AUTHORISED,
        "command-disagrees": 0xA900,
        "other-study": 0xA901,
        "content-conflict": 0x0111,
        "retry-later": _RETRY,
    }
)


def status_for(rule: str, outcome: Outcome) -> Status:
    """The response to an object so judged: what is taken, known or quarantined succeeded. KeyError for an unknown reject."""
    return Status(_REJECTED[rule], short(rule)) if outcome is Outcome.REJECT else _SUCCEEDED


# PS3.5 Annex A. What the acceptor lists first wins: compressed before plain, so that nothing is decompressed on the way, and
# what loses nothing before what may, so that a sender that offers both in one context does not degrade its pictures. Left out:
# JPIP and SMPTE ST 2110, whose pixels lie elsewhere.
_J = "1.2.840.10008.1.2.4."
TRANSFER_SYNTAXES = (
    f"{_J}201",
    f"{_J}202",
    f"{_J}90",
    f"{_J}80",
    f"{_J}70",
    f"{_J}57",
    f"{_J}110",
    f"{_J}92",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.8.1",
    f"{_J}50",
    f"{_J}51",
    f"{_J}111",
    f"{_J}112",
    f"{_J}81",
    f"{_J}91",
    f"{_J}93",
    f"{_J}203",
    f"{_J}100",
    f"{_J}100.1",
    f"{_J}101",
    f"{_J}101.1",
    f"{_J}102",
    f"{_J}102.1",
    f"{_J}103",
    f"{_J}103.1",
    f"{_J}104",
    f"{_J}104.1",
    f"{_J}105",
    f"{_J}105.1",
    f"{_J}106",
    f"{_J}106.1",
    f"{_J}107",
    f"{_J}108",
    *(f"{_J}{retired}" for retired in (58, 65, 66, 52, 53, 54, 55, 56, 59, 60, 61, 62, 63, 64)),
    EXPLICIT,
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
)
LITTLE_ENDIAN = [EXPLICIT, IMPLICIT]
"""Those in which identifiers and commitments are written."""

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018


def agrees(dataset: memoryview, sop_class: str, sop_instance: str, transfer_syntax: str) -> bool:
    """Whether a data set is of the SOP Class and Instance its command names (PS3.7 §9.1.1.1); what it lacks, others judge."""
    try:
        uids = _identity(plain(dataset, transfer_syntax), transfer_syntax)
    except Unreadable:
        return True
    return uids.get(_SOP_CLASS, sop_class) == sop_class and uids.get(_SOP_INSTANCE, sop_instance) == sop_instance


def _identity(dataset: memoryview, transfer_syntax: str) -> dict[int, str]:
    uids: dict[int, str] = {}
    for tag, vr, start, stop, _, scope in walk(dataset, transfer_syntax):
        if scope.path or not vr or vr == "SQ":
            continue
        if tag > _SOP_INSTANCE:
            break
        if tag in {_SOP_CLASS, _SOP_INSTANCE} and stop > start:
            uids[tag] = bytes(dataset[start : min(stop, start + 65)]).strip(b"\0 ").decode("ascii", "replace")
    return uids
