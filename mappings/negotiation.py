"""Content negotiation, one for all dialects: reads what a caller accepts (RFC 9110 §12.5.1) and chooses among what is offered.

Real clients leave out quotes, send a parameter twice, wrap `*/*` in multipart/related and list siblings nobody serves. So a range
that can't be read is passed over, and only when nothing that is served matches is the answer 406.

Werkzeug's parser is not used: it keeps one of two parameters with the same name, cuts an unquoted `type=application/dicom` at its
slash, and sorts ranges, so that the one named first is forgotten. Clients of DICOMweb send each of these.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mappings.failures import Invalid, NotAcceptable

MAX_TEXT = 4096
MAX_RANGES = 64

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(rf"\s*({_WORD})/({_WORD}(?: {_WORD})?)\s*")
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*')
_PREFERENCE = re.compile(rf'\s*({_WORD})\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*(?:;|$)')
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


Fit = Callable[[MediaType], int]
"""How specific a range is that covers an offer; 0 when it does not."""


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


def choose(accept: str, offers: Mapping[str, Fit], sentence: str, where: str = "Accept") -> str:
    """The offer of most weight, each weighed by its most specific range (RFC 9110 §12.5.1); then the one named first.

    Who accepts nothing in particular gets the first offer. Raises NotAcceptable with this sentence and place, Invalid where
    `accept` is too long.
    """
    if not accept.strip():
        return next(iter(offers))
    ranges = _ranges(accept)
    weighed: list[tuple[float, int, int, str]] = []
    for rank, (offer, fit) in enumerate(offers.items()):
        specific = max(((fit(r.media), r.weight, -r.position) for r in ranges), default=(0, 0.0, 0))
        if specific[0] and specific[1]:
            weighed.append((specific[1], specific[2], -rank, offer))
    if not weighed:
        raise NotAcceptable("not-acceptable", sentence, where)
    return max(weighed)[3]


def by_name(*offers: str) -> dict[str, Fit]:
    """Offers that are covered by ranges of their name, whatever the parameters."""
    return {offer: partial(covers, offer) for offer in offers}


def preferences(prefer: str) -> dict[str, str]:
    """The preferences of a Prefer header (RFC 7240 section 2), lower case, each with its value ("" for none).

    The first of each counts; what can't be read, and the parameters of a preference, are passed over. Raises Invalid where it
    is too long.
    """
    if len(prefer) > MAX_TEXT:
        raise Invalid("prefer-too-long", f"What is preferred may be said in {MAX_TEXT} characters.", "Prefer")
    preferred: dict[str, str] = {}
    for sibling in _SIBLING.findall(prefer):
        if read := _PREFERENCE.match(sibling):
            preferred.setdefault(read[1].lower(), (read[2] if read[2] is not None else read[3] or "").lower())
    return preferred


def covers(offer: str, media: MediaType) -> int:
    """The `Fit` of an offer by its name alone, and by wildcards."""
    return {"*/*": 1, f"{offer.partition('/')[0]}/*": 2, offer: 3}.get(media.name, 0)


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
    text = media.get("q") or "1"
    return float(text) if _WEIGHT.fullmatch(text) else 1.0
