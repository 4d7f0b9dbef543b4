"""Chooses the representation that a DICOMweb caller gets (PS3.18 §8.7).

The caller passes either the Accept header or, where the request has one, the text of the `accept` query parameter (§8.3.3.1).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

from mappings.dicom.transfer_syntax import EXPLICIT, LOSSLESS, PLAIN
from mappings.negotiation import Fit, MediaType, by_name, choose, covers

DICOM, DICOM_JSON, JSON, JPEG, PNG = "application/dicom", "application/dicom+json", "application/json", "image/jpeg", "image/png"
RELATED, DICOM_XML, ZIP = "multipart/related", "application/dicom+xml", "application/zip"
_KEPT = 256
"""Choices that are kept: a client accepts the same each time, and one that is told of everything costs 0.1 ms to read."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A representation: its media type, whether it comes as multipart/related, and each stored transfer syntax → the one sent."""

    media_type: str
    multipart: bool
    syntaxes: Mapping[str, str]

    @property
    def is_stored(self) -> bool:
        """Whether all of it is sent as it is stored."""
        return all(stored == sent for stored, sent in self.syntaxes.items())


def choose_retrieve(accept: str, stored: Collection[str], *, archived: bool = False) -> Choice:
    """How instances are sent, each stored in its syntax (PS3.18 §10.4): multipart/related by default; one alone if preferred.

    A study or a series may be `archived`: it comes as application/zip, as it is stored, to who prefers that.
    Who names no transfer syntax is promised Explicit VR Little Endian (§8.7.3.5.2), and gets it of all that is not compressed;
    what is compressed goes as it is stored, and decoded to who names that syntax, where that loses nothing.
    Raises NotAcceptable when every range that fits names only other syntaxes, or none fits.
    """
    return _chosen(accept if accept.strip() else "*/*", tuple(sorted(set(stored))), len(stored) == 1, archived)


@lru_cache(_KEPT)
def _chosen(accept: str, stored: tuple[str, ...], alone: bool, archived: bool) -> Choice:
    ways = as_stored, unnamed, _ = _ways(stored)
    forms: list[tuple[str, Fit]] = [(RELATED, _covers_related)]
    if alone:
        forms.append((DICOM, partial(covers, DICOM)))
    offers: dict[str, Fit] = {}
    choices: dict[str, Choice] = {}
    for (name, fit), (number, way) in product(forms, enumerate(ways)):
        offers[f"{name} {number}"] = partial(_in_syntaxes, way, way == unnamed, fit)
        choices[f"{name} {number}"] = Choice(DICOM, name == RELATED, way)
    if archived:
        offers[ZIP], choices[ZIP] = partial(_in_syntaxes, as_stored, True, partial(covers, ZIP)), Choice(ZIP, False, as_stored)
    sentence = (
        f'Instances are sent as multipart/related; type="{DICOM}", one also as {DICOM}, in the transfer syntax they are stored '
        f"in ({', '.join(as_stored) or 'none is there'}), or in {EXPLICIT} where that loses nothing: ask for transfer-syntax=*."
    )
    return choices[choose(accept, offers, sentence)]


def _ways(stored: Sequence[str]) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    """Each transfer syntax → the one it is sent in: all as stored; for who names none; and all that can be in Explicit VR LE."""
    plain = {syntax: EXPLICIT if syntax in PLAIN else syntax for syntax in stored}
    return {syntax: syntax for syntax in stored}, plain, {s: EXPLICIT if s in LOSSLESS else sent for s, sent in plain.items()}


@lru_cache(_KEPT)
def choose_json(accept: str) -> str:
    """The media type of JSON answers (PS3.18 §8.7.3.2): application/dicom+json by default. Raises NotAcceptable."""
    return choose(accept, by_name(DICOM_JSON, JSON), f"This is sent as {DICOM_JSON} or {JSON}.")


@lru_cache(_KEPT)
def choose_stored(accept: str) -> str:
    """The media type of what is said of stored instances (PS3.18 §10.5.3): application/dicom+json by default."""
    return choose(accept, by_name(DICOM_JSON, JSON, DICOM_XML), f"This is sent as {DICOM_JSON}, {JSON} or {DICOM_XML}.")


@lru_cache(_KEPT)
def choose_rendered(accept: str) -> str:
    """The media type of a rendered frame (PS3.18 §8.7.3.3): image/jpeg by default, or image/png. Raises NotAcceptable."""
    return choose(accept, by_name(JPEG, PNG), f"A rendered frame is sent as {JPEG} or {PNG}.")


def _in_syntaxes(way: Mapping[str, str], unnamed: bool, fit: Fit, media: MediaType) -> int:
    """The fit of a range that accepts what is sent this way; else 0. What is stored is meant by *, and `unnamed` by no syntax."""
    asked = media.all("transfer-syntax")
    is_meant = set(way.values()) <= set(asked) or ("*" in asked and all(stored == sent for stored, sent in way.items()))
    return fit(media) if is_meant or (unnamed and not asked) else 0


def _covers_related(media: MediaType) -> int:
    fit, root = covers(RELATED, media), media.get("type")
    if media.name != RELATED or root is None:
        return fit
    part = covers(DICOM, MediaType(root.strip().lower()))
    return fit + part if part else 0
