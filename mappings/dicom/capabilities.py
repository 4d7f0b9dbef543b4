"""Describes what an archive does over DICOMweb (PS3.18 section 8.9): its Capabilities Description, in WADL as annex H gives it.

`SERVICES` is the list of what is served; a test holds it against the routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from xml.etree.ElementTree import Element, SubElement, tostring

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.dicom.accept import DICOM, DICOM_JSON, DICOM_XML, JPEG, JSON, PNG, RELATED, ZIP
from mappings.dicom.pixel_media import OCTETS
from mappings.fields import FIELDS

WADL, XML = "application/vnd.sun.wadl+xml", "application/xml"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_NOT_MODIFIED = 304
_PARTS = f'{RELATED}; type="{DICOM}"'
_STUDY = "/studies/{study}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_KEYS = ("limit", "offset", "fuzzymatching", "includefield", *(field.keyword for field in FIELDS.values() if field.keyword))


@dataclass(frozen=True, slots=True)
class Transaction:
    """How one is asked for: its query parameters, what a body of it is, the media types and statuses it is answered with."""

    parameters: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    answers: tuple[str, ...] = (DICOM_JSON, JSON)
    statuses: tuple[int, ...] = (200,)


_SEARCH = Transaction(_KEYS)
_COUNT = Transaction(_KEYS, answers=(JSON,))
_METADATA = Transaction(statuses=(200, 304))
_FILES = Transaction(answers=(_PARTS, DICOM, ZIP), statuses=(200, 304))
_FILE = Transaction(answers=(_PARTS, DICOM), statuses=(200, 206, 304))
_PICTURE = Transaction(("viewport", "window", "quality", "iccprofile"), answers=(JPEG, PNG), statuses=(200, 304))
_THUMBNAIL = Transaction(("viewport",), answers=(JPEG, PNG), statuses=(200, 304))
_PIXELS = Transaction(
    answers=(f'{RELATED}; type="{OCTETS}"', OCTETS, "image/jpeg", "image/jls", "image/jp2", "image/jphc", "image/dicom-rle"),
    statuses=(200, 206, 304),
)
_STORE = Transaction(("dataset", "batch"), (_PARTS, DICOM), (DICOM_JSON, JSON, DICOM_XML), (200, 202, 409))
SERVICES: Mapping[tuple[str, str], tuple[str, Transaction]] = MappingProxyType(
    {
        ("/studies", "GET"): ("SearchForStudies", _SEARCH),
        ("/studies", "POST"): ("StoreInstances", _STORE),
        ("/series", "GET"): ("SearchForSeries", _SEARCH),
        ("/instances", "GET"): ("SearchForInstances", _SEARCH),
        ("/studies/count", "GET"): ("CountStudies", _COUNT),
        ("/series/count", "GET"): ("CountSeries", _COUNT),
        ("/instances/count", "GET"): ("CountInstances", _COUNT),
        (_STUDY, "GET"): ("RetrieveStudy", _FILES),
        (_STUDY, "POST"): ("StoreStudyInstances", _STORE),
        (f"{_STUDY}/metadata", "GET"): ("RetrieveStudyMetadata", _METADATA),
        (f"{_STUDY}/thumbnail", "GET"): ("RetrieveStudyThumbnail", _THUMBNAIL),
        (f"{_STUDY}/series", "GET"): ("SearchForStudySeries", _SEARCH),
        (f"{_STUDY}/instances", "GET"): ("SearchForStudyInstances", _SEARCH),
        (f"{_STUDY}/series/count", "GET"): ("CountStudySeries", _COUNT),
        (f"{_STUDY}/instances/count", "GET"): ("CountStudyInstances", _COUNT),
        (_SERIES, "GET"): ("RetrieveSeries", _FILES),
        (f"{_SERIES}/metadata", "GET"): ("RetrieveSeriesMetadata", _METADATA),
        (f"{_SERIES}/thumbnail", "GET"): ("RetrieveSeriesThumbnail", _THUMBNAIL),
        (f"{_SERIES}/instances", "GET"): ("SearchForStudySeriesInstances", _SEARCH),
        (f"{_SERIES}/instances/count", "GET"): ("CountStudySeriesInstances", _COUNT),
        (_INSTANCE, "GET"): ("RetrieveInstance", _FILE),
        (f"{_INSTANCE}/metadata", "GET"): ("RetrieveInstanceMetadata", _METADATA),
        (f"{_INSTANCE}/frames/{{frames}}", "GET"): ("RetrieveFrames", _PIXELS),
        (f"{_INSTANCE}/bulkdata/{{element}}", "GET"): ("RetrieveBulkData", _PIXELS),
        (f"{_INSTANCE}/rendered", "GET"): ("RetrieveRenderedInstance", _PICTURE),
        (f"{_INSTANCE}/frames/{{frame}}/rendered", "GET"): ("RetrieveRenderedFrame", _PICTURE),
        (f"{_INSTANCE}/thumbnail", "GET"): ("RetrieveInstanceThumbnail", _THUMBNAIL),
        (f"{_INSTANCE}/frames/{{frame}}/thumbnail", "GET"): ("RetrieveFrameThumbnail", _THUMBNAIL),
    }
)
"""(Path below the root, method) → what that is called, and how it is asked for."""


def methods_of(path: str) -> tuple[str, ...]:
    """The methods of a resource, HEAD with GET, and OPTIONS with all."""
    named = [method for at, method in SERVICES if at == path]
    return (*named, *(["HEAD"] if "GET" in named else []), "OPTIONS")


@lru_cache(maxsize=256)
def capabilities(root: str, path: str | None = None) -> bytes:
    """The description of the archive at this URL, or of the one resource of it."""
    application = Element("application", xmlns=_NAMESPACE)
    SubElement(application, "doc").text = NEVER_FOR_DIAGNOSIS
    resources = SubElement(application, "resources", base=root)
    for at, served in groupby(SERVICES, lambda service: service[0]):
        if path in (None, at):
            resource = SubElement(resources, "resource", path=at.lstrip("/"))
            for service in served:
                _describe(resource, service[1], *SERVICES[service])
    written: bytes = tostring(application, "utf-8", xml_declaration=True)
    return written


def _describe(resource: Element, method: str, name: str, transaction: Transaction) -> None:
    described = SubElement(resource, "method", name=method, id=name)
    asked = SubElement(described, "request")
    accept = SubElement(asked, "param", name="Accept", style="header", default=transaction.answers[0])
    for media_type in transaction.answers:
        SubElement(accept, "option", value=media_type)
    for parameter in ("accept", *transaction.parameters):
        SubElement(asked, "param", name=parameter, style="query")
    _represent(asked, transaction.body)
    for status in transaction.statuses:
        answered = SubElement(described, "response", status=str(status))
        _represent(answered, () if status == _NOT_MODIFIED else transaction.answers)


def _represent(parent: Element, media_types: tuple[str, ...]) -> None:
    for media_type in media_types:
        SubElement(parent, "representation", mediaType=media_type)
