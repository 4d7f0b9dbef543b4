"""Chooses the representation that a DICOMweb caller gets (PS3.18 §8.7).

The caller passes either the Accept header or, where the request has one, the text of the `accept` query parameter (§8.3.3.1).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from mappings.negotiation import Fit, MediaType, by_name, choose, covers

DICOM, DICOM_JSON, JSON, JPEG, PNG = "application/dicom", "application/dicom+json", "application/json", "image/jpeg", "image/png"
RELATED, DICOM_XML, ZIP = "multipart/related", "application/dicom+xml", "application/zip"


@dataclass(frozen=True, slots=True)
class Choice:
    """A representation: its media type, whether it comes as multipart/related, and its one transfer syntax (None: several)."""

    media_type: str
    multipart: bool
    transfer_syntax: str | None


def choose_retrieve(accept: str, stored: Collection[str], *, archived: bool = False) -> Choice:
    """How instances are sent, each stored in its syntax (PS3.18 §10.4): multipart/related by default; one alone if preferred.

    A study or a series may be `archived`: it comes as application/zip to who prefers that.
    Only the stored syntaxes are served, also to a caller who names none (whom §8.7.3.5.2 promises Explicit VR Little Endian: the
    part says its syntax). Raises NotAcceptable when every range that fits names only other syntaxes, or none fits.
    """
    syntaxes = sorted(set(stored))
    offers = {RELATED: partial(_in_syntaxes, syntaxes, _covers_related)}
    if len(stored) == 1:
        offers[DICOM] = partial(_in_syntaxes, syntaxes, partial(covers, DICOM))
    if archived:
        offers[ZIP] = partial(_in_syntaxes, syntaxes, partial(covers, ZIP))
    sentence = (
        f'Instances are sent as multipart/related; type="{DICOM}", one also as {DICOM}, in the transfer syntax they are '
        f"stored in ({', '.join(syntaxes) or 'none is there'}): ask for transfer-syntax=*."
    )
    chosen = choose(accept, offers, sentence)
    return Choice(ZIP if chosen == ZIP else DICOM, chosen == RELATED, syntaxes[0] if len(syntaxes) == 1 else None)


def choose_json(accept: str) -> str:
    """The media type of JSON answers (PS3.18 §8.7.3.2): application/dicom+json by default. Raises NotAcceptable."""
    return choose(accept, by_name(DICOM_JSON, JSON), f"This is sent as {DICOM_JSON} or {JSON}.")


def choose_stored(accept: str) -> str:
    """The media type of what is said of stored instances (PS3.18 §10.5.3): application/dicom+json by default."""
    return choose(accept, by_name(DICOM_JSON, JSON, DICOM_XML), f"This is sent as {DICOM_JSON}, {JSON} or {DICOM_XML}.")


def choose_rendered(accept: str) -> str:
    """The media type of a rendered frame (PS3.18 §8.7.3.3): image/jpeg by default, or image/png. Raises NotAcceptable."""
    return choose(accept, by_name(JPEG, PNG), f"A rendered frame is sent as {JPEG} or {PNG}.")


def _in_syntaxes(stored: Sequence[str], fit: Fit, media: MediaType) -> int:
    """The fit of a range that accepts all these transfer syntaxes; else 0."""
    asked = media.all("transfer-syntax")
    return fit(media) if not asked or "*" in asked or set(stored) <= set(asked) else 0


def _covers_related(media: MediaType) -> int:
    fit, root = covers(RELATED, media), media.get("type")
    if media.name != RELATED or root is None:
        return fit
    part = covers(DICOM, MediaType(root.strip().lower()))
    return fit + part if part else 0
