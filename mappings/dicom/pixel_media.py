"""The media types of frames and other bulk data, and which of them a caller gets (PS3.18 §8.7.3, Tables 8.7.3-2 to 8.7.3-5).

What is stored is sent as it is stored. Uncompressed bytes are octets in Explicit VR Little Endian, of which those of the implicit
syntax differ in nothing; compressed ones are a media type of their own, and octets to who asks for any or for their syntax. Who
takes uncompressed octets alone has frames decoded that were compressed without loss.
"""

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from mappings.dicom.accept import RELATED
from mappings.dicom.frame_spans import NATIVE
from mappings.dicom.part10 import is_deflated
from mappings.dicom.transfer_syntax import EXPLICIT, LOSSLESS
from mappings.negotiation import Fit, MediaType, choose, covers

OCTETS = "application/octet-stream"
_JPEGS = MappingProxyType(
    {
        "image/jpeg": (50, 51, 53, 55, 57, 70),
        "image/jls": (80, 81),
        "image/jp2": (90, 91),
        "image/jpx": (92, 93),
        "video/mpeg2": (100, 101),
        "video/mp4": (102, 103, 104, 105, 106),
        "video/H265": (107, 108),
        "image/jphc": (201, 202, 203),
    }
)
_MEDIA = MappingProxyType(
    {f"1.2.840.10008.1.2.4.{number}": (name,) for name, numbers in _JPEGS.items() for number in numbers}
    | {"1.2.840.10008.1.2.5": ("image/dicom-rle", "image/x-dicom-rle")}  # wsidicom asks by the name that it had before
)


@dataclass(frozen=True, slots=True)
class PixelForm:
    """How they are sent: the media type of each part, its transfer syntax, and whether in multipart/related."""

    media_type: str
    transfer_syntax: str
    multipart: bool

    @property
    def content_type(self) -> str:
        """Of a part; viewers take one that names no transfer syntax for Implicit VR Little Endian."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def choose_pixels(accept: str, stored: str, *, alone: bool, compressed: bool = True) -> PixelForm:
    """The form of what is stored in this transfer syntax: frames, or bulk data that is `compressed` as frames are, or is not.

    multipart/related by default; what is `alone` also as a body of its own. Raises NotAcceptable where another syntax is asked.
    """
    syntax = EXPLICIT if not compressed or stored in NATIVE or is_deflated(stored) else stored
    kinds = [OCTETS] if syntax == EXPLICIT else [*_MEDIA.get(syntax, ()), OCTETS]
    offers: dict[str, Fit] = {}
    forms: dict[str, PixelForm] = {}
    for kind in kinds:
        for name, fit in ((f"{RELATED} {kind}", _related), (kind, _by_itself))[: 1 + alone]:
            offers[name], forms[name] = partial(fit, kind, syntax), PixelForm(kind, syntax, name != kind)
    if syntax in LOSSLESS:
        for name, fit in ((f"{RELATED} decoded", _related), ("decoded", _by_itself))[: 1 + alone]:
            offers[name], forms[name] = partial(fit, OCTETS, EXPLICIT), PixelForm(OCTETS, EXPLICIT, name != "decoded")
    sentence = (
        f'This is sent as {RELATED}; type="{kinds[0]}"; transfer-syntax={syntax}'
        f"{f', alone also as {kinds[0]}' if alone else ''}: ask for that, or for transfer-syntax=*."
    )
    return forms[choose(accept, offers, sentence)]


def _by_itself(kind: str, syntax: str, media: MediaType) -> int:
    return covers(kind, media) if _in_syntax(kind, syntax, media) else 0


def _related(kind: str, syntax: str, media: MediaType) -> int:
    if media.name != RELATED:
        return covers(RELATED, media)
    root = media.get("type")
    fit = 3 if root is None else covers(kind, MediaType(root.strip().lower()))
    return 3 + fit if fit and _in_syntax(kind, syntax, media) else 0


def _in_syntax(kind: str, syntax: str, media: MediaType) -> bool:
    """Who names no syntax takes whatever the media type is of; octets are then uncompressed (§8.7.3.5.2)."""
    asked = media.all("transfer-syntax")
    named = media.get("type") or media.name
    return bool({"*", syntax} & set(asked)) if asked else kind != OCTETS or syntax == EXPLICIT or "*" in named
