"""What a FHIR caller accepts (R4 3.1.0.1.11): JSON or XML of the version that is served, under the names clients know them by."""

from functools import lru_cache, partial

from mappings.negotiation import MediaType, choose, covers

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
_NAMES = {
    FHIR_JSON: (FHIR_JSON, "application/json", "application/json+fhir", "text/json"),
    FHIR_XML: (FHIR_XML, "application/xml", "application/xml+fhir", "text/xml"),
}
_GENERIC = ("application/json", "text/json", "application/xml", "text/xml")
"""Who accepts one of these is answered under it (R4 section 3.1.0.1.10): such clients look for the type they know."""
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names}
_SHORT = {"json": FHIR_JSON, "xml": FHIR_XML}


@lru_cache(maxsize=256)
def accepted(accept: str, asked: str | None, version: str = "4.0", kinds: tuple[str, ...] = (FHIR_JSON, FHIR_XML)) -> str:
    """The media type to answer in: FHIR's own, or a generic one as it is accepted.

    `_format` (`asked`) outranks the Accept header, and means FHIR's own. Raises NotAcceptable where neither will do.
    """
    kind, semicolon, parameters = (asked or accept).partition(";")
    text = f"{_SHORT.get(kind.strip().lower(), kind)}{semicolon}{parameters}"
    offers = {name: partial(_fit, name, version) for name, offered in _KINDS.items() if offered in kinds}
    sentence = f"This server answers {' and '.join(kinds)} (FHIR {version}) here."
    name = choose(text, offers, sentence, "_format" if asked else "Accept")
    return name if name in _GENERIC and not asked else _KINDS[name]


def is_xml(media_type: str) -> bool:
    """Whether one of the types answered in is XML."""
    return _KINDS[media_type] == FHIR_XML


def _fit(offer: str, served: str, media: MediaType) -> int:
    """Wildcards mean the one name that we answer under; `fhirVersion` is the one that is served here, wherever it is said."""
    version = media.get("fhirversion")
    named = offer in _NAMES or offer == media.name
    return covers(offer, media) if named and (version is None or served in version) else 0
