"""Reads what a caller accepts (RFC 9110 §12.5.1, PS3.18 §8.7) and chooses the representation it gets.

Real clients leave out quotes, send a parameter twice, wrap `*/*` in multipart/related and list siblings nobody serves. So a range
that can't be read is passed over, and only when nothing that is served matches is the answer 406. The caller passes either the
Accept header or, where the request has one, the text of the `accept` query parameter (PS3.18 §8.3.3.1).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mappings.failures import Invalid, NotAcceptable

MAX_TEXT = 4096
MAX_RANGES = 64

DICOM, DICOM_JSON, JSON, JPEG, PNG = "application/dicom", "application/dicom+json", "application/json", "image/jpeg", "image/png"
RELATED = "multipart/related"

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(rf"\s*({_WORD})/({_WORD}(?: {_WORD})?)\s*")
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*')
_SIBLING = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"|")*')
_WEIGHT = re.compile(r"0(?:\.\d*)?|1(?:\.0*)?|\.\d+")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range, lower case, with its parameters in order (names lower case, values unquoted)."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def all(self, parameter: str) -> tuple[str, ...]:
        """Every value of a parameter, as often as it was sent."""
        return tuple(value for name, value in self.parameters if name == parameter)

    def get(self, parameter: str) -> str | None:
        """The first value of a parameter."""
        return next(iter(self.all(parameter)), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """A representation: its media type, whether it comes as multipart/related, and its one transfer syntax (None: several)."""

    media_type: str
    multipart: bool
    transfer_syntax: str | None


@dataclass(frozen=True, slots=True)
class _Range:
    media: MediaType
    weight: float
    position: int


def read_media_type(text: str) -> MediaType | None:
    """One media type with parameters, as in Content-Type (RFC 9110 §8.3.1); None if it is none."""
    named = _NAME.match(text)
    if named is None:
        return None
    # a `+` that a query string lost: `?accept=application/dicom+json` arrives with a blank
    name = f"{named[1]}/{named[2].replace(' ', '+')}".lower()
    parameters, at = [], named.end()
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            return None
        if match[1]:
            value = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
            parameters.append((match[1].lower(), value))
        at = match.end()
    return MediaType(name, tuple(parameters))


def choose_retrieve(accept: str, stored: Collection[str]) -> Choice:
    """How instances stored in these transfer syntaxes are sent (PS3.18 §10.4): multipart/related by default, single if preferred.

    Only the stored syntaxes are served, also to a caller who names none (whom §8.7.3.5.2 promises Explicit VR Little Endian: the
    part says its syntax). Raises NotAcceptable when every range that fits names only other syntaxes, or none fits.
    """
    syntaxes = sorted(set(stored))
    syntax = syntaxes[0] if len(syntaxes) == 1 else None
    ranges = [r for r in _ranges(accept) if _syntaxes_fit(r.media, syntaxes)]
    chosen = _best(accept, ranges, {RELATED: _fits_related, DICOM: partial(_fits, DICOM)})
    if chosen is None:
        raise NotAcceptable(
            "not-acceptable",
            f'Instances are sent as multipart/related; type="{DICOM}" or as {DICOM}, in the transfer syntax they are stored in '
            f"({', '.join(syntaxes) or 'none is there'}): ask for transfer-syntax=*.",
            "Accept",
        )
    return Choice(DICOM, chosen == RELATED, syntax)


def choose_json(accept: str) -> str:
    """The media type of JSON answers (PS3.18 §8.7.3.2): application/dicom+json by default. Raises NotAcceptable."""
    return _plain(accept, (DICOM_JSON, JSON), "This is sent")


def choose_rendered(accept: str) -> str:
    """The media type of a rendered frame (PS3.18 §8.7.3.3): image/jpeg by default, or image/png. Raises NotAcceptable."""
    return _plain(accept, (JPEG, PNG), "A rendered frame is sent")


def _plain(accept: str, offers: Sequence[str], sentence: str) -> str:
    chosen = _best(accept, _ranges(accept), {offer: partial(_fits, offer) for offer in offers})
    if chosen is None:
        raise NotAcceptable("not-acceptable", f"{sentence} as {' or '.join(offers)}.", "Accept")
    return chosen


def _best(accept: str, ranges: Sequence[_Range], offers: Mapping[str, Callable[[MediaType], int]]) -> str | None:
    """The offer of most weight, each weighed by its most specific range (RFC 9110 §12.5.1); then the one named first."""
    if not accept.strip():
        return next(iter(offers))
    weighed: list[tuple[float, int, int, str]] = []
    for rank, (offer, fit) in enumerate(offers.items()):
        best = max(((fit(r.media), r.weight, -r.position) for r in ranges), default=(0, 0.0, 0))
        if best[0] and best[1]:
            weighed.append((best[1], best[2], -rank, offer))
    return max(weighed)[3] if weighed else None


def _fits(offer: str, media: MediaType) -> int:
    """How specific a range is that covers the offer; 0 when it does not."""
    return {"*/*": 1, f"{offer.partition('/')[0]}/*": 2, offer: 3}.get(media.name, 0)


def _fits_related(media: MediaType) -> int:
    fit, root = _fits(RELATED, media), media.get("type")
    if media.name != RELATED or root is None:
        return fit
    part = _fits(DICOM, MediaType(root.strip().lower()))
    return fit + part if part else 0


def _syntaxes_fit(media: MediaType, stored: Sequence[str]) -> bool:
    asked = media.all("transfer-syntax")
    return not asked or "*" in asked or set(stored) <= set(asked)


def _ranges(accept: str) -> list[_Range]:
    if len(accept) > MAX_TEXT:
        raise Invalid("accept-too-long", f"What is accepted may be said in {MAX_TEXT} characters.", "Accept")
    siblings = [s for s in _SIBLING.findall(accept) if s.strip()]
    if len(siblings) > MAX_RANGES:
        raise Invalid("accept-too-long", f"At most {MAX_RANGES} media ranges are read.", "Accept")
    read = ((position, read_media_type(sibling)) for position, sibling in enumerate(siblings))
    return [_Range(media, _weight(media), position) for position, media in read if media is not None]


def _weight(media: MediaType) -> float:
    """The range's q (RFC 9110 §12.4.2); one that can't be read counts as 1."""
    weight = media.get("q") or "1"
    return float(weight) if _WEIGHT.fullmatch(weight) else 1.0
